"""What stands beside plain indexing: points, blocks, assignment, and functions that take elements."""

from __future__ import annotations

import numpy as np

from selion import _selion
from selion.array.core import Array, _operand, _ufunc, asanyarray, asarray

__all__ = ["compress", "extract", "take"]


class VIndex:
    """Pointwise indexing of an array; the points' axes come first."""

    def __init__(self, array: Array):
        self._array = array

    def __getitem__(self, index) -> Array:
        if not isinstance(index, tuple):
            index = (index,)
        return Array(_selion.vindex(self._array._native, index))


class BlockView:
    """An array's blocks as an array of blocks."""

    def __init__(self, array: Array):
        self._array = array

    @property
    def shape(self) -> tuple:
        """The number of blocks along each axis."""
        return self._array.numblocks

    @property
    def size(self) -> int:
        """The number of blocks."""
        return self._array.npartitions

    def __getitem__(self, index) -> Array:
        index = index if isinstance(index, tuple) else (index,)
        if any(part is None for part in index):
            raise ValueError("Slicing with np.newaxis or None is not supported")
        if Ellipsis in index:
            at = index.index(Ellipsis)
            fill = (slice(None),) * (len(self.shape) - len(index) + 1)
            index = index[:at] + fill + index[at + 1 :]
        index += (slice(None),) * (len(self.shape) - len(index))
        first, count = [], []
        for part, n in zip(index, self.shape, strict=True):
            if isinstance(part, slice):
                start, stop, step = part.indices(n)
                if step != 1:
                    raise NotImplementedError("blocks with a step are not implemented")
                first.append(start)
                count.append(max(stop - start, 0))
            else:
                k = int(part)
                if not -n <= k < n:
                    raise IndexError(f"block index {k} is out of bounds for {n} blocks")
                first.append(k % n)
                count.append(1)
        return Array(_selion.block_range(self._array._native, first, count))

    def ravel(self) -> list[Array]:
        """The blocks, in C order."""
        return [self[index] for index in np.ndindex(self.shape)]


def assigned(x: Array, index, value) -> Array:
    """``x`` with ``value`` at ``index``."""
    value = asanyarray(value)
    if isinstance(index, np.ndarray) and index.dtype == bool:
        index = asarray(index)
    if isinstance(index, Array) and index.dtype == bool:
        if value.ndim and value.shape != x.shape and value.size != 1:
            raise NotImplementedError("assigning several values through a mask is not implemented")
        while index.ndim < x.ndim:
            index = index[..., None]
        return _ufunc("where", index, value.astype(x.dtype), x)
    if hasattr(_selion, "setitem"):
        if isinstance(index, tuple):
            index = tuple(_operand(part) for part in index)
        return Array(_selion.setitem(x._native, index, value.astype(x.dtype)._native))
    raise NotImplementedError("assigning to a part of an array is not implemented")


def take(a, indices, axis=0) -> Array:
    """Elements at the given indices along an axis.

    Examples
    --------
    >>> import selion.array as da
    >>> da.take(da.arange(10, chunks=3), [9, 0, 4]).compute()
    array([9, 0, 4])
    """
    a = asanyarray(a)
    if axis is None:
        a, axis = a.ravel(), 0
    indices = np.asarray(indices)
    if not -a.ndim <= axis < a.ndim:
        raise np.exceptions.AxisError(axis, a.ndim)
    axis %= a.ndim
    return a[(slice(None),) * axis + (indices,)]


def compress(condition, a, axis=None) -> Array:
    """Elements along an axis where a one-dimensional condition is true."""
    a = asanyarray(a)
    if axis is None:
        a, axis = a.ravel(), 0
    if np.ndim(condition) != 1:
        raise ValueError("Condition must be one dimensional")
    if not -a.ndim <= axis < a.ndim:
        raise np.exceptions.AxisError(axis, a.ndim)
    n = a.shape[axis]
    if isinstance(condition, Array):
        condition = condition.astype(bool)
        if condition.shape[0] < n:
            a = a[(slice(None),) * (axis % a.ndim) + (slice(condition.shape[0]),)]
    else:
        condition = np.asarray(condition, bool)
        if len(condition) > n:
            raise ValueError(f"index out of bounds for axis of size {n}")
        condition = np.pad(condition, (0, n - len(condition)))
    return a[(slice(None),) * (axis % a.ndim) + (condition,)]


def extract(condition, arr) -> Array:
    """Elements where the condition is true."""
    condition, arr = asanyarray(condition).astype(bool), asanyarray(arr)
    return compress(condition.ravel(), arr.ravel(), axis=0)
