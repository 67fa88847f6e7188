"""Every ufunc over every dtype is NumPy's: dtype, shape, elements, and the class of the exception."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import selion.array as da
from selion import _selion
from selion.testing import NUMBERS, arrays, assert_same, chunkings

NAMES = sorted(set(_selion.ufunc_names()) - {"where", "real", "imag"})
# Functions that are exact in every implementation.
ROUNDED = {
    "absolute", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "cbrt", "cos", "cosh",
    "deg2rad", "divide", "exp", "exp2", "expm1", "float_power", "hypot", "log", "log10", "log1p", "log2", "logaddexp",
    "logaddexp2", "power", "rad2deg", "reciprocal", "sin", "sinh", "sqrt", "square", "tan", "tanh", "multiply", "sign",
}  # fmt: skip


def outcome(function, *args):
    """The value, or the class of the exception."""
    with np.errstate(all="ignore"):
        try:
            return function(*args)
        except (TypeError, ValueError, OverflowError, NotImplementedError) as error:
            return next(c for c in (TypeError, OverflowError, ValueError, Exception) if isinstance(error, c))


def check(name, args, lazy):
    want = outcome(getattr(np, name), *args)
    got = outcome(lambda *a: getattr(da, name)(*a).compute(), *lazy)
    if isinstance(want, type) or isinstance(got, type):
        assert got is want, f"{name}{[a.dtype if hasattr(a, 'dtype') else a for a in args]}: {got!r}, not {want!r}"
        return
    assert_same(got, want, ulp=8 if name in ROUNDED else 0)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_ufunc(name, data):
    x = data.draw(arrays())
    args = [x]
    if getattr(np, name).nin == 2:
        args.append(data.draw(arrays(shape=x.shape)))
    if name in ("power", "float_power"):
        # Which parts of a complex power are NaN differs between C libraries.
        assume(not any(a.dtype.kind == "c" for a in args) or all(np.isfinite(a).all() for a in args))
    if name in ("square", "multiply") and x.dtype.kind == "c":
        # Which infinities become NaN depends on the order of the products.
        assume(all(np.isfinite(a).all() for a in args))
    if name == "reciprocal" and x.dtype.kind in "iu":
        # What 1 / 0 is in integers, C leaves open.
        assume((x != 0).all())
    if name == "sign" and x.dtype.kind == "c":
        # Where the size overflows.
        assume(not (np.isfinite(x) & ~np.isfinite(np.abs(x))).any())
    check(name, args, [da.from_array(a, chunks=data.draw(chunkings(a.shape))) for a in args])


@pytest.mark.parametrize("name", NAMES)
def test_ufunc_dtypes(name):
    nin = getattr(np, name).nin
    for a in NUMBERS:
        for b in NUMBERS if nin == 2 else [None]:
            args = [np.ones(3, dtype) for dtype in (a, b)[:nin]]
            check(name, args, [da.from_array(x, chunks=2) for x in args])


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_python_scalars_are_weak(data):
    x = data.draw(arrays())
    y = data.draw(st.sampled_from([True, 0, 1, -1, 3, 300, 2**40, 2**63, 0.5, float("nan"), 1e300, 2j]))
    name = data.draw(st.sampled_from(["add", "subtract", "multiply", "divide", "maximum", "less", "equal", "power"]))
    lazy = da.from_array(x, chunks=data.draw(chunkings(x.shape)))
    check(name, [x, y], [lazy, y])
    check(name, [y, x], [y, lazy])


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_broadcasting_and_mixed_chunks(data):
    shape = data.draw(st.lists(st.integers(0, 4), max_size=3))
    parts = []
    for _ in range(2):
        own = [n if data.draw(st.booleans()) else 1 for n in shape][data.draw(st.integers(0, len(shape))) :]
        parts.append(data.draw(arrays(dtypes=["f8", "i4"], shape=own)))
    lazy = [da.from_array(x, chunks=data.draw(chunkings(x.shape))) for x in parts]
    check("add", parts, lazy)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_rechunk_keeps_the_elements(data):
    x = data.draw(arrays())
    lazy = da.from_array(x, chunks=data.draw(chunkings(x.shape)))
    chunks = data.draw(chunkings(x.shape))
    lazy = lazy.rechunk(chunks)
    assert lazy.chunks == chunks
    assert_same(lazy.compute(), x)
