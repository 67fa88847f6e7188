"""Dask's and xarray's own programs, on Dask and on selion: one line more enables it, nothing else is changed."""

from pathlib import Path

import numpy as np
from cases import BUDGET, BUDGET_PEAK, Case, inc, square

DAYS = Path(__file__).resolve().parent.parent / "target" / "bench-data"


def dask_square(k: int):
    """Dask's array of data in memory, which it copies."""
    import dask.array

    return dask.array.from_array(square(8000)(k), chunks=1000 // k)


def get_standardize(lib, x, k):
    y = lib.da.sqrt(x * x + 1) * 2 - x / 3
    return lib.get((((y - y.mean(axis=0)) / y.std(axis=0)) ** 2).sum())


def days(k: int) -> str:
    """Twelve years of days on a grid, float64, 1.2 GB, 292 chunks of 15 days."""
    import xarray as xr

    n, lat, lon = 292 * 15 // k, 181 // k, 190 // k
    path = DAYS / f"days-{n}-{lat}-{lon}.zarr"
    if not path.exists():
        rng = np.random.default_rng(0)
        t = np.round((280 + 10 * rng.standard_normal((n, lat, lon))) * 64) / 64
        time = np.datetime64("2000-01-01", "ns")
        time = time + np.arange(n) * np.timedelta64(1, "D")
        data = xr.Dataset({"t": (("time", "lat", "lon"), t)}, coords={"time": time})
        unfinished = path.with_suffix(".part")
        data.chunk(time=15).to_zarr(unfinished, consolidated=False, mode="w", encoding={"time": {"chunks": (n,)}})
        unfinished.rename(path)
    return str(path)


def climatology(lib, path, k):
    """The deviation of monthly anomalies."""
    import xarray as xr

    manager = {"chunked_array_type": "selion"} if xr.get_options().get("chunk_manager") == "selion" else {}
    t = xr.open_zarr(path, chunks={}, consolidated=False, **manager).t
    with xr.set_options(use_flox=False):
        months = t.groupby("time.month")
        return lib.get((months - months.mean("time")).groupby("time.month").std("time"))


def fan_in_graph(k: int) -> dict:
    n = 16_000 // k
    return {("inc", i): (inc, i) for i in range(n)} | {"sum": (sum, [("inc", i) for i in range(n)])}


def fan_in(lib, dsk, k):
    return lib.scheduler(dsk, "sum")


def anomaly_of_store(lib, path, k):
    x = lib.da.from_zarr(path)
    return lib.get(abs(x - x.mean(axis=0)).max())


INTEROP = [
    Case(
        "get_standardize",
        "Dask's array on `selion.get`: an elementwise chain, standardized, 8000² in 64 blocks in memory",
        get_standardize,
        4,
        setup=dask_square,
        numpy=False,
        through="get",
    ),
    Case(
        "get_climatology",
        "xarray on `selion.get`: monthly anomalies and their deviation, 1.2 GB of Zarr in 292 chunks",
        climatology,
        3,
        setup=days,
        numpy=False,
        through="get",
    ),
    Case(
        "xarray_climatology",
        "the same on selion's arrays by the chunk manager",
        climatology,
        6,
        setup=days,
        numpy=False,
        through="manager",
    ),
    Case(
        "get_fan_in",
        "`selion.get`: 16,000 calls and the sum of their results, graph made beforehand",
        fan_in,
        8,
        setup=fan_in_graph,
        numpy=False,
        through="get",
    ),
    Case(
        "get_memory",
        f"`selion.get`: `abs(x - x.mean(0)).max()` of the 4 GB store, {BUDGET}, peak at most {BUDGET_PEAK >> 20} MiB",
        anomaly_of_store,
        None,
        store=True,
        cluster=True,
        numpy=False,
        through="get",
    ),
]
