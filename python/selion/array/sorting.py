"""Sorting, searching, counting, quantiles."""

from __future__ import annotations

import builtins

import numpy as np

from selion import _selion
from selion.array.core import Array, asanyarray, into

__all__ = [
    "argtopk", "argwhere", "bincount", "digitize", "flatnonzero", "histogram", "histogram2d", "histogramdd", "isin",
    "median", "nanmedian", "nanpercentile", "nanquantile", "nonzero", "percentile", "quantile", "searchsorted", "sort",
    "topk", "union1d", "unique",
]  # fmt: skip


def sort(a, axis=-1) -> Array:
    """The elements in order along an axis, which becomes whole; NaN last."""
    return Array(_selion.sort(asanyarray(a)._native, axis))


def topk(a, k, axis=-1, split_every=None) -> Array:
    """The ``k`` largest elements along an axis, largest first; the smallest, smallest first, if ``k`` is negative."""
    return Array(_selion.topk(asanyarray(a)._native, k, axis))


def argtopk(a, k, axis=-1, split_every=None) -> Array:
    """Where the elements of `topk` are."""
    return Array(_selion.argtopk(asanyarray(a)._native, k, axis))


def unique(ar, return_index=False, return_inverse=False, return_counts=False):
    """The distinct elements, in order; the length is known once they are computed.

    Examples
    --------
    >>> import selion.array as da
    >>> da.unique(da.asarray([3, 1, 3])).compute()
    array([1, 3])
    """
    found = _selion.unique(asanyarray(ar)._native, return_index, return_inverse, return_counts)
    parts = tuple(Array(x) for x in found if x is not None)
    return parts if len(parts) > 1 else parts[0]


def searchsorted(a, v, side="left", sorter=None) -> Array:
    """Where elements of ``v`` would go in the sorted ``a``."""
    if sorter is not None:
        raise NotImplementedError("da.searchsorted with a sorter argument is not supported")
    if side not in ("left", "right"):
        raise ValueError(f"side must be 'left' or 'right', not {side!r}")
    return Array(_selion.searchsorted(asanyarray(a)._native, asanyarray(v)._native, side == "right"))


def union1d(ar1, ar2) -> Array:
    """The distinct elements of two arrays, in order; the length is known once they are computed.

    Examples
    --------
    >>> import selion.array as da
    >>> da.union1d(da.asarray([3, 1]), [2, 3]).compute()
    array([1, 2, 3])
    """
    parts = [asanyarray(x).ravel()._native for x in (ar1, ar2)]
    return unique(Array(_selion.concatenate(parts, 0)))


def isin(element, test_elements, assume_unique=False, invert=False, *, kind=None) -> Array:
    """Whether elements are among others."""
    found = Array(_selion.isin(asanyarray(element)._native, asanyarray(test_elements)._native))
    return ~found if invert else found


def nonzero(a) -> tuple[Array, ...]:
    """The coordinates of the elements that are not zero, an array for each axis."""
    return tuple(Array(x) for x in _selion.nonzero(asanyarray(a)._native))


def flatnonzero(a) -> Array:
    """The places, in C order, of the elements that are not zero."""
    return Array(_selion.flatnonzero(asanyarray(a)._native))


def argwhere(a) -> Array:
    """The coordinates of the elements that are not zero, a row for each."""
    return Array(_selion.argwhere(asanyarray(a)._native))


def _median(name, skip_nan):
    def function(a, axis=None, keepdims=False, out=None) -> Array:
        return into(out, Array(_selion.median(asanyarray(a)._native, axis, keepdims, skip_nan)))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The median along axes, which become whole{', without NaN' if skip_nan else ''}."
    return function


median = _median("median", False)
nanmedian = _median("nanmedian", True)


def _ranked(a, q, axis, out, method, keepdims, skip_nan) -> Array:
    q = float(q) if q.ndim == 0 else q.tolist()
    return into(out, Array(_selion.quantile(asanyarray(a)._native, q, axis, method, keepdims, skip_nan)))


def _quantile(name, skip_nan):
    def function(
        a,
        q,
        axis=None,
        out=None,
        overwrite_input=False,
        method="linear",
        keepdims=False,
        *,
        weights=None,
        interpolation=None,
    ) -> Array:
        if weights is not None:
            raise NotImplementedError(f"{name}(weights=...) is not implemented")
        return _ranked(a, np.asarray(q, float), axis, out, interpolation or method, keepdims, skip_nan)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Quantiles (0 to 1) along axes, which become whole{', without NaN' if skip_nan else ''}."
    return function


quantile = _quantile("quantile", False)
nanquantile = _quantile("nanquantile", True)


def _percent(q):
    q = np.asarray(q, float) / 100
    if ((q < 0) | (q > 1)).any():
        raise ValueError("Percentiles must be in the range [0, 100]")
    return q


def percentile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, **kwargs) -> Array:
    """Percentiles (0 to 100) along axes, which become whole.

    Examples
    --------
    >>> import selion.array as da
    >>> da.percentile(da.arange(5), [50, 100]).compute()
    array([2., 4.])
    """
    return _ranked(a, _percent(q), axis, out, _method(method, kwargs), keepdims, False)


def nanpercentile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, **kwargs) -> Array:
    """Percentiles (0 to 100) along axes, which become whole, without NaN."""
    return _ranked(a, _percent(q), axis, out, _method(method, kwargs), keepdims, True)


def _method(method, kwargs) -> str:
    """The method of interpolation, by any of its names; Dask's choice of an algorithm is none of selion's."""
    kwargs.pop("internal_method", None)
    method = kwargs.pop("interpolation", None) or method
    if kwargs:
        raise TypeError(f"got an unexpected keyword argument {next(iter(kwargs))!r}")
    return method


def bincount(x, weights=None, minlength=0, split_every=None) -> Array:
    """How often each of the integers from 0 on occurs.

    Parameters
    ----------
    x : array-like of int
        One-dimensional.
    weights : array-like, optional
        What to add up in place of ones.
    minlength : int
        The least length of the result. Its length is known before it is computed if all values of the dtype fit, or if
        few elements are in memory.
    split_every : optional
        Accepted as Dask has it.

    Raises
    ------
    ValueError
        For several axes, a negative ``minlength``, weights of another shape, and when computed for negative elements.
    TypeError
        For elements that are not integers.

    Examples
    --------
    >>> import selion.array as da
    >>> da.bincount(da.asarray([0, 3, 3]), minlength=2).compute()
    array([1, 0, 0, 2])
    """
    if minlength < 0:
        raise ValueError("'minlength' must not be negative")
    weights = None if weights is None else asanyarray(weights)._native
    return Array(_selion.bincount(asanyarray(x)._native, weights, minlength))


def _edges(bins, range):
    """The edges of bins as the native layer takes them: a list, or (low, high, number)."""
    if not np.iterable(bins):
        if np.shape(range) != (2,):
            raise ValueError(f"range must be a pair of numbers for {bins} bins, not {range}")
        if int(bins) != bins:
            raise TypeError(f"`bins` must be an integer or a sequence, not {bins}")
        return (float(range[0]), float(range[1]), int(bins))
    edges = np.asarray(bins)
    if edges.ndim != 1:
        raise ValueError("`bins` must be 1d, when an array")
    return edges.astype(float).tolist()


def histogram(a, bins=None, range=None, normed=False, weights=None, density=None) -> tuple[Array, Array]:
    """How many elements lie in each bin.

    Parameters
    ----------
    a : array-like
    bins : int or sequence
        A number of equal bins, which needs a range, or their edges.
    range : pair, optional
    weights : array-like, optional
        What to add up in place of ones, of the same shape.
    density : bool
        Whether to divide by the sum and by the widths of the bins.

    Raises
    ------
    ValueError
        If neither edges nor a range are given, or edges do not ascend.

    Examples
    --------
    >>> import selion.array as da
    >>> counts, edges = da.histogram(da.arange(10, chunks=4), bins=2, range=(0, 10))
    >>> counts.compute(), edges.compute()
    (array([5, 5]), array([ 0.,  5., 10.]))
    """
    if normed:
        raise ValueError("The normed= keyword argument is deprecated; use density= instead")
    if bins is None or (not np.iterable(bins) and range is None):
        raise ValueError(
            "histogram requires either specifying bins as an iterable or specifying both a range and the number of bins"
        )
    weights = None if weights is None else asanyarray(weights)._native
    counts, edges = _selion.histogram(asanyarray(a)._native, _edges(bins, range), weights, bool(density))
    return Array(counts), Array(edges)


def histogramdd(sample, bins, range=None, normed=None, weights=None, density=None) -> tuple[Array, list[Array]]:
    """How many points lie in each cell of a grid.

    Parameters
    ----------
    sample : Array, or sequence of arrays
        The points: a row of coordinates for each, or an array of coordinates for each axis.
    bins : int, or sequence of int, or sequence of sequences
        Numbers of equal bins, for all axes or each, which need ranges; or their edges along each axis.
    range : sequence of pairs, optional
        The range of each axis.
    weights : array-like, optional
        What to add up in place of ones, one for each point.
    density, normed : bool
        Whether to divide by the sum and by the volumes of the cells: two names of the same.

    Returns
    -------
    counts : Array
        ``float64``.
    edges : list of Array

    Raises
    ------
    ValueError
        If there are not as many bins or ranges as axes, or edges do not ascend.

    Examples
    --------
    >>> import numpy as np, selion.array as da
    >>> points = da.from_array(np.array([[0.5, 0.5], [1.5, 0.5]]), chunks=(1, 2))
    >>> counts, edges = da.histogramdd(points, bins=2, range=[(0, 2), (0, 2)])
    >>> counts.compute()
    array([[1., 0.],
           [1., 0.]])
    """
    if normed is not None and density is not None:
        raise TypeError("Cannot specify both 'normed' and 'density'")
    density = bool(normed if density is None else density)
    if isinstance(sample, (Array, np.ndarray)):
        sample = asanyarray(sample)
        if sample.ndim != 2:
            raise ValueError("Single array input to histogramdd should be columnar")
        if sample.numblocks[1] > 1:
            raise ValueError("Input array can only be chunked along the 0th axis.")
        columns = [sample[:, k] for k in builtins.range(sample.shape[1])]
    else:
        columns = [asanyarray(x) for x in sample]
    dims = len(columns)
    bins = list(bins) if np.iterable(bins) else [bins] * dims
    if len(bins) != dims:
        raise ValueError("The dimension of bins must be equal to the dimension of the sample.")
    if range is None and not all(map(np.iterable, bins)):
        raise ValueError("ranges is required when bins is an integer or a sequence of integers")
    ranges = [None] * dims if range is None else list(range)
    if len(ranges) != dims:
        raise ValueError("range argument requires one entry, a min max pair, per dimension.")
    edges = [_edges(*pair) for pair in zip(bins, ranges, strict=True)]
    weights = None if weights is None else asanyarray(weights)._native
    counts, edges = _selion.histogramdd([x._native for x in columns], edges, weights, density)
    return Array(counts), [Array(each) for each in edges]


def histogram2d(x, y, bins=10, range=None, normed=None, weights=None, density=None) -> tuple[Array, Array, Array]:
    """How many points of a plane lie in each cell of a grid. See `histogramdd`.

    Parameters
    ----------
    x, y : array-like
        The points' coordinates.
    bins : int, sequence, or pair of those
        Numbers of equal bins, or edges, for both axes or each.
    range : pair of pairs, optional

    Examples
    --------
    >>> import selion.array as da
    >>> counts, x, y = da.histogram2d(da.asarray([0.5, 1.5]), da.asarray([0.5, 0.5]), bins=2, range=[(0, 2), (0, 2)])
    >>> counts.compute()
    array([[1., 0.],
           [1., 0.]])
    """
    if not np.iterable(bins) or len(bins) != 2:
        bins = (bins, bins)
    counts, edges = histogramdd((x, y), bins, range, normed, weights, density)
    return counts, edges[0], edges[1]


def digitize(a, bins, right=False) -> Array:
    """In which bin each element lies."""
    return Array(_selion.digitize(asanyarray(a)._native, asanyarray(bins)._native, right))
