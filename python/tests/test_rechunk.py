"""Other blocks, the same elements."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import selion.array as da
from selion.testing import arrays, assert_same, chunkings


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_chunks_to_any_chunks(data):
    x = data.draw(arrays())
    lazy = da.from_array(x, chunks=data.draw(chunkings(x.shape)))
    for _ in range(2):
        chunks = data.draw(chunkings(x.shape))
        lazy = lazy.rechunk(chunks)
        assert lazy.chunks == chunks
    assert_same(lazy.compute(), x)


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        (4, ((4, 4, 2), (4, 2))),
        ((5, 6), ((5, 5), (6,))),
        ((-1, 3), ((10,), (3, 3))),
        ({0: 5}, ((5, 5), (2, 2, 2))),
        ({-1: 6}, ((3, 3, 3, 1), (6,))),
        ({1: -1}, ((3, 3, 3, 1), (6,))),
        ((None, 6), ((3, 3, 3, 1), (6,))),
        (((1, 9), (6,)), ((1, 9), (6,))),
        ("auto", ((10,), (6,))),
        (100, ((10,), (6,))),
    ],
)
def test_forms_of_chunks(chunks, expected):
    x = np.arange(60.0).reshape(10, 6)
    lazy = da.from_array(x, chunks=(3, 2)).rechunk(chunks)
    assert lazy.chunks == expected
    assert_same(lazy.compute(), x)


def test_a_size_in_bytes_bounds_the_blocks():
    lazy = da.ones((1000, 1000), chunks=(1000, 10)).rechunk("80 kB")
    assert max(lazy.chunksize[0] * lazy.chunksize[1] * 8, 1) <= 80_000
    assert lazy.sum().compute() == 1_000_000


def test_the_same_chunks_are_no_work():
    x = da.ones((4, 4), chunks=2)
    assert x.rechunk(2).name == x.name


@pytest.mark.parametrize("chunks", [((5, 6), (6,)), (5, 6, 7), ((3, -1, 8), (6,)), "5 parsecs"])
def test_chunks_that_do_not_fit(chunks):
    x = da.ones((10, 6), chunks=3)
    with pytest.raises((ValueError, OverflowError)):
        x.rechunk(chunks)


def test_an_axis_that_is_not_there():
    with pytest.raises((IndexError, ValueError)):
        da.ones((10, 6), chunks=3).rechunk({2: 1})


def test_a_transposing_rechunk_through_reductions():
    x = np.arange(200 * 120, dtype="f8").reshape(200, 120)
    rows = da.from_array(x, chunks=(7, 120))
    columns = rows.rechunk((200, 11))
    assert_same((columns - columns.mean(axis=0, keepdims=True)).std(axis=0).compute(), x.std(axis=0), ulp=8)
    assert_same((rows + columns).sum().compute(), 2 * x.sum())
