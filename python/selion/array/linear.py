"""Products of arrays."""

from __future__ import annotations

from selion import _selion
from selion.array.core import Array, asanyarray

__all__ = ["dot", "einsum", "matmul", "outer", "tensordot", "vdot"]


def _product(name):
    native = getattr(_selion, name)

    def function(a, b) -> Array:
        return Array(native(asanyarray(a)._native, asanyarray(b)._native))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"NumPy's `numpy.{name}`, lazily and block by block."
    return function


dot = _product("dot")
matmul = _product("matmul")
vdot = _product("vdot")


def outer(a, b) -> Array:
    """The products of all pairs of elements, which are taken in C order.

    Examples
    --------
    >>> import selion.array as da
    >>> da.outer([1, 2], [3, 4]).compute()
    array([[3, 4],
           [6, 8]])
    """
    return Array(_selion.outer(asanyarray(a).ravel()._native, asanyarray(b).ravel()._native))


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


def einsum(*operands, dtype=None, optimize=False, split_every=None, **kwargs) -> Array:
    """Sums of products by Einstein's convention.

    Parameters
    ----------
    operands : str, array-like, …
        Letters of the arrays' axes, and after ``->`` those of the result; then the arrays. Or each array followed by a
        list of numbers for its axes, and last the list of the result's.
    dtype : dtype, optional
        What to compute in.
    optimize, split_every : optional
        Accepted as Dask has them.

    Raises
    ------
    ValueError
        If letters do not fit the arrays' axes, or lengths differ.

    Examples
    --------
    >>> import numpy as np, selion.array as da
    >>> x = da.from_array(np.arange(6.0).reshape(2, 3), chunks=2)
    >>> da.einsum("ij->i", x).compute()
    array([ 3., 12.])
    """
    for key in kwargs.keys() - {"casting", "order"}:
        raise TypeError(f"einsum() got an unexpected keyword argument {key!r}")
    if not operands:
        raise ValueError(
            "must specify the einstein sum subscripts string and at least one operand, or at least one operand"
        )
    subscripts, *arrays = operands if isinstance(operands[0], str) else _with_letters(operands)
    arrays = [asanyarray(x) if dtype is None else asanyarray(x).astype(dtype) for x in arrays]
    return Array(_selion.einsum(subscripts, [x._native for x in arrays]))


def _with_letters(operands) -> tuple:
    """Subscripts as text, and the arrays, from arrays that are each followed by a list of numbers."""

    def letters(axes):
        return "".join("..." if axis is Ellipsis else chr(ord("a") + int(axis)) for axis in axes)

    arrays, lists = operands[: len(operands) // 2 * 2 : 2], operands[1::2]
    subscripts = ",".join(map(letters, lists))
    if len(operands) % 2:
        subscripts += "->" + letters(operands[-1])
    return subscripts, *arrays
