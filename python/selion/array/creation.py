"""Arrays from nothing."""

from __future__ import annotations

import numpy as np

from selion import _selion
from selion.array.core import Array, asanyarray, asarray

__all__ = [
    "arange", "array", "empty", "empty_like", "eye", "fromfunction", "full", "full_like", "indices", "linspace",
    "meshgrid", "ones", "ones_like", "tri", "tril_indices", "tril_indices_from", "triu_indices", "triu_indices_from",
    "zeros", "zeros_like",
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


def arange(start=None, /, stop=None, step=1, *, chunks="auto", like=None, dtype=None) -> Array:
    """Evenly spaced values in ``[start, stop)``.

    Examples
    --------
    >>> import selion.array as da
    >>> da.arange(2, 10, 3).compute()
    array([2, 5, 8])
    """
    if start is None and stop is None:
        raise TypeError("arange() requires stop to be specified.")
    if stop is None:
        start, stop = 0, start
    start = 0 if start is None else start
    if step == 0:
        raise ZeroDivisionError("division by zero")
    if dtype is None:
        dtype = np.result_type(*(np.asarray(x).dtype for x in (start, stop, step)))
    len_ = int(max(np.ceil((stop - start) / step), 0))
    return Array(_selion.arange(start, step, len_, dtype, chunks))


def array(x, dtype=None, ndmin=None, *, like=None) -> Array:
    """An array of what is in ``x``: nested lists, a NumPy array, or an array of selion."""
    x = asanyarray(x, dtype)
    return x[(None,) * max(0, (ndmin or 0) - x.ndim)]


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

    Parameters
    ----------
    start, stop : scalar
    num : int
    endpoint : bool
        Whether the last number is ``stop``; else it is one space before.
    retstep : bool
        Whether to give the space between numbers too: NaN if there is none.
    chunks : int, tuple, "auto" or bytes as text
    dtype : dtype, optional
        ``float64`` by default, ``complex128`` for complex numbers; integers are rounded down.

    Raises
    ------
    ValueError
        If ``num`` is negative.

    Examples
    --------
    >>> import selion.array as da
    >>> da.linspace(0, 1, 5).compute()
    array([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    num = int(num)
    if num < 0:
        raise ValueError(f"Number of samples, {num}, must be non-negative.")
    if np.iscomplexobj(start) or np.iscomplexobj(stop):
        parts = [
            linspace(a, b, num, endpoint, True, chunks)
            for a, b in ((np.real(start), np.real(stop)), (np.imag(start), np.imag(stop)))
        ]
        x, step = (real + 1j * imag for real, imag in zip(*parts, strict=True))
        x = x if dtype is None else x.astype(dtype)
    else:
        dtype = np.float64 if dtype is None else dtype
        x, step = _selion.linspace(float(start), float(stop), num, bool(endpoint), dtype, chunks)
        x = Array(x)
    return (x, step) if retstep else x


def eye(N, chunks="auto", M=None, k=0, dtype=float) -> Array:
    """Ones on the ``k``-th diagonal, zeros elsewhere.

    Examples
    --------
    >>> import selion.array as da
    >>> da.eye(2, dtype=int).compute()
    array([[1, 0],
           [0, 1]])
    """
    return Array(_selion.eye(int(N), int(N if M is None else M), int(k), dtype, chunks))


def tri(N, M=None, k=0, dtype=float, chunks="auto", *, like=None) -> Array:
    """Ones on and below the ``k``-th diagonal, zeros elsewhere."""
    return Array(_selion.tri(int(N), int(N if M is None else M), int(k), dtype, chunks))


def _triangle(name, what):
    def function(n, k=0, m=None, chunks="auto") -> tuple[Array, Array]:
        from selion.array.sorting import nonzero

        if name == "tril_indices":
            return nonzero(tri(n, m, k, bool, chunks))
        return nonzero(~tri(n, m, k - 1, bool, chunks))

    def from_array(arr, k=0) -> tuple[Array, Array]:
        if arr.ndim != 2:
            raise ValueError("input array must be 2-d")
        return function(arr.shape[-2], k, arr.shape[-1], arr.chunks)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The coordinates of the {what} triangle of an ``n`` × ``m`` matrix: rows and columns."
    from_array.__name__ = from_array.__qualname__ = f"{name}_from"
    from_array.__doc__ = f"The coordinates of the {what} triangle of a matrix such as ``arr``: rows and columns."
    return function, from_array


tril_indices, tril_indices_from = _triangle("tril_indices", "lower")
triu_indices, triu_indices_from = _triangle("triu_indices", "upper")


def indices(dimensions, dtype=int, chunks="auto") -> Array:
    """The coordinates of a grid, one array for each axis, stacked.

    Examples
    --------
    >>> import selion.array as da
    >>> da.indices((2, 2)).compute().tolist()
    [[[0, 0], [1, 1]], [[0, 1], [0, 1]]]
    """
    return Array(_selion.indices(_shape(dimensions), dtype, chunks))


def meshgrid(*xi, sparse=False, indexing="xy", **kwargs) -> list[Array]:
    """Coordinate arrays from coordinate vectors.

    Parameters
    ----------
    xi : array-like
        A vector for each axis.
    sparse : bool
        Whether results have length 1 along the axes of other vectors.
    indexing : {"xy", "ij"}
        Whether the first vector goes along the second axis ("xy"), or each along its own.

    Raises
    ------
    ValueError
        For another ``indexing``.
    NotImplementedError
        For ``copy``: nothing is copied before it is computed.

    Examples
    --------
    >>> import selion.array as da
    >>> x, y = da.meshgrid([1, 2], [3, 4, 5])
    >>> x.shape, y[:, 0].compute()
    ((3, 2), array([3, 4, 5]))
    """
    if indexing not in ("ij", "xy"):
        raise ValueError("`indexing` must be `'ij'` or `'xy'`")
    if "copy" in kwargs:
        raise NotImplementedError("`copy` not supported")
    if kwargs:
        raise TypeError("unsupported keyword argument(s) provided")
    grids = _selion.meshgrid([asarray(x)._native for x in xi], bool(sparse), indexing == "ij")
    return [Array(x) for x in grids]


def fromfunction(func, chunks="auto", shape=None, dtype=None, **kwargs) -> Array:
    """What a function makes of the coordinates of a grid, an array of ``dtype`` for each axis."""
    from selion.array.blockwise import map_blocks

    shape = _shape(shape)
    dtype = float if dtype is None else dtype
    grid = [Array(_selion.coordinate(shape, axis, chunks)).astype(dtype) for axis in range(len(shape))]
    return map_blocks(lambda *coordinates: np.broadcast_to(func(*coordinates, **kwargs), coordinates[0].shape), *grid)
