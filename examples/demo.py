"""What `make demo` runs: the tutorial's arrays and delayed functions, a climatology of 4 GB in 512 MiB; xarray's."""

from __future__ import annotations

import contextlib
import functools
import math
import shutil
import time
from pathlib import Path

import numpy as np

import selion
import selion.array as da
from selion.diagnostics import ProgressBar

FOLDER = Path(__file__).resolve().parent.parent / "target" / "demo-data"
STORE = FOLDER / "temperature.zarr"
WHOLE = STORE.with_suffix(".whole")  # there once the store is
BUDGET = "512MiB"

# Twenty years of a calendar with twelve months of thirty days, as climate models have; one chunk per month.
YEARS, MONTHS, DAYS = 20, 12, 30
SHAPE = (YEARS * MONTHS * DAYS, 192, 384)
CHUNKS = (DAYS, 192, 384)


def heading(text: str):
    print(f"\n── {text} {'─' * (76 - len(text))}\n")


def proc(file: str, key: str) -> int | None:
    """A number that Linux keeps about this process."""
    try:
        lines = Path("/proc/self", file).read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(key)), None)


def size(nbytes: float | None) -> str:
    return "not known" if nbytes is None else f"{nbytes / 2**20:,.0f} MiB"


class Measured:
    """Prints the time, the peak memory of the process and the bytes that it read meanwhile."""

    def __enter__(self):
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        self.read, self.start = proc("io", "rchar:"), time.perf_counter()
        return self

    def __exit__(self, *exc):
        seconds = time.perf_counter() - self.start
        peak, read = proc("status", "VmHWM:"), proc("io", "rchar:")
        peak = None if peak is None else peak * 1024
        read = None if read is None or self.read is None else read - self.read
        print(f"{seconds:.1f} s, peak memory {size(peak)}, read {size(read)}")


def tutorial():
    heading("The array part of the Dask tutorial")
    ones = da.ones((1000, 4000), chunks=(1000, 1000))
    print(ones)
    print(ones.compute())

    total = ones.sum()
    print("\nsum of ones:", total.compute())
    print(total.explain())

    fancy_calculation = (ones * ones[::-1, ::-1]).mean()
    print("(ones * ones[::-1, ::-1]).mean():", fancy_calculation.compute())
    print(fancy_calculation.explain())
    fancy_calculation.visualize(FOLDER / "fancy_calculation", format="svg")
    print("its tasks, before anything is fused or folded:", FOLDER / "fancy_calculation.svg", "\n")

    with selion.config.set({"optimize.fold": False}):
        large = da.ones((20_000, 20_000), chunks=(2000, 2000))
        print("the same on 20,000², 3.2 GB, with every element computed:")
        with Measured(), ProgressBar():
            (large * large[::-1, ::-1]).mean().compute()


@selion.delayed
def process_file(path: Path, results: Path) -> Path:
    """Read, transform, write."""
    values = np.loadtxt(path, delimiter=",")
    destination = results / path.name
    np.savetxt(destination, values - values.mean(), delimiter=",", fmt="%.3f")
    return destination


@selion.delayed
def inc(x):
    time.sleep(0.1)
    return x + 1


@selion.delayed
def dec(x):
    time.sleep(0.1)
    return x - 1


@selion.delayed
def add(x, y):
    time.sleep(0.2)
    return x + y


def delayed_functions():
    heading("The delayed part of the Dask tutorial")
    files, results = FOLDER / "files", FOLDER / "results"
    files.mkdir(parents=True, exist_ok=True)
    results.mkdir(exist_ok=True)
    for k in range(20):
        np.savetxt(files / f"{k:02}.csv", np.random.default_rng(k).normal(15, 8, (500, 10)), delimiter=",")
    print("reading, transforming and writing 20 files:")
    with Measured(), ProgressBar():
        (written,) = selion.compute([process_file(path, results) for path in sorted(files.iterdir())])
    print(f"{len(written)} files in {results}\n")

    x = inc(1)
    y = dec(2)
    z = add(x, y)
    print(z)
    z.visualize(FOLDER / "inc_dec_add", format="svg", rankdir="LR")
    print("its picture:", FOLDER / "inc_dec_add.svg")
    start = time.perf_counter()
    print(f"{z.compute()} in {time.perf_counter() - start:.2f} s, where calling one after the other takes 0.40 s\n")

    print("a loop of 256 of them, with 64 threads, since they sleep:")
    zs = [add(inc(i), dec(i)) for i in range(256)]
    with Measured():
        zs = selion.persist(*zs, num_workers=64)  # returns at once
        total = sum(selion.compute(*zs))
    print(f"their sum is {total}; one after the other they take {256 * 0.4:.0f} s\n")

    print("100,000 calls that do next to nothing:")
    quick = selion.delayed(lambda x: x + 1)
    start = time.perf_counter()
    numbers = selion.delayed(sum)([quick(k) for k in range(100_000)]).compute()
    print(f"{numbers:,} after {time.perf_counter() - start:.2f} s")


def slow_inc(x):
    time.sleep(1)
    return x + 1


def futures():
    heading("The futures part of the Dask tutorial, on a cluster of two workers")
    from selion.distributed import Client, progress, wait

    start = time.perf_counter()
    with Client(n_workers=2, threads_per_worker=1) as client:
        value = client.submit(abs, -1).result()
        print(f"a first result, {value}, {time.perf_counter() - start:.2f} s after nothing was there")
        future = client.submit(slow_inc, 1)
        print(future)
        wait(future)
        print(future, future.result())
        x, y = client.submit(slow_inc, 1, pure=False), client.submit(slow_inc, 2)
        z = client.submit(sum, [x, y])
        progress(z)
        print("their sum:", z.result())
        start = time.perf_counter()
        numbers = client.gather(client.map(abs, range(-10_000, 0)))
        print(f"{len(numbers):,} calls in {time.perf_counter() - start:.2f} s\n")


def make_store():
    """A field with seasons and weather, made and written by selion."""
    if WHOLE.exists():
        return
    print(f"making {STORE}, once")
    shutil.rmtree(STORE, ignore_errors=True)
    STORE.parent.mkdir(parents=True, exist_ok=True)
    day = da.arange(SHAPE[0], chunks=DAYS)[:, None, None]
    latitude = da.linspace(-math.pi / 2, math.pi / 2, SHAPE[1], chunks=SHAPE[1])[None, :, None]
    weather = da.random.default_rng(0).normal(0, 4, size=SHAPE, chunks=CHUNKS)
    season = da.cos(day * (2 * math.pi / (MONTHS * DAYS))) * da.sin(latitude) * -15
    field = 273 + 30 * da.cos(latitude) + season + weather
    with Measured(), ProgressBar():
        (da.rint(field * 10) / 10).to_zarr(STORE)
    WHOLE.touch()


def climatology():
    heading(f"Climatology of a store of 4 GB within {BUDGET}")
    selion.config.set({"memory_limit": BUDGET})
    make_store()
    x = da.from_zarr(STORE, chunks=CHUNKS)
    print(x, f"{x.nbytes / 1e9:.1f} GB")
    months = [x[start : start + DAYS] for start in range(0, SHAPE[0], DAYS)]

    print("\nmonthly means over twenty years:")
    means = [month.mean(axis=0) for month in months]
    climate = [sum(means[m::MONTHS]) / YEARS for m in range(MONTHS)]
    with Measured(), ProgressBar():
        climate = selion.compute(*climate)

    print("\nanomalies of every day from its month's mean:")
    anomalies = [month - climate[k % MONTHS] for k, month in enumerate(months)]
    warmest = functools.reduce(da.maximum, [anomaly.max(axis=0) for anomaly in anomalies])
    variance = sum((anomaly**2).mean(axis=0) for anomaly in anomalies) / len(anomalies)
    with Measured(), ProgressBar():
        warmest, variance = selion.compute(warmest, variance)

    rows = np.array(climate).mean(axis=2)
    print("\nmonth  " + "".join(f"{name:>9}" for name in ("60°S", "30°S", "equator", "30°N", "60°N")))
    for m, row in enumerate(rows, 1):
        at = [row[round(SHAPE[1] * part)] for part in (1 / 6, 1 / 3, 1 / 2, 2 / 3, 5 / 6)]
        print(f"{m:5}  " + "".join(f"{kelvin:9.2f}" for kelvin in at))
    print(f"anomalies: standard deviation {math.sqrt(variance.mean()):.2f} K, warmest {warmest.max():.1f} K")


def under_dask():
    heading("A climatology with xarray, on Dask and on selion")
    import dask
    import xarray as xr

    import selion.dask

    path = FOLDER / "xarray.zarr"
    days = np.arange("2000-01-01", "2006-01-01", dtype="datetime64[D]").astype("datetime64[ns]")
    if not path.exists():
        rng, unfinished = np.random.default_rng(0), path.with_suffix(".part")
        t = np.round((rng.standard_normal((len(days), 96, 144)) * 10 + 280) * 64) / 64
        data = xr.Dataset({"t": (("time", "lat", "lon"), t)}, coords={"time": days})
        data.chunk(time=30).to_zarr(unfinished, mode="w", consolidated=False)
        unfinished.rename(path)
    t = xr.open_zarr(path, chunks={}, consolidated=False).t
    with xr.set_options(use_flox=False):
        months = t.groupby("time.month")
        deviation = (months - months.mean("time")).groupby("time.month").std("time")
    with dask.config.set(scheduler="threads"):
        print("on Dask's threads:     ", end=" ")
        with Measured():
            plain = deviation.compute()
    with selion.dask.enable():
        print("with selion.dask.enable():", end=" ")
        with Measured():
            ours = deviation.compute()
    xr.testing.assert_allclose(plain, ours)
    print("the same to the last digits that sums keep;", selion.dask.explain(deviation))


if __name__ == "__main__":
    print(f"selion {selion.__version__}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    tutorial()
    delayed_functions()
    futures()
    climatology()
    under_dask()
