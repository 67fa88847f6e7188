"""Arrays from nothing."""

from __future__ import annotations

import numpy as np

from selion import _selion
from selion.array.core import Array, _ufunc, asanyarray

__all__ = [
    "arange", "array", "empty", "empty_like", "eye", "fromfunction", "full", "full_like", "indices", "linspace",
    "meshgrid", "ones", "ones_like", "tri", "zeros", "zeros_like",
]  # fmt: skip


def _shape(shape) -> tuple:
    return (shape,) if np.isscalar(shape) else tuple(int(n) for n in shape)


def full(shape, fill_value, dtype=None, chunks="auto", name=None, **kwargs) -> Array:
    """The same value everywhere.

    Examples
    --------
    >>> import selion.array as da
    >>> da.full((2, 2), 7).compute()
    array([[7, 7],
           [7, 7]])
    """
    if np.ndim(fill_value) != 0:
        raise ValueError(f"fill_value must be scalar. Received {type(fill_value).__name__} instead.")
    dtype = np.asarray(fill_value).dtype if dtype is None else dtype
    return Array(_selion.full(_shape(shape), fill_value, dtype, chunks))


def ones(shape, dtype=float, chunks="auto", name=None, **kwargs) -> Array:
    """Ones."""
    return full(shape, 1, dtype or float, chunks)


def zeros(shape, dtype=float, chunks="auto", name=None, **kwargs) -> Array:
    """Zeros."""
    return full(shape, 0, dtype or float, chunks)


def empty(shape, dtype=float, chunks="auto", name=None, **kwargs) -> Array:
    """Zeros: selion hands out no memory that it has not written."""
    return zeros(shape, dtype, chunks)


def arange(start=0, stop=None, step=1, *, chunks="auto", dtype=None, like=None, **kwargs) -> Array:
    """Evenly spaced values in ``[start, stop)``.

    Examples
    --------
    >>> import selion.array as da
    >>> da.arange(2, 10, 3).compute()
    array([2, 5, 8])
    """
    if stop is None:
        start, stop = 0, start
    if step == 0:
        raise ZeroDivisionError("division by zero")
    if dtype is None:
        dtype = np.result_type(*(np.asarray(x).dtype for x in (start, stop, step)))
    len_ = int(max(np.ceil((stop - start) / step), 0))
    return Array(_selion.arange(start, step, len_, dtype, chunks))


def array(x, dtype=None, ndmin=None, *, like=None) -> Array:
    """An array of what is in ``x``: nested lists, a NumPy array, or an array of selion."""
    if ndmin is not None and ndmin > np.ndim(x):
        raise NotImplementedError("array(ndmin=...) is not implemented")
    return asanyarray(x, dtype)


def full_like(a, fill_value, order="C", dtype=None, chunks=None, name=None, shape=None) -> Array:
    """The same value everywhere, in the shape, dtype and blocks of ``a``.

    Examples
    --------
    >>> import selion.array as da
    >>> da.full_like(da.arange(3), 5).compute()
    array([5, 5, 5])
    """
    a = asanyarray(a)
    if shape is None:
        return full(a.shape, fill_value, dtype or a.dtype, chunks or a.chunks)
    return full(shape, fill_value, dtype or a.dtype, chunks or "auto")


def ones_like(a, dtype=None, order="C", chunks=None, name=None, shape=None) -> Array:
    """Ones, in the shape, dtype and blocks of ``a``."""
    return full_like(a, 1, order, dtype, chunks, name, shape)


def zeros_like(a, dtype=None, order="C", chunks=None, name=None, shape=None) -> Array:
    """Zeros, in the shape, dtype and blocks of ``a``."""
    return full_like(a, 0, order, dtype, chunks, name, shape)


def empty_like(a, dtype=None, order="C", chunks=None, name=None, shape=None) -> Array:
    """Elements of any value (zeros), in the shape, dtype and blocks of ``a``."""
    return full_like(a, 0, order, dtype, chunks, name, shape)


def linspace(start, stop, num=50, endpoint=True, retstep=False, chunks="auto", dtype=None):
    """``num`` evenly spaced numbers from ``start`` to ``stop``.

    Examples
    --------
    >>> import selion.array as da
    >>> da.linspace(0, 1, 5).compute()
    array([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    num = int(num)
    if num < 0:
        raise ValueError(f"Number of samples, {num}, must be non-negative.")
    steps = num - 1 if endpoint else num
    step = (stop - start) / steps if steps > 0 else float("nan")
    index = arange(num, chunks=chunks)
    x = index * (step if steps > 0 else 0.0) + start
    if endpoint and num > 1:
        x = _ufunc("where", index == num - 1, stop * 1.0, x)
    if dtype is not None:
        x = _ufunc("floor", x).astype(dtype) if np.dtype(dtype).kind in "iu" else x.astype(dtype)
    return (x, step) if retstep else x


def _row_minus_column(n, m, chunks) -> Array:
    """The number of the diagonal on which each element is."""
    row, column = (Array(_selion.coordinate((n, m), axis, chunks)) for axis in (0, 1))
    return column - row


def eye(N, chunks="auto", M=None, k=0, dtype=float) -> Array:
    """Ones on the ``k``-th diagonal, zeros elsewhere.

    Examples
    --------
    >>> import selion.array as da
    >>> da.eye(2, dtype=int).compute()
    array([[1, 0],
           [0, 1]])
    """
    return (_row_minus_column(int(N), int(N if M is None else M), chunks) == k).astype(dtype)


def tri(N, M=None, k=0, dtype=float, chunks="auto", *, like=None) -> Array:
    """Ones on and below the ``k``-th diagonal, zeros elsewhere."""
    return (_row_minus_column(int(N), int(N if M is None else M), chunks) <= k).astype(dtype)


def indices(dimensions, dtype=int, chunks="auto") -> Array:
    """The coordinates of a grid, one array for each axis, stacked."""
    from selion.array import stack

    dimensions = _shape(dimensions)
    grid = [Array(_selion.coordinate(dimensions, axis, chunks)).astype(dtype) for axis in range(len(dimensions))]
    return stack(grid) if grid else empty((0, *dimensions), dtype, chunks)


def meshgrid(*xi, sparse=False, indexing="xy", **kwargs) -> list[Array]:
    """Coordinate arrays from coordinate vectors."""
    from selion.array.core import asarray
    from selion.array.manipulation import broadcast_arrays, swapaxes

    if indexing not in ("ij", "xy"):
        raise ValueError("`indexing` must be `'ij'` or `'xy'`")
    xi = [asarray(x) for x in xi]
    if any(x.ndim != 1 for x in xi):
        raise ValueError("meshgrid takes one-dimensional arrays")
    swap = indexing == "xy" and len(xi) > 1
    grid = [x[(None,) * k + (slice(None),) + (None,) * (len(xi) - k - 1)] for k, x in enumerate(xi)]
    if swap:
        grid = [swapaxes(x, 0, 1) for x in grid]
    return grid if sparse else list(broadcast_arrays(*grid))


def fromfunction(func, chunks="auto", shape=None, dtype=float, **kwargs) -> Array:
    """What a function makes of the coordinates of a grid, an array of ``dtype`` for each axis."""
    from selion.array.blockwise import map_blocks

    shape = _shape(shape)
    grid = [Array(_selion.coordinate(shape, axis, chunks)).astype(dtype) for axis in range(len(shape))]
    return map_blocks(lambda *coordinates: np.broadcast_to(func(*coordinates, **kwargs), coordinates[0].shape), *grid)
