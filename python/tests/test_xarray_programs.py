"""Everyday programs with xarray: on Dask's arrays by `selion.get`, and on selion's by the chunk manager.

Every program must be lazy until its result is computed, and give what it gives on NumPy's arrays.
"""

from __future__ import annotations

import numpy as np
import pytest

import selion
import selion.array as da
import selion.dask
import selion.xarray

xr = pytest.importorskip("xarray")
dask = pytest.importorskip("dask")

PROGRAMS = {}
TIMES = np.arange("2000-01-01", "2001-03-01", dtype="datetime64[D]").astype("datetime64[ns]")


def program(function):
    PROGRAMS[function.__name__] = function
    return function


def dataset():
    rng = np.random.default_rng(0)
    shape = (len(TIMES), 6, 8)
    t = rng.normal(280, 5, shape)
    holes = t.copy()
    holes[rng.random(shape) < 0.2] = np.nan
    return xr.Dataset(
        {
            "t": (("time", "y", "x"), t),
            "holes": (("time", "y", "x"), holes),
            "small": (("time", "y", "x"), rng.random(shape).astype("f4")),
            "count": (("time", "y", "x"), rng.integers(0, 100, shape)),
            "mask": (("y", "x"), rng.random(shape[1:]) > 0.4),
        },
        coords={"time": TIMES, "y": np.linspace(50, 60, 6), "x": np.linspace(-5, 5, 8)},
    )


CHUNKS = {"time": 100, "y": 3, "x": 8}

# ---- arithmetic ------------------------------------------------------------------------------------------------------


@program
def arithmetic(ds):
    return (ds.t - 273.15) * 2 / (1 + ds.small) ** 2


@program
def integers(ds):
    return ds["count"] // 7 + ds["count"] % 5 - (-ds["count"])


@program
def comparisons(ds):
    return (ds.t > 280) & ~(ds.holes <= 281) | (ds["count"] == 3)


@program
def ufuncs(ds):
    return np.hypot(np.sin(ds.t), np.exp(-ds.small)) + np.log1p(abs(ds.t))


@program
def where(ds):
    return ds.t.where(ds.mask)


@program
def where_other(ds):
    return xr.where(ds.mask, ds.t, -1.0)


@program
def where_cond_fill(ds):
    return ds.t.where(ds.t > 280, ds.small)


@program
def fillna(ds):
    return ds.holes.fillna(0)


@program
def isnull(ds):
    return ds.holes.isnull()


@program
def notnull_count(ds):
    return ds.holes.notnull().sum("time")


@program
def clip(ds):
    return ds.t.clip(275, 285)


@program
def isin(ds):
    return ds["count"].isin([1, 2, 3])


@program
def astype(ds):
    return ds.t.astype("f4")


@program
def rounding(ds):
    return ds.t.round(1)


@program
def broadcast(ds):
    return ds.t * ds.y - ds.x


@program
def data_set(ds):
    return ds * 2 + 1


# ---- reductions ------------------------------------------------------------------------------------------------------


@program
def mean(ds):
    return ds.t.mean("time")


@program
def mean_of_holes(ds):
    return ds.holes.mean(["y", "x"])


@program
def total(ds):
    return ds.t.sum()


@program
def var_and_std(ds):
    return ds.holes.var("time") + ds.t.std("time", ddof=1)


@program
def extremes(ds):
    return ds.holes.max("time") - ds.holes.min("time")


@program
def min_count(ds):
    return ds.holes.sum("time", min_count=300)


@program
def prod_any_all(ds):
    return ds.small.prod("x") + (ds.t > 290).any("x") + (ds.t > 270).all("x")


@program
def argmax(ds):
    return ds.t.argmax("x")


@program
def count(ds):
    return ds.holes.count("time")


@program
def mean_keeps_attributes(ds):
    return ds.t.assign_attrs(units="K").mean("time", keep_attrs=True)


@program
def quantile(ds):
    return ds.t.chunk(time=-1).quantile([0.1, 0.5], "time")


@program
def median(ds):
    return ds.holes.chunk(time=-1).median("time")


@program
def cumulative(ds):
    return ds.holes.cumsum("time")


@program
def cumprod(ds):
    return (1 + ds.small / 1000).cumprod("time")


# ---- differences and shifts ------------------------------------------------------------------------------------------


@program
def diff(ds):
    return ds.t.diff("time")


@program
def shift(ds):
    return ds.t.shift(time=3)


@program
def roll(ds):
    return ds.t.roll(x=2, roll_coords=False)


@program
def differentiate(ds):
    return ds.t.differentiate("x")


@program
def integrate(ds):
    return ds.t.integrate("y")


@program
def cumulative_integrate(ds):
    return ds.t.cumulative_integrate("x")


@program
def coarsen(ds):
    return ds.t.coarsen(y=2, x=2).mean()


@program
def pad(ds):
    return ds.t.pad(x=2, mode="wrap")


@program
def pad_constant(ds):
    return ds.t.pad(time=(1, 2), constant_values=0)


# ---- rolling ---------------------------------------------------------------------------------------------------------


@program
def rolling_mean(ds):
    return ds.t.rolling(time=7).mean()


@program
def rolling_centre(ds):
    return ds.t.rolling(time=5, center=True, min_periods=2).sum()


@program
def rolling_construct(ds):
    return ds.t.rolling(x=3).construct("window").mean("window")


@program
def rolling_two_axes(ds):
    return ds.t.rolling(y=2, x=2).max()


@program
def ffill(ds):
    pytest.importorskip("bottleneck")
    return ds.holes.ffill("time")


@program
def rank(ds):
    pytest.importorskip("bottleneck")
    return ds.t.chunk(time=-1).rank("time")


# ---- groups ----------------------------------------------------------------------------------------------------------


@program
def monthly_mean(ds):
    return ds.t.groupby("time.month").mean()


@program
def monthly_anomaly(ds):
    groups = ds.t.groupby("time.month")
    return groups - groups.mean("time")


@program
def monthly_deviation(ds):
    groups = ds.t.groupby("time.month")
    return (groups - groups.mean("time")).groupby("time.month").std()


@program
def seasonal_sum(ds):
    return ds.holes.groupby("time.season").sum()


@program
def group_map(ds):
    return ds.t.groupby("time.month").map(lambda part: part - part.mean("time"))


@program
def group_bins(ds):
    return ds.t.groupby_bins("y", [50, 55, 60]).mean()


@program
def resample(ds):
    return ds.t.resample(time="MS").mean()


@program
def resample_max(ds):
    return ds.holes.resample(time="7D").max()


@program
def group_quantile(ds):
    return ds.t.chunk(time=-1).groupby("time.season").median()


@program
def dayofyear(ds):
    return ds.t.groupby("time.dayofyear").max()


# ---- weights, interpolation, fits ------------------------------------------------------------------------------------


@program
def weighted_mean(ds):
    return ds.t.weighted(np.cos(np.deg2rad(ds.y))).mean(["y", "x"])


@program
def weighted_holes(ds):
    weights = xr.DataArray(np.linspace(0, 1, 6), dims="y")  # lazy weights would be looked at by xarray
    return ds.holes.weighted(weights).sum(["time", "y"])


@program
def interp(ds):
    pytest.importorskip("scipy")
    return ds.t.interp(x=[-4.2, 0.1, 3.3])


@program
def interp_two_axes(ds):
    pytest.importorskip("scipy")
    return ds.t.interp(x=[-4.2, 0.1], y=[51.0, 55.5])


@program
def interpolate_na(ds):
    return ds.holes.chunk(time=-1).interpolate_na("time")


@program
def polyfit(ds):
    # xarray looks for missing values itself unless told
    return ds.t.polyfit("time", 1, skipna=False).polyfit_coefficients


@program
def curvefit(ds):
    pytest.importorskip("scipy")
    return ds.t.isel(time=slice(20)).chunk(time=-1).curvefit("x", lambda x, a, b: a * x + b).curvefit_coefficients


@program
def correlation(ds):
    return xr.corr(ds.t, ds.small, "time")


@program
def covariance(ds):
    return xr.cov(ds.t, ds.small, "time")


@program
def dot(ds):
    return xr.dot(ds.t, ds.small, dim="x")


# ---- selection and shape ---------------------------------------------------------------------------------------------


@program
def isel(ds):
    return ds.t.isel(time=slice(5, 200, 3), x=-1)


@program
def isel_list(ds):
    return ds.t.isel(time=[3, 1, 250], y=[0, 5])


@program
def isel_points(ds):
    points = xr.DataArray([0, 2, 5], dims="point")
    return ds.t.isel(y=points, x=points)


@program
def isel_grid_of_points(ds):
    return ds.t.isel(x=xr.DataArray([[0, 1], [7, 2]], dims=("a", "b")))


@program
def sel(ds):
    return ds.t.sel(time="2000-05", y=slice(52, 58))


@program
def sel_nearest(ds):
    return ds.t.sel(x=[0.2, -3.9], method="nearest")


@program
def sortby(ds):
    return ds.t.sortby("x", ascending=False)


@program
def transpose(ds):
    return ds.t.transpose("x", "time", "y")


@program
def stack(ds):
    return ds.t.stack(cell=("y", "x")).mean("cell")


@program
def unstack(ds):
    return ds.t.stack(cell=("y", "x")).unstack("cell")


@program
def concat(ds):
    return xr.concat([ds.t.isel(time=slice(0, 50)), ds.t.isel(time=slice(60, 90))], "time")


@program
def merge(ds):
    return xr.merge([ds[["t"]], ds[["small"]]], compat="no_conflicts", join="outer")


@program
def combine_first(ds):
    return ds.holes.combine_first(ds.t)


@program
def reindex(ds):
    return ds.t.reindex(x=np.linspace(-6, 6, 5))


@program
def align(ds):
    return ds.t.isel(x=slice(0, 5)) + ds.small.isel(x=slice(2, 8))


@program
def expand(ds):
    return ds.t.expand_dims(member=3).sum("member")


@program
def to_array(ds):
    return ds[["t", "holes"]].to_dataarray("which").mean("which")


@program
def squeeze(ds):
    return ds.t.isel(x=[0]).squeeze("x")


@program
def drop_duplicates(ds):
    return ds.t.isel(time=[0, 0, 1]).drop_duplicates("time")


# ---- functions of users ----------------------------------------------------------------------------------------------


@program
def apply_ufunc_parallelized(ds):
    return xr.apply_ufunc(lambda x: x**2, ds.t, dask="parallelized", output_dtypes=[float])


@program
def apply_ufunc_core(ds):
    return xr.apply_ufunc(
        lambda x: x.mean(axis=-1),
        ds.t.chunk(time=-1),
        input_core_dims=[["time"]],
        dask="parallelized",
        output_dtypes=[float],
    )


@program
def apply_ufunc_vectorized(ds):
    return xr.apply_ufunc(
        lambda x: float(np.percentile(x, 30)),
        ds.t.isel(time=slice(0, 40)),
        input_core_dims=[["x"]],
        vectorize=True,
        dask="parallelized",
        output_dtypes=[float],
    )


@program
def apply_ufunc_allowed(ds):
    return xr.apply_ufunc(lambda x: np.sqrt(x) + 1, ds.t, dask="allowed")


@program
def dates(ds):
    return (ds.time.astype("f8") * ds.t).mean("x")


def _chunked(kind):
    if kind == "dask":
        return dataset().chunk(CHUNKS)
    return dataset().chunk(CHUNKS, chunked_array_type="selion")


@pytest.fixture(params=["dask", "selion"])
def kind(request):
    if request.param == "dask":
        with selion.dask.enable():
            yield request.param
    else:
        with selion.xarray.use():
            yield request.param


def _refuse(*args, **kwargs):
    raise AssertionError("computed in secret")


@pytest.fixture
def lazily(monkeypatch):
    """A context in which nothing may be computed."""

    def context():
        patch = pytest.MonkeyPatch.context()
        entered = patch.__enter__()
        entered.setattr(selion._selion, "compute", _refuse)
        entered.setattr(selion._selion, "dask_get", _refuse)
        entered.setattr(da.Array, "__array__", _refuse)
        return patch

    return context


def _arrays(x):
    if isinstance(x, xr.Dataset):
        return [variable.variable._data for variable in x.data_vars.values()]
    return [x.variable._data]


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name, kind, lazily):
    run = PROGRAMS[name]
    wanted = run(dataset())
    ds = _chunked(kind)
    context = lazily()
    try:
        result = run(ds)
    finally:
        context.__exit__(None, None, None)
    data = _arrays(result)
    if kind == "selion":
        assert all(isinstance(x, da.Array) for x in data)
    else:
        assert all(dask.is_dask_collection(x) for x in data)
    xr.testing.assert_allclose(result.compute(), wanted)
    for got, plain in zip(_arrays(result.compute()), _arrays(wanted), strict=True):
        assert got.dtype == plain.dtype
        assert type(got) is np.ndarray
