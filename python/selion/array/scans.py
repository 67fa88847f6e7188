"""Running sums and products."""

from __future__ import annotations

from selion import _selion
from selion.array.core import Array, asanyarray, into

__all__ = ["cumprod", "cumsum", "nancumprod", "nancumsum", "push"]


def _scan(name, x, axis, dtype, out, method) -> Array:
    if method not in ("sequential", "blelloch"):
        raise ValueError(f'Invalid method for cumreduction.  Expected "sequential" or "blelloch".  Got: {method!r}')
    x = asanyarray(x)
    if dtype is None:
        return into(out, Array(_selion.scan(x._native, name, axis)))
    # NumPy adds up what has been cast; small integers wrap around in the end as they would on the way.
    return into(out, Array(_selion.scan(x.astype(dtype)._native, name, axis)).astype(dtype))


_ABOUT = """{what} along an axis.

    Parameters
    ----------
    x : array-like
    axis : int{optional}
    dtype : dtype, optional
        Of the elements before they are added up, and of the result.
    out : Array, optional
        An array that becomes the result.
    method : {{"sequential", "blelloch"}}
        Accepted as Dask has it: how blocks are scanned is decided when they are.
    """


def _make(name, what):
    def function(x, axis=None, dtype=None, out=None, method="sequential") -> Array:
        return _scan(name, x, axis, dtype, out, method)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = _ABOUT.format(what=what, optional=", optional\n        All elements in C order by default.")
    return function


def _make_nan(name, what):
    def function(x, axis, dtype=None, out=None, *, method="sequential") -> Array:
        return _scan(name, x, axis, dtype, out, method)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = _ABOUT.format(what=what, optional=", or None for all elements in C order")
    return function


cumsum = _make("cumsum", "Running sums")
cumprod = _make("cumprod", "Running products")
nancumsum = _make_nan("nancumsum", "Running sums, NaN counting as zero,")
nancumprod = _make_nan("nancumprod", "Running products, NaN counting as one,")


def push(array, n, axis) -> Array:
    """NaN along an axis filled with the last element before them.

    Parameters
    ----------
    array : array-like
    n : int or None
        How many NaN in a row are filled at most.
    axis : int

    Examples
    --------
    >>> import numpy as np, selion.array as da
    >>> da.push(da.asarray([1.0, np.nan, np.nan, 4.0]), 1, axis=0).compute()
    array([ 1.,  1., nan,  4.])
    """
    return Array(_selion.push(asanyarray(array)._native, n, axis))
