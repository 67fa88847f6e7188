"""Sorting, searching, counting, quantiles."""

from __future__ import annotations

import numpy as np

from selion import _selion
from selion.array.core import Array, asanyarray

__all__ = [
    "argtopk", "argwhere", "bincount", "digitize", "flatnonzero", "histogram", "isin", "median", "nanmedian",
    "nanpercentile", "nanquantile", "nonzero", "percentile", "quantile", "searchsorted", "sort", "topk", "unique",
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


def isin(element, test_elements, assume_unique=False, invert=False) -> Array:
    """Whether elements are among others."""
    found = Array(_selion.isin(asanyarray(element)._native, asanyarray(test_elements)._native))
    return ~found if invert else found


def nonzero(a) -> tuple[Array, ...]:
    """The coordinates of the elements that are not zero, an array for each axis."""
    a = asanyarray(a)
    mask = a if a.dtype == bool else a != 0
    places = [Array(_selion.coordinate(a.shape, axis, a.chunks)) for axis in range(a.ndim)]
    return tuple(place[mask] for place in places)


def flatnonzero(a) -> Array:
    """The places, in C order, of the elements that are not zero."""
    return nonzero(asanyarray(a).ravel())[0]


def argwhere(a) -> Array:
    """The coordinates of the elements that are not zero, a row for each."""
    from selion.array.manipulation import stack

    return stack(nonzero(a), axis=1)


def _median(name, skip_nan):
    def function(a, axis=None, keepdims=False, out=None) -> Array:
        return Array(_selion.median(asanyarray(a)._native, axis, keepdims, skip_nan))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The median along axes, which become whole{', without NaN' if skip_nan else ''}."
    return function


median = _median("median", False)
nanmedian = _median("nanmedian", True)


def _quantile(name, skip_nan, scale):
    def function(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, **kwargs) -> Array:
        a, q = asanyarray(a), np.asarray(q, float) / scale
        if scale == 100 and ((q < 0) | (q > 1)).any():
            raise ValueError("Percentiles must be in the range [0, 100]")
        q = float(q) if q.ndim == 0 else q.tolist()
        return Array(_selion.quantile(a._native, q, axis, method, keepdims, skip_nan))

    function.__name__ = function.__qualname__ = name
    what = "Percentiles (0 to 100)" if scale == 100 else "Quantiles (0 to 1)"
    function.__doc__ = f"{what} along axes, which become whole{', without NaN' if skip_nan else ''}."
    return function


quantile = _quantile("quantile", False, 1)
nanquantile = _quantile("nanquantile", True, 1)
percentile = _quantile("percentile", False, 100)
nanpercentile = _quantile("nanpercentile", True, 100)


def bincount(x, weights=None, minlength=0, split_every=None) -> Array:
    """How often each of the integers from 0 on occurs."""
    weights = None if weights is None else asanyarray(weights)._native
    return Array(_selion.bincount(asanyarray(x)._native, weights, minlength))


def histogram(a, bins=None, range=None, normed=False, weights=None, density=None) -> tuple[Array, Array]:
    """How many elements lie in each bin.

    Parameters
    ----------
    a : array-like
    bins : int or sequence
        A number of equal bins, which needs a range, or their edges.
    range : pair, optional

    Raises
    ------
    ValueError
        If neither edges nor a range are given.
    """
    if bins is None or (np.isscalar(bins) and range is None):
        raise ValueError(
            "histogram requires either specifying bins as an iterable or specifying both a range and the number of bins"
        )
    edges, uniform = None, None
    if np.isscalar(bins):
        uniform = (float(range[0]), float(range[1]), int(bins))
    else:
        edges = np.asarray(bins).tolist()
    weights = None if weights is None else asanyarray(weights)._native
    counts, edges = _selion.histogram(asanyarray(a)._native, edges, uniform, weights, bool(density))
    return Array(counts), Array(edges)


def digitize(a, bins, right=False) -> Array:
    """In which bin each element lies."""
    return Array(_selion.digitize(asanyarray(a)._native, asanyarray(bins)._native, right))
