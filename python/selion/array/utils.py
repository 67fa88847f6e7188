"""Comparing arrays in tests."""

from __future__ import annotations

import math

import numpy as np

from selion.array.core import Array

__all__ = ["assert_eq", "meta_from_array"]


def meta_from_array(x, ndim=None, dtype=None) -> np.ndarray:
    """An empty NumPy array with as many axes, and of the same dtype.

    Examples
    --------
    >>> import selion.array as da
    >>> da.utils.meta_from_array(da.ones((2, 3)))
    array([], shape=(0, 0), dtype=float64)
    """
    dtype = dtype or getattr(x, "dtype", None) or np.asarray(x).dtype
    return np.empty((0,) * (np.ndim(x) if ndim is None else ndim), dtype)


def _computed(x, check_shape, check_chunks, scheduler) -> np.ndarray:
    if not isinstance(x, Array):
        return np.asarray(x)
    value = np.asarray(x.compute(scheduler=scheduler))
    assert value.dtype == x.dtype, f"the array says dtype {x.dtype}, computed it has {value.dtype}"
    if check_shape:
        known = all(math.isnan(n) or n == m for n, m in zip(x.shape, value.shape, strict=True))
        assert known, f"the array says shape {x.shape}, computed it has {value.shape}"
    if check_chunks:
        for n, lens in zip(x.shape, x.chunks, strict=True):
            assert math.isnan(n) or sum(lens) == n, f"chunks {lens} do not add up to {n}"
    return value


def assert_eq(
    a,
    b,
    check_shape=True,
    check_graph=True,
    check_meta=True,
    check_chunks=True,
    check_ndim=True,
    check_type=True,
    check_dtype=True,
    equal_nan=True,
    scheduler="sync",
    **kwargs,
) -> bool:
    """Fail if two arrays, lazy or not, are not the same, or if a lazy one is not what it says of itself.

    Parameters
    ----------
    a, b : array-like
    check_shape, check_chunks, check_dtype : bool
        Whether shapes, chunks, dtypes are compared.
    check_graph, check_meta, check_ndim, check_type : bool
        Accepted as Dask has them.
    equal_nan : bool
        Whether NaN is equal to NaN.
    scheduler : str
        Who runs the tasks.
    kwargs : object
        For `numpy.testing.assert_allclose`: ``rtol``, ``atol``.

    Returns
    -------
    bool
        True.

    Raises
    ------
    AssertionError
        If they differ.

    Examples
    --------
    >>> import numpy as np, selion.array as da
    >>> da.assert_eq(da.arange(4, chunks=2), np.arange(4))
    True
    """
    x, y = (_computed(each, check_shape, check_chunks, scheduler) for each in (a, b))
    if check_dtype:
        assert x.dtype == y.dtype, f"a and b have different dtypes: (a: {x.dtype}, b: {y.dtype})"
    if check_shape:
        assert x.shape == y.shape, f"a and b have different shapes: (a: {x.shape}, b: {y.shape})"
    if x.dtype.kind in "fc" or y.dtype.kind in "fc":
        np.testing.assert_allclose(x, y, **{"rtol": 1e-5, "atol": 1e-8, **kwargs}, equal_nan=equal_nan)
    else:
        np.testing.assert_array_equal(x, y)
    return True
