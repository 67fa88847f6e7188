"""Zarr stores: what zarr-python writes selion reads, and the other way round."""

import numpy as np
import pytest
import zarr

import selion.array as da
from selion.testing import COMPLEX, FLOATS, INTEGERS, assert_same

DTYPES = ["?", *INTEGERS, *FLOATS, *COMPLEX]


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_what_selion_writes_zarr_reads(tmp_path, dtype, zarr_format):
    x = np.arange(7 * 5 * 2).reshape(7, 10).astype(dtype)
    da.from_array(x, chunks=(3, 4)).to_zarr(tmp_path / "x.zarr", zarr_format=zarr_format)
    stored = zarr.open_array(str(tmp_path / "x.zarr"), mode="r")
    assert stored.metadata.zarr_format == zarr_format
    assert stored.chunks == (3, 4)
    assert_same(stored[:], x)
    back = da.from_zarr(tmp_path / "x.zarr")
    assert_same(back.compute(), x)
    assert_same(back.rechunk((2, 3)).sum(axis=0).compute(), x.sum(axis=0), ulp=4)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_what_zarr_writes_selion_reads(tmp_path, dtype, zarr_format):
    x = np.arange(60).reshape(6, 10).astype(dtype)
    stored = zarr.create_array(
        str(tmp_path / "x.zarr"), shape=x.shape, chunks=(4, 3), dtype=x.dtype, zarr_format=zarr_format
    )
    stored[:] = x
    lazy = da.from_zarr(tmp_path / "x.zarr", chunks=(4, 3))
    assert lazy.chunks == ((4, 2), (3, 3, 3, 1))
    assert_same(lazy.compute(), x)
    assert_same(da.from_zarr(stored, chunks=(5, 7)).compute(), x)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_missing_chunks_are_the_fill_value(tmp_path, zarr_format):
    zarr.create_array(
        str(tmp_path / "x.zarr"), shape=(6, 4), chunks=(2, 4), dtype="f4", fill_value=7.5, zarr_format=zarr_format
    )[2:4] = 1.0
    x = da.from_zarr(tmp_path / "x.zarr")
    assert x.sum().compute() == 16 * 7.5 + 8
    assert_same(x.compute()[:, 0], np.array([7.5, 7.5, 1, 1, 7.5, 7.5], "f4"))


def test_compressors_and_shards(tmp_path):
    x = np.random.default_rng(0).normal(size=(64, 48))
    codecs = [None, zarr.codecs.ZstdCodec(level=3), zarr.codecs.GzipCodec(level=4), zarr.codecs.BloscCodec(cname="lz4")]
    for k, codec in enumerate(codecs):
        stored = zarr.create_array(
            str(tmp_path / f"{k}.zarr"), shape=x.shape, chunks=(10, 11), dtype=x.dtype, compressors=codec
        )
        stored[:] = x
        assert_same(da.from_zarr(tmp_path / f"{k}.zarr").compute(), x)
    stored = zarr.create_array(
        str(tmp_path / "sharded.zarr"), shape=x.shape, chunks=(8, 8), shards=(32, 16), dtype=x.dtype
    )
    stored[:] = x
    assert_same(da.from_zarr(tmp_path / "sharded.zarr", chunks=(20, 20)).compute(), x)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_components(tmp_path, zarr_format):
    x = np.arange(12.0)
    group = zarr.open_group(str(tmp_path / "g.zarr"), mode="w", zarr_format=zarr_format)
    group.create_array("a/b", shape=x.shape, chunks=(5,), dtype=x.dtype)[:] = x
    assert_same(da.from_zarr(tmp_path / "g.zarr", component="a/b").compute(), x)
    da.from_array(x * 2, chunks=4).to_zarr(tmp_path / "g.zarr", component="c", zarr_format=zarr_format)
    assert_same(zarr.open_array(str(tmp_path / "g.zarr" / "c"), mode="r")[:], x * 2)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("scheduler", ["threads", "synchronous"])
def test_a_damaged_chunk_is_named(tmp_path, zarr_format, scheduler):
    x = np.random.default_rng(0).normal(size=(8, 8))
    da.from_array(x, chunks=(4, 8)).to_zarr(tmp_path / "x.zarr", zarr_format=zarr_format)
    name = "1.0" if zarr_format == 2 else "c/1/0"
    file = tmp_path / "x.zarr" / name
    assert file.exists(), sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*"))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    lazy = da.from_zarr(tmp_path / "x.zarr", chunks=(4, 8))
    with pytest.raises(ValueError) as caught:
        lazy.sum().compute(scheduler=scheduler)
    assert str(file) in str(caught.value)


def test_what_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing"):
        da.from_zarr(tmp_path / "nothing.zarr")
    zarr.open_group(str(tmp_path / "g.zarr"), mode="w")
    with pytest.raises(FileNotFoundError):
        da.from_zarr(tmp_path / "g.zarr", component="nothing")


def test_damaged_metadata(tmp_path):
    (tmp_path / "x.zarr").mkdir()
    (tmp_path / "x.zarr" / "zarr.json").write_text("{")
    with pytest.raises(ValueError, match=r"zarr\.json"):
        da.from_zarr(tmp_path / "x.zarr")


def test_overwriting_must_be_asked_for(tmp_path):
    da.ones(4, chunks=2).to_zarr(tmp_path / "x.zarr")
    with pytest.raises(FileExistsError):
        da.zeros(4, chunks=2).to_zarr(tmp_path / "x.zarr")
    assert da.from_zarr(tmp_path / "x.zarr").sum().compute() == 4
    da.zeros(6, chunks=4).to_zarr(tmp_path / "x.zarr", overwrite=True)
    assert_same(da.from_zarr(tmp_path / "x.zarr").compute(), np.zeros(6))


def test_irregular_chunks_are_written_right(tmp_path):
    x = np.arange(100.0).reshape(10, 10)
    da.from_array(x, chunks=((1, 6, 3), (10,))).to_zarr(tmp_path / "x.zarr")
    assert_same(zarr.open_array(str(tmp_path / "x.zarr"), mode="r")[:], x)


@pytest.mark.parametrize("shape", [(), (0,), (0, 3)])
def test_no_axes_and_no_elements(tmp_path, shape):
    x = np.full(shape, 3.0)
    da.from_array(x).to_zarr(tmp_path / "x.zarr")
    assert_same(da.from_zarr(tmp_path / "x.zarr").compute(), x)
    assert_same(zarr.open_array(str(tmp_path / "x.zarr"), mode="r")[...], x)


def test_store_into_zarr_and_numpy(tmp_path):
    x = np.arange(40.0).reshape(8, 5)
    lazy = da.from_array(x, chunks=(3, 2))
    target = np.zeros_like(x)
    stored = zarr.create_array(str(tmp_path / "x.zarr"), shape=x.shape, chunks=(3, 2), dtype=x.dtype)
    da.store([lazy, lazy + 1], [target, stored])
    assert_same(target, x)
    assert_same(stored[:], x + 1)
