"""Every reduction over axes, keepdims and dtypes is NumPy's."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import selion.array as da
from selion.array import reductions
from selion.testing import NUMBERS, arrays, assert_same, chunkings

EXACT = {"min", "max", "nanmin", "nanmax", "any", "all", "argmin", "argmax", "nanargmin", "nanargmax"}


def outcome(function):
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return function()
        except (TypeError, ValueError) as error:
            return TypeError if isinstance(error, TypeError) else ValueError


@pytest.mark.parametrize("name", sorted({*reductions.__all__} - {"moment", "reduction"}))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_reduction(name, data):
    x = data.draw(arrays(dtypes=NUMBERS))
    if "arg" in name:
        axis = data.draw(st.sampled_from([None, *range(-x.ndim, x.ndim)]))
    else:
        axis = data.draw(st.sampled_from([None, *range(-x.ndim, x.ndim), tuple(range(x.ndim))[:2]]))
    keepdims = data.draw(st.booleans())
    lazy = da.from_array(x, chunks=data.draw(chunkings(x.shape)))
    split_every = data.draw(st.sampled_from([None, 2]))
    want = outcome(lambda: getattr(np, name)(x, axis=axis, keepdims=keepdims))
    got = outcome(lambda: getattr(da, name)(lazy, axis=axis, keepdims=keepdims, split_every=split_every).compute())
    if isinstance(want, type) or isinstance(got, type):
        assert got is want, f"{name} of {x.dtype}{x.shape} over {axis}: {got!r}, not {want!r}"
    elif x.dtype.kind == "c" and np.isnan(want).any():
        # Which part of a complex NaN is NaN depends on the order, and so does what overflows on the way.
        if (np.isfinite(x) & (np.abs(x) > np.finfo(x.dtype).max / 1e4)).any():
            return
        np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    elif name in EXACT or x.dtype.kind in "biu":
        assert_same(got, want, ulp=64)
    else:
        assert np.asarray(got).dtype == want.dtype
        assert np.asarray(got).shape == want.shape
        # The order of additions is free: only sums whose partial sums stay finite are the same in any order.
        big = np.finfo(x.dtype).max
        with np.errstate(all="ignore"):
            tame = x.size == 0 or not (np.isfinite(x) & (np.abs(x) > big / 1e4)).any()
        if tame and name not in ("prod", "nanprod"):
            eps = np.finfo(x.dtype).eps
            size = float(np.nanmax(np.where(np.isfinite(x), np.abs(x), 0), initial=1)) ** 2
            np.testing.assert_allclose(
                got, want, rtol=50 * eps, atol=np.sqrt(eps) * size if "std" in name else 200 * eps * size
            )
