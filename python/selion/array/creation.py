"""Arrays from nothing."""

from __future__ import annotations

import numpy as np

from selion import _selion
from selion.array.core import Array

__all__ = ["arange", "empty", "full", "indices", "fromfunction", "linspace", "meshgrid", "ones", "zeros"]


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


def linspace(start, stop, num=50, endpoint=True, retstep=False, chunks="auto", dtype=None, **kwargs):
    """``num`` evenly spaced values from ``start`` to ``stop``.

    Examples
    --------
    >>> import selion.array as da
    >>> da.linspace(0, 1, 5).compute()
    array([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    num = int(num)
    if num < 0:
        raise ValueError(f"Number of samples, {num}, must be non-negative.")
    parts = num - 1 if endpoint else num
    step = (stop - start) / parts if parts > 0 else float("nan")
    x = arange(0, num, dtype=float, chunks=chunks) * (step if parts > 0 else 0.0) + start
    if dtype is not None:
        x = x.astype(dtype)
    return (x, step) if retstep else x


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
