"""xarray's chunk manager: finding it, stores in and out, and the way out where another library knows only Dask."""

from __future__ import annotations

import numpy as np
import pytest

import selion
import selion.array as da
import selion.xarray

xr = pytest.importorskip("xarray")

TIMES = np.arange("2000-01-01", "2000-12-31", dtype="datetime64[D]").astype("datetime64[ns]")


@pytest.fixture
def plain():
    rng = np.random.default_rng(0)
    t = rng.normal(280, 5, (len(TIMES), 5, 4))
    t[3, 2] = np.nan
    return xr.Dataset({"t": (("time", "y", "x"), t)}, coords={"time": TIMES, "x": np.arange(4)})


@pytest.fixture
def lazy(plain):
    return plain.chunk({"time": 100}, chunked_array_type="selion")


def test_xarray_finds_it(lazy):
    from xarray.namedarray.parallelcompat import list_chunkmanagers

    assert type(list_chunkmanagers()["selion"]).__name__ == "SelionManager"
    assert isinstance(lazy.t.data, da.Array)
    assert lazy.chunksizes["time"] == (100, 100, 100, 65)


def test_use_restores():
    before = xr.get_options()["chunk_manager"], xr.get_options()["use_flox"]
    with selion.xarray.use():
        assert (xr.get_options()["chunk_manager"], xr.get_options()["use_flox"]) == ("selion", False)
        x = xr.DataArray(np.zeros(10), dims="x").chunk(x=3).chunk(x=5)
        assert isinstance(x.data, da.Array)
        assert x.chunks == ((5, 5),)
    assert (xr.get_options()["chunk_manager"], xr.get_options()["use_flox"]) == before


def test_loading_and_persisting(lazy, plain):
    kept = lazy.persist()
    assert isinstance(kept.t.data, da.Array)
    xr.testing.assert_identical(kept.compute(), plain)
    xr.testing.assert_identical(lazy.copy().load(), plain)
    xr.testing.assert_identical(lazy.compute(scheduler="synchronous"), plain)


def test_automatic_chunks_of_nothing():
    empty = xr.DataArray(np.zeros((0, 3)), dims=("x", "y")).chunk("auto", chunked_array_type="selion")
    assert empty.compute().shape == (0, 3)


zarr = pytest.mark.usefixtures("with_zarr")


@pytest.fixture
def with_zarr():
    pytest.importorskip("zarr")


@zarr
@pytest.mark.parametrize("version", [2, 3])
def test_zarr_both_ways(tmp_path, lazy, plain, version):
    path = tmp_path / "t.zarr"
    lazy.to_zarr(path, zarr_format=version, consolidated=False)
    again = xr.open_zarr(path, chunks={}, chunked_array_type="selion", consolidated=False)
    assert isinstance(again.t.data, da.Array)
    assert again.chunksizes["time"] == (100, 100, 100, 65)
    assert "zarr" in again.t.data.explain()
    xr.testing.assert_identical(again.compute(), plain)
    with selion.xarray.use():
        mean = xr.open_dataset(path, engine="zarr", chunks={}, consolidated=False).t.mean("time")
    xr.testing.assert_allclose(mean.compute(), plain.t.mean("time"))


@zarr
def test_zarr_later(tmp_path, lazy, plain):
    path = tmp_path / "t.zarr"
    write = lazy.to_zarr(path, compute=False, zarr_format=2, consolidated=False)
    assert np.isnan(xr.open_zarr(path, consolidated=False, chunks=None).t).all()
    write.compute()
    xr.testing.assert_identical(xr.open_zarr(path, consolidated=False, chunks=None).load(), plain)


@zarr
def test_zarr_regions(tmp_path, lazy, plain):
    path = tmp_path / "t.zarr"
    lazy.to_zarr(path, compute=False, zarr_format=2, consolidated=False)
    for part in (slice(0, 100), slice(100, 300), slice(300, 365)):
        lazy.isel(time=part).drop_vars("x").to_zarr(path, region={"time": part}, zarr_format=2, consolidated=False)
    xr.testing.assert_identical(xr.open_zarr(path, consolidated=False, chunks=None).load(), plain)


@zarr
@pytest.mark.parametrize("version", [2, 3])
def test_zarr_encoded(tmp_path, lazy, plain, version):
    path = tmp_path / "t.zarr"
    packed = {"dtype": "i2", "scale_factor": 0.01, "add_offset": 280.0, "_FillValue": -32768}
    lazy.to_zarr(path, encoding={"t": packed}, zarr_format=version, consolidated=False)
    wanted = xr.open_zarr(path, chunks=None, consolidated=False).load()
    again = xr.open_zarr(path, chunks={}, chunked_array_type="selion", consolidated=False)
    assert again.t.dtype == wanted.t.dtype
    assert "Python" not in again.t.data.explain()
    xr.testing.assert_identical(again.compute(), wanted)
    assert np.isnan(again.t.isel(time=3, y=2).compute()).all()
    np.testing.assert_allclose(again.t, plain.t, atol=0.0051)
    shifted = again.t.isel(time=slice(50, 250, 7), x=[2, 0]).compute()
    xr.testing.assert_identical(shifted, wanted.t.isel(time=slice(50, 250, 7), x=[2, 0]))


def test_netcdf_both_ways(tmp_path, lazy, plain):
    pytest.importorskip("scipy")
    path = tmp_path / "t.nc"
    lazy.to_netcdf(path, engine="scipy")
    with selion.xarray.use(), xr.open_dataset(path, engine="scipy", chunks={"time": 50}) as again:
        assert isinstance(again.t.data, da.Array)
        xr.testing.assert_allclose(again.compute(), plain)
    later = lazy.to_netcdf(tmp_path / "later.nc", engine="scipy", compute=False)
    later.compute()
    with xr.open_dataset(tmp_path / "later.nc", engine="scipy") as again:
        xr.testing.assert_allclose(again.load(), plain)


def test_several_files(tmp_path, plain):
    pytest.importorskip("scipy")
    for k in range(3):
        plain.isel(time=slice(100 * k, 100 * k + 100)).to_netcdf(tmp_path / f"{k}.nc", engine="scipy")
    with (
        selion.xarray.use(),
        xr.open_mfdataset(str(tmp_path / "*.nc"), engine="scipy", combine="by_coords") as together,
    ):
        assert isinstance(together.t.data, da.Array)
        assert together.chunksizes["time"] == (100, 100, 100)
        xr.testing.assert_allclose(together.t.mean("time").compute(), plain.t.isel(time=slice(300)).mean("time"))


def test_flox_is_told_the_way_out(lazy):
    pytest.importorskip("flox")
    with xr.set_options(use_flox=True), pytest.raises(NotImplementedError, match=r"selion\.xarray\.use"):
        lazy.t.groupby("time.month").mean().compute()


def test_idxmax_is_refused_by_xarray(lazy):
    with pytest.raises(ValueError, match="chunked array indexer"):
        lazy.t.idxmax("x")
