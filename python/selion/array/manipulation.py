"""Other orders and shapes of the same elements."""

from __future__ import annotations

import numpy as np

from selion import _selion
from selion.array.core import Array, asanyarray

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_arrays",
    "broadcast_to",
    "expand_dims",
    "flip",
    "fliplr",
    "flipud",
    "moveaxis",
    "rechunk",
    "rollaxis",
    "rot90",
    "squeeze",
    "swapaxes",
    "transpose",
]


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
    def function(*arrays):
        results = []
        for x in map(asanyarray, arrays):
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


def rechunk(x, chunks="auto", **kwargs) -> Array:
    """The same elements in other blocks. See `Array.rechunk`."""
    return asanyarray(x).rechunk(chunks, **kwargs)
