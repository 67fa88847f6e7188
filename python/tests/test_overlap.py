"""Blocks that overlap: overlap and trim_overlap, map_overlap, sliding windows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import selion.array as da
from selion.array.lib.stride_tricks import sliding_window_view
from selion.array.overlap import overlap, trim_internal, trim_overlap
from selion.testing import arrays, assert_same, chunkings

MODES = {"reflect": "symmetric", "periodic": "wrap", "nearest": "edge"}


@given(st.data())
def test_one_block_is_padded_as_numpy_pads(data):
    x = data.draw(arrays(["f8", "i2"], min_side=1, max_dims=2))
    boundary = data.draw(st.sampled_from([*MODES, 7]))
    depth = {axis: data.draw(st.integers(0, n)) for axis, n in enumerate(x.shape)}
    widths = [(depth[axis],) * 2 for axis in range(x.ndim)]
    options = {"mode": MODES[boundary]} if boundary in MODES else {"constant_values": boundary}
    got = overlap(da.from_array(x, chunks=-1), depth, boundary).compute()
    assert_same(got, np.pad(x, widths, **options) if x.ndim else x)


@given(st.data())
def test_trimming_takes_away_what_overlap_put(data):
    x = data.draw(arrays(["f8"], min_side=1))
    lazy = da.from_array(x, chunks=data.draw(chunkings(x.shape)))
    depth = {axis: data.draw(st.integers(0, n)) for axis, n in enumerate(x.shape)}
    boundary = {axis: data.draw(st.sampled_from([*MODES, 0, "none"])) for axis in depth}
    assert_same(trim_overlap(overlap(lazy, depth, boundary), depth, boundary).compute(), x)
    assert_same(trim_internal(overlap(lazy, depth, boundary), depth, boundary).compute(), x)
    assert_same(da.map_overlap(lambda block: block, lazy, depth=depth, boundary=boundary).compute(), x)


@given(st.data())
def test_a_stencil_does_not_see_blocks(data):
    x = data.draw(arrays(["i8"], shape=(data.draw(st.integers(3, 12)),)))
    lazy = da.from_array(x, chunks=data.draw(chunkings(x.shape)))
    padded = np.pad(x, 1, mode="edge")
    want = padded[:-2] + padded[1:-1] + padded[2:]

    def around(b):
        return b + np.roll(b, 1) + np.roll(b, -1)

    assert_same(lazy.map_overlap(around, depth=1, boundary="nearest").compute(), want)


def test_two_arrays():
    x, y = da.arange(8).reshape(2, 4).rechunk((1, 2)), da.arange(4, chunks=3)
    got = da.map_overlap(np.add, x, y, depth=1, boundary="reflect")
    assert_same(got.compute(), np.arange(8).reshape(2, 4) + np.arange(4))
    got = da.map_overlap(np.add, x, y, depth=[{1: 1}, 1], boundary=["reflect", 0])
    assert_same(got.compute(), np.arange(8).reshape(2, 4) + np.arange(4))
    with pytest.raises(ValueError, match="align"):
        da.map_overlap(np.add, x, y.rechunk(1), depth=1, boundary="reflect", align_arrays=False)
    with pytest.raises(ValueError, match="list of depths"):
        da.map_overlap(np.add, x, y, depth=[1], boundary=0)


def test_the_function_trims():
    x = da.arange(10, chunks=5)
    got = da.map_overlap(lambda b: b[2:-2], x, depth=2, boundary=0, trim=False)
    assert got.chunks == ((5, 5),)
    assert_same(got.compute(), np.arange(10))


def test_axes_come_and_go():
    x = da.ones((6, 4), chunks=(3, 4))
    assert x.map_overlap(lambda b: b.sum(1), depth={0: 1}, boundary=0, drop_axis=1).compute().shape == (6,)
    got = x.map_overlap(lambda b: b[..., None], depth={0: 1}, boundary=0, new_axis=[2])
    assert got.compute().shape == (6, 4, 1)


def test_blocks_shorter_than_the_depth():
    x = da.arange(6, chunks=(5, 1))
    assert_same(x.map_overlap(lambda b: b, depth=2, boundary="reflect").compute(), np.arange(6))
    for lazy in (lambda: overlap(x, 2, 0, allow_rechunk=False), lambda: x.map_overlap(abs, 2, 0, allow_rechunk=False)):
        with pytest.raises(ValueError, match="larger than smallest chunksize"):
            lazy()


def test_errors():
    x = da.arange(6, chunks=3)
    with pytest.raises(ValueError, match="overlapping depth 9"):
        overlap(x, 9, 0)
    with pytest.raises(ValueError, match="no boundary"):
        overlap(x, 1, "mirror")
    with pytest.raises(ValueError, match="negative"):
        overlap(x, -1, 0)
    with pytest.raises(NotImplementedError, match="Asymmetric"):
        overlap(x, {0: (1, 2)}, "reflect")
    with pytest.raises(TypeError, match="callable"):
        da.map_overlap(x, x, depth=1)
    with pytest.raises(TypeError, match="must be arrays"):
        da.map_overlap(np.add, x, 3, depth=1)
    with pytest.raises(ValueError, match="inference"):
        x.map_overlap(lambda b: b.nothing, depth=1)


@given(st.data())
def test_sliding_windows(data):
    x = data.draw(arrays(["i4"], min_side=1, max_side=7, max_dims=2).filter(lambda x: x.ndim))
    lazy = da.from_array(x, chunks=data.draw(chunkings(x.shape)))
    axis = data.draw(st.integers(0, x.ndim - 1))
    window = data.draw(st.integers(1, x.shape[axis]))
    want = np.lib.stride_tricks.sliding_window_view(x, window, axis)
    assert_same(sliding_window_view(lazy, window, axis).compute(), want)
    assert_same(np.lib.stride_tricks.sliding_window_view(lazy, window, axis).compute(), want)


def test_sliding_windows_of_several_axes():
    x = np.arange(30).reshape(5, 6)
    lazy = da.from_array(x, chunks=2)
    for window, axis in (((2, 3), None), ((2, 3), (1, 1)), ((5, 6), (0, 1))):
        want = np.lib.stride_tricks.sliding_window_view(x, window, axis)
        assert_same(sliding_window_view(lazy, window, axis).compute(), want)
    for window, axis in ((0, 0), (7, 1), ((2, 2), 0), (2, None)):
        with pytest.raises(ValueError, match="window"):
            sliding_window_view(lazy, window, axis)
