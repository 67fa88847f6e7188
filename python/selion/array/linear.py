"""Products of arrays."""

from __future__ import annotations

from selion import _selion
from selion.array.core import Array, asanyarray

__all__ = ["dot", "einsum", "matmul", "outer", "tensordot", "vdot"]


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


def einsum(subscripts, *operands, dtype=None, **kwargs) -> Array:
    """Sums of products by Einstein's convention.

    Parameters
    ----------
    subscripts : str
        Letters of the operands' axes, and after ``->`` those of the result.
    operands : array-like

    Examples
    --------
    >>> import numpy as np, selion.array as da
    >>> x = da.from_array(np.arange(6.0).reshape(2, 3), chunks=2)
    >>> da.einsum("ij->i", x).compute()
    array([ 3., 12.])
    """
    if not isinstance(subscripts, str):
        raise NotImplementedError("einsum with lists of axes is not implemented")
    operands = [asanyarray(x) if dtype is None else asanyarray(x).astype(dtype) for x in operands]
    return Array(_selion.einsum(subscripts, [x._native for x in operands]))
