"""Functions of blocks that look at their neighbours: stencils, filters, windows."""

from __future__ import annotations

from functools import partial

import numpy as np

from selion import _selion
from selion.array.blockwise import Mapped
from selion.array.core import Array, asanyarray

__all__ = ["map_overlap", "overlap", "sliding_window_view", "trim_internal", "trim_overlap"]


def _by_axis(value, ndim, default) -> list:
    """One value for each axis, from a value for all, a tuple, or a dict with some of them."""
    if value is None:
        value = default
    if isinstance(value, dict):
        return [value.get(axis, default) for axis in range(ndim)]
    return [*value, *[default] * ndim][:ndim] if isinstance(value, tuple) else [value] * ndim


def _depths(x: Array, depth, boundary) -> list:
    """Elements before and after, and the boundary, for each axis, as the native layer takes them."""
    depths = []
    pairs = zip(_by_axis(depth, x.ndim, 0), _by_axis(boundary, x.ndim, "none"), strict=True)
    for axis, (reach, edge) in enumerate(pairs):
        edge = "none" if edge is None else edge
        if isinstance(reach, tuple) and not (isinstance(edge, str) and edge == "none"):
            raise NotImplementedError(
                "Asymmetric overlap is currently only implemented for boundary='none', however boundary for "
                f"dimension {axis} is {edge}"
            )
        before, after = reach if isinstance(reach, tuple) else (reach, reach)
        if before < 0 or after < 0:
            raise ValueError(f"overlap depths must not be negative, but depth is {reach} along axis {axis}")
        depths.append((int(before), int(after), edge))
    return depths


def overlap(x, depth, boundary, *, allow_rechunk=True) -> Array:
    """The array with its blocks extended by elements of their neighbours.

    Parameters
    ----------
    x : Array
    depth : int, tuple or dict
        How many elements, along all axes or each; a pair if not as many before as after.
    boundary : str, scalar, tuple or dict
        What lies beyond the ends, along all axes or each: ``"reflect"``, ``"periodic"``, ``"nearest"``, a value, or
        ``"none"``: blocks at the ends are not extended there.
    allow_rechunk : bool
        Whether blocks that are shorter than the depth are merged with others.

    Raises
    ------
    ValueError
        If the depth is larger than the array, or than a block that may not be rechunked.

    Examples
    --------
    >>> import selion.array as da
    >>> from selion.array.overlap import overlap
    >>> overlap(da.arange(4, chunks=2), depth=1, boundary="periodic").compute()
    array([3, 0, 1, 2, 1, 2, 3, 0])
    """
    x = asanyarray(x)
    return Array(_selion.overlap(x._native, _depths(x, depth, boundary), allow_rechunk))


def trim_overlap(x, depth, boundary=None) -> Array:
    """Take away again what `overlap` put around the blocks.

    Parameters
    ----------
    x : Array
    depth, boundary : optional
        As `overlap` was told.

    Raises
    ------
    ValueError
        If a block is shorter than what is to be taken away.

    Examples
    --------
    >>> import selion.array as da
    >>> from selion.array.overlap import overlap, trim_overlap
    >>> x = overlap(da.arange(4, chunks=2), depth=1, boundary="periodic")
    >>> trim_overlap(x, depth=1, boundary="periodic").compute()
    array([0, 1, 2, 3])
    """
    x = asanyarray(x)
    return Array(_selion.trim_overlap(x._native, _depths(x, depth, boundary)))


def trim_internal(x, axes, boundary=None) -> Array:
    """As `trim_overlap`, with the depth by axis."""
    return trim_overlap(x, axes, boundary)


def map_overlap(
    func, *args, depth=None, boundary=None, trim=True, align_arrays=True, allow_rechunk=True, **kwargs
) -> Array:
    """Apply a function to blocks that are extended by elements of their neighbours, and trim what it gives.

    Parameters
    ----------
    func : callable
        Gets the extended blocks of the arrays.
    args : Array
        Arrays that broadcast.
    depth : int, tuple, dict or list
        How far blocks reach into their neighbours: see `overlap`; a list has one for each array.
    boundary : str, scalar, tuple, dict or list, optional
        What lies beyond the ends: see `overlap`; a list has one for each array. By default nothing.
    trim : bool
        Whether results are trimmed. If not, the function trims them itself.
    align_arrays : bool
        Whether arrays are rechunked to common blocks.
    allow_rechunk : bool
        Whether blocks that are shorter than the depth are merged with others.
    kwargs : object
        As for `map_blocks`; what that does not know is passed to the function.

    Raises
    ------
    TypeError
        If ``func`` cannot be called, or an argument is not a lazy array.
    ValueError
        If the depth is larger than an array, or the dtype cannot be found.

    Examples
    --------
    >>> import numpy as np, selion.array as da
    >>> x = da.from_array(np.array([1, 1, 2, 3, 3, 3, 2, 1, 1]), chunks=5)
    >>> da.map_overlap(lambda x: x - np.roll(x, 1), x, depth=1, boundary=0).compute()
    array([ 1,  0,  1,  1,  0,  0, -1, -1,  0])
    """
    usage = "Usage:   da.map_overlap(function, x)\n   or:   da.map_overlap(function, x, y, z)"
    if not callable(func):
        raise TypeError(f"First argument must be callable function, not {type(func).__name__}\n{usage}")
    if not all(isinstance(x, Array) for x in args):
        raise TypeError(f"All variadic arguments must be arrays, not {[type(x).__name__ for x in args]}\n{usage}")

    def each(value):
        if not isinstance(value, list):
            return [value] * len(args)
        if len(value) != len(args):
            raise ValueError(f"a list of depths or boundaries has {len(value)} items for {len(args)} arrays")
        return value

    depths = [_depths(x, *pair) for x, *pair in zip(args, each(depth), each(boundary), strict=True)]
    options = {key: kwargs.pop(key) for key in _MAP_BLOCKS & kwargs.keys()}
    mapped = Mapped(func, args, kwargs, "map_overlap", **options)
    inputs = [(x._native, own) for x, own in zip(args, depths, strict=True)]
    options = (bool(trim), bool(align_arrays), bool(allow_rechunk), mapped.chunks, mapped.drop, mapped.new)
    return Array(_selion.map_overlap(mapped.function, inputs, *options))


_MAP_BLOCKS = {"name", "token", "dtype", "chunks", "drop_axis", "new_axis", "enforce_ndim", "meta"}


def sliding_window_view(x, window_shape, axis=None, automatic_rechunk=True) -> Array:
    """Windows that slide along axes, as new last axes.

    Parameters
    ----------
    x : Array
    window_shape : int or tuple of int
    axis : int or tuple of int, optional
        Along which to slide; all axes by default.
    automatic_rechunk : bool
        Accepted as Dask has it: blocks are rechunked only where they are shorter than a window.

    Raises
    ------
    ValueError
        If a window is longer than the axis, or there are not as many as axes.

    Examples
    --------
    >>> import selion.array as da
    >>> from selion.array.lib.stride_tricks import sliding_window_view
    >>> sliding_window_view(da.arange(4, chunks=2), 2).compute()
    array([[0, 1],
           [1, 2],
           [2, 3]])
    """
    x = asanyarray(x)
    window = tuple(int(n) for n in np.atleast_1d(window_shape))
    if any(n <= 0 for n in window):
        raise ValueError("`window_shape` must contain values > 0")
    if axis is None:
        axes = tuple(range(x.ndim))
        if len(window) != len(axes):
            raise ValueError(
                "Since axis is `None`, must provide window_shape for all dimensions of `x`; "
                f"got {len(window)} window_shape elements and `x.ndim` is {x.ndim}."
            )
    else:
        axes = np.lib.array_utils.normalize_axis_tuple(axis, x.ndim, allow_duplicate=True)
        if len(window) != len(axes):
            raise ValueError(
                "Must provide matching length window_shape and axis; "
                f"got {len(window)} window_shape elements and {len(axes)} axes elements."
            )
    reach = [0] * x.ndim
    for along, n in zip(axes, window, strict=True):
        reach[along] += n - 1
    if any(n < r + 1 for n, r in zip(x.shape, reach, strict=True) if r):
        raise ValueError("window shape cannot be larger than input array shape")
    extended = overlap(x, tuple((0, r) for r in reach), "none")
    chunks = [tuple(n - r for n in lens) for lens, r in zip(extended.chunks, reach, strict=True)]
    return extended.map_blocks(
        partial(_windows, window=window, axes=axes, reach=reach),
        dtype=x.dtype,
        chunks=(*chunks, *((n,) for n in window)),
        new_axis=list(range(x.ndim, x.ndim + len(window))),
    )


def _windows(block, window, axes, reach):
    left = tuple(n - r for n, r in zip(block.shape, reach, strict=True))
    if 0 in left:  # a last block of which no window starts
        return np.empty((*left, *window), block.dtype)
    return np.lib.stride_tricks.sliding_window_view(block, window, axes)
