"""Means of a real file: ERA-Interim, through xarray and Zarr, against NumPy."""

from pathlib import Path

import numpy as np
import pytest

import selion
import selion.array as da

FILE = Path(__file__).resolve().parents[3] / "shared" / "data" / "eraint_uvz.nc"


@pytest.fixture(scope="module")
def era():
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("scipy")
    if not FILE.exists():
        pytest.skip(f"{FILE.name} is not here")
    with xarray.open_dataset(FILE, engine="scipy") as dataset:
        yield dataset.load()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_means(era, tmp_path, zarr_format):
    pytest.importorskip("zarr")
    store = tmp_path / "era.zarr"
    encoding = {name: {"chunks": tuple(max(1, (n + 1) // 2) for n in era[name].shape)} for name in era.data_vars}
    era.drop_encoding().to_zarr(store, zarr_format=zarr_format, encoding=encoding, consolidated=False)
    for name, variable in era.data_vars.items():
        expected = variable.values
        x = da.from_zarr(store, component=name)
        assert x.shape == expected.shape
        assert x.dtype == expected.dtype
        wide = expected.astype("f8")
        y = x.astype("f8")
        mean, zonal, spread = selion.compute(y.mean(), y.mean(axis=-1), y.std(axis=0))
        np.testing.assert_allclose(mean, wide.mean(), rtol=1e-12)
        np.testing.assert_allclose(zonal, wide.mean(axis=-1), rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(spread, wide.std(axis=0), rtol=1e-9, atol=1e-9)
        np.testing.assert_array_equal(x[..., ::-1].compute(), expected[..., ::-1])
