"""Products of arrays."""

from __future__ import annotations

from selion import _selion
from selion.array.core import Array, asanyarray

__all__ = ["dot", "matmul", "outer", "tensordot", "vdot"]


def _product(name):
    native = getattr(_selion, name)

    def function(a, b, out=None) -> Array:
        return Array(native(asanyarray(a)._native, asanyarray(b)._native))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"NumPy's `numpy.{name}`, lazily and block by block."
    return function


dot = _product("dot")
matmul = _product("matmul")
outer = _product("outer")
vdot = _product("vdot")


def tensordot(lhs, rhs, axes=2) -> Array:
    """The sum of products over the given axes.

    Parameters
    ----------
    lhs, rhs : array-like
    axes : int or pair
        How many of the last axes of ``lhs`` go with the first of ``rhs``, or which of each.
    """
    lhs, rhs = asanyarray(lhs), asanyarray(rhs)
    if isinstance(axes, int):
        left, right = range(lhs.ndim - axes, lhs.ndim), range(axes)
    else:
        left, right = ([k] if isinstance(k, int) else k for k in axes)
    return Array(_selion.tensordot(lhs._native, rhs._native, list(left), list(right)))
