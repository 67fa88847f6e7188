"""Storing arrays in objects and parts of them, later or at once; stacks of npy files; HDF5."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import selion
import selion.array as da
from selion.testing import arrays, assert_same, chunkings

X = np.arange(24.0).reshape(4, 6)


@given(st.data())
def test_a_region_is_written_and_nothing_else(data):
    x = data.draw(arrays(["i4"]))
    lazy = da.from_array(x, chunks=data.draw(chunkings(x.shape)))
    before = [data.draw(st.integers(0, 3)) for _ in x.shape]
    target = np.full([n + b + 2 for n, b in zip(x.shape, before, strict=True)], -1)
    region = tuple(slice(b, b + n) for n, b in zip(x.shape, before, strict=True))
    want = target.copy()
    want[region] = x
    da.store(lazy, target, regions=region)
    assert_same(target, want)


def test_several_sources_and_regions():
    x, y, target = da.ones(4, chunks=3), da.arange(3, chunks=2), np.zeros(8, int)
    assert da.store([x, y], [target, target], regions=[(slice(0, 4),), (slice(5, None),)]) is None
    assert_same(target, np.array([1, 1, 1, 1, 0, 0, 1, 2]))


def test_later():
    x, target, other = da.from_array(X, chunks=(3, 4)), np.zeros((4, 6)), np.zeros(3)
    later = da.store([x + 1, da.ones(3)], [target, other], compute=False)
    assert not target.any()
    assert later.compute() is None
    assert_same(target, X + 1)
    assert_same(other, np.ones(3))
    later = x.store(target, compute=False)
    assert selion.compute(later, x.sum()) == (None, X.sum())
    assert_same(target, X)


@pytest.mark.parametrize("compute", [True, False])
def test_what_is_stored_comes_back(compute):
    x, target = da.from_array(X, chunks=(3, 4)), np.zeros((6, 6), "f4")
    region = (slice(1, 5),)
    stored = da.store(x + 1, target, regions=region, compute=compute, return_stored=True)
    assert target.any() == compute
    assert (stored.dtype, stored.chunks) == (np.dtype("f4"), x.chunks)
    assert_same(stored.compute(), (X + 1).astype("f4"))
    assert_same(target[1:5], (X + 1).astype("f4"))
    (pair,) = da.store([x], [np.zeros((4, 6))], return_stored=True)
    assert_same(pair.compute(), X)


def test_errors():
    x = da.from_array(X, chunks=2)
    with pytest.raises(ValueError, match=r"sources \[1\] and targets \[2\]"):
        da.store([x], [np.zeros((4, 6))] * 2)
    with pytest.raises(ValueError, match=r"regions \[3\]"):
        da.store([x] * 2, [np.zeros((4, 6))] * 2, regions=[(slice(None),)] * 3)
    with pytest.raises(ValueError, match="shape"):
        da.store(x, np.zeros((4, 6)), regions=(slice(1, None),))
    with pytest.raises(TypeError, match="slices"):
        da.store(x, np.zeros((4, 6, 2)), regions=(slice(None), slice(None), 0))
    with pytest.raises(NotImplementedError, match="step"):
        da.store(x, np.zeros((8, 6)), regions=(slice(None, None, 2),))
    with pytest.raises(TypeError, match="must be arrays"):
        da.store([X], [np.zeros((4, 6))])
    with pytest.raises(TypeError, match="colour"):
        da.store(x, np.zeros((4, 6)), colour="red")


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_zarr_later_and_in_parts(tmp_path, zarr_format):
    zarr = pytest.importorskip("zarr")
    x = da.from_array(X, chunks=(3, 4))
    later = x.to_zarr(tmp_path / "x", compute=False, zarr_format=zarr_format)
    assert_same(da.from_zarr(tmp_path / "x").compute(), np.zeros((4, 6)))
    later.compute()
    assert_same(da.from_zarr(tmp_path / "x").compute(), X)
    stored = x.to_zarr(tmp_path / "y", component="deep/er", return_stored=True, zarr_format=zarr_format)
    assert_same(stored.compute(), X)
    # Blocks that share storage chunks with each other and with what is there already.
    whole = zarr.open_array(tmp_path / "z", shape=(9, 8), chunks=(4, 4), dtype=float, mode="w")
    whole[:] = -1
    x.to_zarr(whole, region=(slice(3, 7), slice(1, 7)))
    want = np.full((9, 8), -1.0)
    want[3:7, 1:7] = X
    assert_same(whole[:], want)
    da.store([x, x], [str(tmp_path / "z")] * 2, regions=[(slice(0, 4), slice(0, 6)), (slice(4, 8), slice(2, 8))])
    want[0:4, 0:6], want[4:8, 2:8] = X, X
    assert_same(whole[:], want)


def test_zarr_modes(tmp_path):
    x = da.ones(3)
    x.to_zarr(tmp_path / "x")
    for options in ({}, {"mode": "w-"}, {"overwrite": False}):
        with pytest.raises(FileExistsError):
            x.to_zarr(tmp_path / "x", **options)
    (x + 1).to_zarr(tmp_path / "x", mode="w")
    assert_same(da.from_zarr(tmp_path / "x").compute(), np.full(3, 2.0))
    x.to_zarr(tmp_path / "x", overwrite=True)
    with pytest.raises(ValueError, match="region"):
        x.to_zarr(tmp_path / "y", region=(slice(0, 3),))
    with pytest.raises(ValueError, match="mode"):
        x.to_zarr(tmp_path / "y", mode="r")
    with pytest.raises(ValueError, match="unknown chunk"):
        x[x > 0].to_zarr(tmp_path / "y")
    with pytest.raises(NotImplementedError, match="compressor"):
        x.to_zarr(tmp_path / "y", compressor=None)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_npy_stack(tmp_path, axis):
    x = da.from_array(X, chunks=(3, 4))
    da.to_npy_stack(tmp_path / "x", x, axis)
    again = da.from_npy_stack(tmp_path / "x")
    assert again.chunks[axis] == x.chunks[axis]
    assert_same(again.compute(), X)
    pieces = [np.load(tmp_path / "x" / f"{k}.npy") for k in range(x.numblocks[axis])]
    assert_same(np.concatenate(pieces, axis), X)
    da.to_npy_stack(tmp_path / "x", x * 2, axis)
    assert_same(da.from_npy_stack(tmp_path / "x", mmap_mode=None).compute(), X * 2)


def test_npy_stack_is_dasks(tmp_path):
    dask = pytest.importorskip("dask.array")
    x = da.from_array(X, chunks=(3, 4))
    da.to_npy_stack(tmp_path / "ours", x)
    assert_same(dask.from_npy_stack(str(tmp_path / "ours")).compute(), X)
    dask.to_npy_stack(str(tmp_path / "theirs"), dask.from_array(X, chunks=(3, 4)), axis=1)
    theirs = da.from_npy_stack(tmp_path / "theirs")
    assert theirs.chunks == ((4,), (4, 2))
    assert_same(theirs.compute(), X)


def test_npy_stack_errors(tmp_path):
    with pytest.raises(FileNotFoundError):
        da.from_npy_stack(tmp_path / "nothing")
    with pytest.raises(np.exceptions.AxisError):
        da.to_npy_stack(tmp_path / "x", da.ones(3), axis=1)


class Hdf5:
    """As much of h5py as `to_hdf5` asks for."""

    files: dict = {}  # noqa: RUF012

    class File:
        def __init__(self, name, mode):
            assert mode == "a"
            self.sets = Hdf5.files.setdefault(name, {})

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def require_dataset(self, path, shape, dtype, chunks, **kwargs):
            self.sets[path] = np.zeros(shape, dtype)
            self.sets[path, "chunks"] = chunks
            return self.sets[path]


def test_hdf5(monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", Hdf5)
    x = da.from_array(X, chunks=(3, 4))
    x.to_hdf5("a.h5", "/x")
    da.to_hdf5("a.h5", {"/y": x + 1, "/z": da.ones(3)}, chunks=None)
    sets = Hdf5.files["a.h5"]
    assert_same(sets["/x"], X)
    assert_same(sets["/y"], X + 1)
    assert (sets["/x", "chunks"], sets["/y", "chunks"]) == ((3, 4), None)
    with pytest.raises(ValueError, match="data/path"):
        da.to_hdf5("a.h5", x)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match="needs h5py"):
        x.to_hdf5("a.h5", "/x")
