"""Strategies of hypothesis and a comparison with NumPy, for tests of code that uses arrays.

The arrays that `arrays` makes have every dtype, few and no elements, NaN, infinities and extreme integers, and come
transposed, flipped and strided; `chunkings` divides them anyhow.
"""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

INTEGERS = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]
FLOATS = ["f2", "f4", "f8"]
COMPLEX = ["c8", "c16"]
NUMBERS = ["?", *INTEGERS, *FLOATS, *COMPLEX]


@st.composite
def elements(draw, dtype):
    """An element of a dtype, often one at an edge of it."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return draw(st.booleans())
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        edges = {0, 1, 2, info.min, info.max, max(info.min, -1)}
        small = st.integers(max(info.min, -10), 10)
        return draw(st.one_of(small, st.sampled_from(sorted(edges)), st.integers(info.min, info.max)))
    if dtype.kind == "c":
        part = elements("f4" if dtype.itemsize == 8 else "f8")
        return complex(draw(part), draw(part))
    edges = [0.0, -0.0, 1.0, -1.0, 0.5, np.inf, -np.inf, np.nan, float(np.finfo(dtype).max)]
    return draw(st.one_of(st.integers(-20, 20).map(lambda n: n / 4), st.sampled_from(edges)))


@st.composite
def arrays(draw, dtypes=NUMBERS, shape=None, max_dims=3, max_side=5, min_side=0):
    """A NumPy array, perhaps not contiguous."""
    dtype = np.dtype(draw(st.sampled_from(list(dtypes))))
    if shape is None:
        shape = draw(hnp.array_shapes(min_dims=0, max_dims=max_dims, min_side=min_side, max_side=max_side))
    shape = tuple(shape)
    steps = [draw(st.sampled_from([1, 1, -1, 2])) for _ in shape]
    stored = tuple(n * abs(step) for n, step in zip(shape, steps, strict=True))
    count = int(np.prod(stored, dtype=int))
    pool = draw(st.lists(elements(dtype), min_size=1, max_size=12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = np.array(pool, dtype)[rng.integers(len(pool), size=count)].reshape(stored)
    if draw(st.booleans()):
        x = np.asarray(x, order="F")
    return x[tuple(slice(None, None, step) for step in steps)]


@st.composite
def chunkings(draw, shape):
    """A division of a shape into blocks."""

    def divide(n):
        if n == 0:
            return (0,)
        cuts = sorted(draw(st.sets(st.integers(1, n), max_size=3)) | {n})
        return tuple(b - a for a, b in zip([0, *cuts], cuts, strict=False))

    return tuple(divide(n) for n in shape)


def assert_same(got, want, ulp: int = 0):
    """Whether two NumPy values are the same: type, dtype, shape, and elements to within ``ulp`` roundings.

    Examples
    --------
    >>> assert_same(np.ones(2), np.array([1.0, 1.0]))
    """
    want = np.asarray(want)
    got = np.asarray(got)
    assert got.dtype == want.dtype, f"dtype {got.dtype}, not {want.dtype}"
    assert got.shape == want.shape, f"shape {got.shape}, not {want.shape}"
    if want.dtype.kind not in "fc" or ulp == 0:
        np.testing.assert_array_equal(got, want)
        return
    if want.dtype.kind == "c":
        part = "f4" if want.dtype.itemsize == 8 else "f8"
        got, want = (np.ascontiguousarray(x).reshape(-1).view(part) for x in (got, want))
    same = (got == want) | (np.isnan(got) & np.isnan(want))
    with np.errstate(all="ignore"):
        near = np.abs(got.astype("f8") - want.astype("f8")) <= ulp * np.spacing(np.abs(want)).astype("f8")
    assert (same | near).all(), f"{got[~(same | near)]} is not {want[~(same | near)]}"
