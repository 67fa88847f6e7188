"""Running sums and products."""

from __future__ import annotations

from selion import _selion
from selion.array.core import Array, asanyarray

__all__ = ["cumprod", "cumsum", "nancumprod", "nancumsum"]


def _scan(name, what):
    def function(x, axis=None, dtype=None, out=None, *, method="sequential") -> Array:
        x = asanyarray(x)
        return Array(_selion.scan((x if dtype is None else x.astype(dtype))._native, name, axis))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{what} along an axis; of all elements in C order if it is None."
    return function


cumsum = _scan("cumsum", "Running sums")
cumprod = _scan("cumprod", "Running products")
nancumsum = _scan("nancumsum", "Running sums, NaN counting as zero,")
nancumprod = _scan("nancumprod", "Running products, NaN counting as one,")
