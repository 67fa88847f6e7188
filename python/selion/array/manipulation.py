"""Other orders and shapes of the same elements."""

from __future__ import annotations

import numpy as np

from selion import _selion
from selion.array.core import Array, asanyarray

__all__ = [
    "atleast_1d", "atleast_2d", "atleast_3d", "block", "broadcast_arrays", "broadcast_to", "concatenate", "diag",
    "diagonal", "dstack", "expand_dims", "flip", "fliplr", "flipud", "hstack", "moveaxis", "pad", "ravel", "rechunk",
    "repeat", "reshape", "reshape_blockwise", "roll", "rollaxis", "rot90", "squeeze", "stack", "swapaxes", "tile",
    "trace", "transpose", "tril", "triu", "vstack",
]  # fmt: skip


def transpose(a, axes=None) -> Array:
    """The axes in another order; reversed by default."""
    return Array(_selion.transpose(asanyarray(a)._native, None if axes is None else list(axes)))


def _axis(axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    return axis % ndim


def swapaxes(a, axis1, axis2) -> Array:
    """Two axes in each other's place."""
    a = asanyarray(a)
    order = list(range(a.ndim))
    i, j = _axis(axis1, a.ndim), _axis(axis2, a.ndim)
    order[i], order[j] = order[j], order[i]
    return transpose(a, order)


def moveaxis(a, source, destination) -> Array:
    """Axes moved to other places, the others in their order."""
    a = asanyarray(a)
    source = [_axis(k, a.ndim) for k in np.atleast_1d(source)]
    destination = [_axis(k, a.ndim) for k in np.atleast_1d(destination)]
    if len(source) != len(destination):
        raise ValueError("`source` and `destination` arguments must have the same number of elements")
    order = [k for k in range(a.ndim) if k not in source]
    for to, at in sorted(zip(destination, source, strict=True)):
        order.insert(to, at)
    return transpose(a, order)


def rollaxis(a, axis, start=0) -> Array:
    """An axis moved back until it lies before another."""
    a = asanyarray(a)
    axis = _axis(axis, a.ndim)
    start = start + a.ndim if start < 0 else start
    if not 0 <= start <= a.ndim:
        raise np.exceptions.AxisError(start, a.ndim + 1)
    if axis < start:
        start -= 1
    order = [k for k in range(a.ndim) if k != axis]
    order.insert(start, axis)
    return transpose(a, order)


def squeeze(a, axis=None) -> Array:
    """Without axes of length 1."""
    return asanyarray(a).squeeze(axis)


def expand_dims(a, axis) -> Array:
    """With new axes of length 1 at the given places of the result."""
    if axis is None:
        raise TypeError("axis must be an integer or a tuple of integers")
    return Array(_selion.expand_dims(asanyarray(a)._native, axis))


def flip(m, axis=None) -> Array:
    """The elements in reverse along the given axes; along all by default."""
    return Array(_selion.flip(asanyarray(m)._native, axis))


def flipud(m) -> Array:
    """The elements in reverse along the first axis."""
    return flip(m, 0)


def fliplr(m) -> Array:
    """The elements in reverse along the second axis."""
    return flip(m, 1)


def rot90(m, k=1, axes=(0, 1)) -> Array:
    """Turned by 90 degrees ``k`` times, from the first of the axes towards the second."""
    m = asanyarray(m)
    a, b = (_axis(axis, m.ndim) for axis in axes)
    if a == b:
        raise ValueError("Axes must be different.")
    match k % 4:
        case 0:
            return m
        case 1:
            return swapaxes(flip(m, b), a, b)
        case 2:
            return flip(m, (a, b))
    return flip(swapaxes(m, a, b), b)


def broadcast_to(x, shape, chunks=None, meta=None) -> Array:
    """Axes of length 1 repeated, and new ones in front.

    Examples
    --------
    >>> import selion.array as da
    >>> da.broadcast_to(da.arange(3), (2, 3)).compute()
    array([[0, 1, 2],
           [0, 1, 2]])
    """
    shape = (shape,) if np.isscalar(shape) else tuple(shape)
    return Array(_selion.broadcast_to(asanyarray(x)._native, shape, chunks))


def broadcast_arrays(*args, subok=False) -> tuple[Array, ...]:
    """Arrays broadcast to their common shape."""
    args = [asanyarray(x) for x in args]
    shape = np.broadcast_shapes(*(x.shape for x in args))
    return tuple(broadcast_to(x, shape) for x in args)


def _atleast(n):
    def function(*arys):
        results = []
        for x in map(asanyarray, arys):
            if n == 3 and x.ndim == 2:
                x = x[:, :, None]
            elif n == 3 and x.ndim == 1:
                x = x[None, :, None]
            else:
                x = x[(None,) * max(n - x.ndim, 0)] if x.ndim < n else x
            results.append(x)
        return results[0] if len(results) == 1 else tuple(results)

    function.__name__ = function.__qualname__ = f"atleast_{n}d"
    function.__doc__ = f"Arrays with at least {n} axes."
    return function


atleast_1d = _atleast(1)
atleast_2d = _atleast(2)
atleast_3d = _atleast(3)


def rechunk(x, chunks="auto", threshold=None, block_size_limit=None, balance=False, method=None) -> Array:
    """The same elements in other blocks. See `Array.rechunk`."""
    return asanyarray(x).rechunk(chunks, threshold, block_size_limit, balance, method)


def _natives(arrays) -> list:
    return [asanyarray(x)._native for x in arrays]


def concatenate(seq, axis=0, allow_unknown_chunksizes=False) -> Array:
    """Arrays one after the other along an axis they have.

    Examples
    --------
    >>> import selion.array as da
    >>> da.concatenate([da.zeros(2), da.ones(1)]).compute()
    array([0., 0., 1.])
    """
    return Array(_selion.concatenate(_natives(seq), axis))


def stack(seq, axis=0, allow_unknown_chunksizes=False) -> Array:
    """Arrays of one shape along a new axis."""
    return Array(_selion.stack(_natives(seq), axis))


def vstack(tup, allow_unknown_chunksizes=False) -> Array:
    """Arrays one below the other."""
    return concatenate([atleast_2d(x) for x in tup], axis=0)


def hstack(tup, allow_unknown_chunksizes=False) -> Array:
    """Arrays beside each other."""
    tup = [atleast_1d(x) for x in tup]
    return concatenate(tup, axis=0 if all(x.ndim == 1 for x in tup) else 1)


def dstack(tup, allow_unknown_chunksizes=False) -> Array:
    """Arrays behind each other, along the third axis."""
    return concatenate([atleast_3d(x) for x in tup], axis=2)


def block(arrays, allow_unknown_chunksizes=False) -> Array:
    """An array from nested lists of arrays: the innermost beside each other along the last axis."""

    def depth(nest):
        return 1 + max((depth(part) for part in nest), default=0) if isinstance(nest, list) else 0

    def ndim(nest):
        return max((ndim(part) for part in nest), default=0) if isinstance(nest, list) else asanyarray(nest).ndim

    levels = depth(arrays)
    dims = max(levels, ndim(arrays))

    def join(nest, level):
        if not isinstance(nest, list):
            x = asanyarray(nest)
            return x[(None,) * (dims - x.ndim)]
        if not nest:
            raise ValueError("List at arrays cannot be empty")
        return concatenate([join(part, level + 1) for part in nest], axis=dims - levels + level)

    return join(arrays, 0)


def reshape(x, shape, merge_chunks=True, limit=None) -> Array:
    """The same elements, in C order, in another shape; one length may be -1.

    Raises
    ------
    ValueError
        If the number of elements differs.

    Examples
    --------
    >>> import selion.array as da
    >>> da.arange(6, chunks=2).reshape(2, -1).compute()
    array([[0, 1, 2],
           [3, 4, 5]])
    """
    shape = (shape,) if np.isscalar(shape) else tuple(shape)
    return Array(_selion.reshape(asanyarray(x)._native, [int(n) for n in shape]))


def reshape_blockwise(x, shape, chunks=None) -> Array:
    """Every block in another shape. No element moves to another block, so they are not in NumPy's order.

    Parameters
    ----------
    x : Array
    shape : int or tuple of int
        With fewer axes, axes that follow each other are merged; with as many it must be the same.
    chunks : tuple of tuple of int, optional
        With more axes, the block lengths of the result.

    Raises
    ------
    ValueError
        If sizes differ, or axes are not merged whole.
    TypeError
        If there are more axes and no chunks.

    Examples
    --------
    >>> import selion.array as da
    >>> x = da.arange(8).reshape(2, 4).rechunk((2, 2))
    >>> da.reshape_blockwise(x, 8).compute()
    array([0, 1, 4, 5, 2, 3, 6, 7])
    """
    x = asanyarray(x)
    shape = (shape,) if np.isscalar(shape) else tuple(shape)
    if shape == (-1,):
        shape = (x.size,)
    return Array(_selion.reshape_blockwise(x._native, shape, chunks))


def view(x, dtype=None, order="C") -> Array:
    """The bytes of the elements as elements of another dtype. See `Array.view`."""
    dtype = x.dtype if dtype is None else np.dtype(dtype)
    if order not in ("C", "F"):
        raise ValueError("Order must be one of 'C' or 'F'")
    chunks, axis = list(x.chunks), -1 if order == "C" else 0
    if x.itemsize != dtype.itemsize:
        if x.ndim == 0:
            raise ValueError("Changing the dtype of a 0d array is only supported if the itemsize is unchanged")
        nbytes = [n * x.itemsize for n in x.chunks[axis]]
        if any(n % dtype.itemsize for n in nbytes):
            raise ValueError(f"blocks of {x.chunks[axis]} elements of {x.dtype} are not whole elements of {dtype}")
        chunks[axis] = tuple(n // dtype.itemsize for n in nbytes)

    def call(block):
        if order == "F":
            return np.asarray(block.T, order="C").view(dtype).T
        return np.asarray(block, order="C").view(dtype)

    return x.map_blocks(call, dtype=dtype, chunks=tuple(chunks), name="view")


def ravel(array_like) -> Array:
    """The elements in C order, along one axis."""
    return asanyarray(array_like).ravel()


def roll(array, shift, axis=None) -> Array:
    """The elements moved on along axes; what leaves at the end comes in at the start."""
    shifts = [int(n) for n in np.atleast_1d(shift)]
    axes = None if axis is None else [int(n) for n in np.atleast_1d(axis)]
    if axes is not None:
        shifts, axes = ([int(n) for n in part] for part in np.broadcast_arrays(shifts, axes))
    return Array(_selion.roll(asanyarray(array)._native, shifts, axes))


def repeat(a, repeats, axis=None) -> Array:
    """Each element ``repeats`` times along an axis."""
    return Array(_selion.repeat(asanyarray(a)._native, [int(n) for n in np.atleast_1d(repeats)], axis))


def tile(A, reps) -> Array:
    """The whole array repeated along its axes."""
    return Array(_selion.tile(asanyarray(A)._native, [int(n) for n in np.atleast_1d(reps)]))


def pad(array, pad_width, mode="constant", **kwargs) -> Array:
    """Borders around an array.

    Parameters
    ----------
    array : array-like
    pad_width : int, pair or sequence of pairs
        Elements before and after, for each axis.
    mode : str
        As NumPy's: constant, edge, linear_ramp, maximum, mean, minimum, reflect, symmetric, wrap.
    constant_values, end_values : scalar or pairs
    """
    array = asanyarray(array)
    if not isinstance(mode, str):
        raise NotImplementedError("pad with a function is not implemented")

    def pairs(value, dtype):
        return [tuple(pair) for pair in np.broadcast_to(np.asarray(value, dtype), (array.ndim, 2))]

    key = {"constant": "constant_values", "linear_ramp": "end_values"}.get(mode)
    values = pairs(kwargs.pop(key, 0), array.dtype if mode == "constant" else float) if key else []
    if kwargs:
        raise ValueError(f"unsupported keyword arguments for mode '{mode}': {set(kwargs)}")
    widths = np.broadcast_to(np.asarray(pad_width), (array.ndim, 2))
    if (widths < 0).any():
        raise ValueError("index can't contain negative values")
    return Array(_selion.pad(array._native, [(int(a), int(b)) for a, b in widths], mode, values))


def tril(m, k=0) -> Array:
    """The lower triangle, zeros above diagonal ``k``."""
    return Array(_selion.tril(asanyarray(m)._native, k))


def triu(m, k=0) -> Array:
    """The upper triangle, zeros below diagonal ``k``."""
    return Array(_selion.triu(asanyarray(m)._native, k))


def diag(v, k=0) -> Array:
    """A diagonal of a matrix, or the matrix with a diagonal."""
    return Array(_selion.diag(asanyarray(v)._native, k))


def diagonal(a, offset=0, axis1=0, axis2=1) -> Array:
    """A diagonal of two axes, as the last axis."""
    return Array(_selion.diagonal(asanyarray(a)._native, offset, axis1, axis2))


def trace(a, offset=0, axis1=0, axis2=1, dtype=None) -> Array:
    """The sum along a diagonal."""
    return asanyarray(a).trace(offset, axis1, axis2, dtype)
