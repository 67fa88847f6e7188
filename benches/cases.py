"""The cases of `make bench`: each is one text that Dask, selion and (where it makes sense) NumPy all run.

A case gets `lib` (`lib.da` is the array module, `lib.get(x)` computes one array, `lib.compute(*xs)` several at once),
`data` (what its `setup` made, outside the measured time) and `k` (1, or 4 for `--quick`: every shape divided by it).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

BUDGET = "512MiB"
BUDGET_PEAK = (512 + 200) * 2**20


@dataclass(frozen=True)
class Case:
    name: str
    what: str
    run: Callable[[Any, Any, int], Any]
    wanted: float | None = None  # Dask's time over selion's
    setup: Callable[[int], Any] | None = None
    store: bool = False  # works on the store, within BUDGET; data is the path of the store
    cluster: bool = False  # Dask keeps to BUDGET only with a worker of its own that spills
    numpy: Callable[[Any, int], Any] | bool = True  # the NumPy text, where it is another one; or False for none
    traffic: int = 0  # bytes that must at least be read from memory, for the limit
    rtol: float = 1e-9
    dask: bool = True  # False where Dask would not end in time
    max_seconds: float | None = None
    max_copies: float | None = None  # selion's time over that of copying the store
    max_reads: float | None = None  # how often selion may read the store
    max_writes: float | None = None
    # selion runs Dask's own text: "get" on `selion.get`, "manager" on selion's arrays in xarray
    through: str | None = None


# ---- from memory -----------------------------------------------------------------------------------------------------


def square(n: int) -> Callable[[int], np.ndarray]:
    return lambda k: np.random.default_rng(0).random((n // k, n // k))


def tutorial(lib, _, k):
    x = lib.da.ones((20000 // k, 20000 // k), chunks=2000 // k)
    return lib.get((x * x[::-1, ::-1]).mean())


def elementwise(lib, data, k):
    x = lib.da.from_array(data, chunks=1000 // k)
    return lib.get((lib.da.sqrt(x * x + 1) * 2 - x / 3).sum())


def transcend(lib, data, k):
    x = lib.da.from_array(data, chunks=1000 // k)
    return lib.get((lib.da.sin(x) ** 2 + lib.da.cos(x) ** 2).mean())


def standardize(lib, data, k):
    x = lib.da.from_array(data, chunks=1000 // k)
    return lib.get((((x - x.mean(axis=0)) / x.std(axis=0)) ** 2).sum())


def transpose(lib, data, k):
    x = lib.da.from_array(data, chunks=1000 // k)
    return lib.get((x + x.T).sum())


def matmul(lib, data, k):
    x = lib.da.from_array(data, chunks=1000 // k)
    return lib.get((x @ x).sum())


def smallchunks(lib, _, k):
    x = lib.da.ones((20000 // k, 20000 // k), chunks=100)
    return lib.get((x + 1).sum())


def smallchunks_data(lib, data, k):
    x = lib.da.from_array(data, chunks=100)
    return lib.get((x + 1).sum())


def normal(lib, _, k):
    x = lib.da.random.default_rng(0).normal(size=(6000 // k, 6000 // k), chunks=1000 // k)
    return lib.get((x**2).mean())


def axis_mean(lib, data, k):
    x = lib.da.from_array(data, chunks=(50 // k, 200 // k, 200 // k))
    return lib.get(x.mean(axis=0))


def rechunk(lib, data, k):
    x = lib.da.from_array(data, chunks=(10000 // k, 100 // k))
    return lib.get(x.rechunk((100 // k, 10000 // k)).sum(axis=1))


# ---- from the store --------------------------------------------------------------------------------------------------


def store_shape(k: int) -> tuple[int, int, int]:
    """(time, lat, lon): 21 years of days on a grid of one degree, float64, 4 GB."""
    return (7670 // k, 181 // k, 360 // k)


def store_chunks(k: int) -> tuple[int, int, int]:
    """About a month, 16 MB: small enough for Dask's worker to stay alive within the budget."""
    return (30 // k, 181 // k, 360 // k)


def columns(k: int) -> tuple[int, int, int]:
    return (7670 // k, 15 // k, 30 // k)


def make_store(path: Path, k: int) -> None:
    """Temperatures: a climate, its seasons, and weather, kept to 1/64 K as in archives."""
    import zarr

    shape, chunks = store_shape(k), store_chunks(k)
    nt, ny, nx = shape
    rng = np.random.default_rng(0)
    lat = np.linspace(np.pi / 2, -np.pi / 2, ny)[:, None]
    lon = np.linspace(0, 2 * np.pi, nx, endpoint=False)[None, :]
    climate = 250 + 45 * np.cos(lat) + 3 * np.sin(3 * lon) * np.cos(lat)
    season = 15 * np.sin(lat) + 0 * lon
    weather = 4 * rng.standard_normal((chunks[0], ny, nx), dtype="f4")
    z = zarr.create_array(path, shape=shape, chunks=chunks, dtype="f8", overwrite=True)
    for start in range(0, nt, chunks[0]):
        t = np.arange(start, min(start + chunks[0], nt))
        block = climate + season * np.cos(2 * np.pi * t / 365.2425)[:, None, None]
        block += np.roll(weather, 7 * (start // chunks[0]), axis=2)[: len(t)]
        z[start : start + len(t)] = np.round(block * 64) / 64


def zarr_mean(lib, path, k):
    return lib.get(lib.da.from_zarr(path).mean(axis=0))


def copy(lib, path, k):
    lib.da.from_zarr(path).to_zarr(lib.target)
    return look(lib.target, store_chunks(k))


def rechunk_disk(lib, path, k):
    lib.da.from_zarr(path).rechunk(columns(k)).to_zarr(lib.target)
    return look(lib.target, columns(k))


def look(path: str, chunks: tuple[int, ...]) -> list[np.ndarray]:
    """What proves that a store was written whole, without reading all of it: its chunks, and planes across all."""
    import zarr

    z = zarr.open_array(path, mode="r")
    assert z.chunks == chunks, f"written in chunks of {z.chunks}, not {chunks}"
    return [z[0], z[-1], z[:, 0, 0], z[:, -1, -1], z[:: z.shape[0] // 5, ::20, ::30]]


def many(lib, path, k):
    x = lib.da.from_zarr(path)
    da = lib.da
    fields = [x, x * x, da.sqrt(x), da.log(x), da.abs(x - 273), x - 273.15, 1 / x, da.exp(-x / 100)]
    wanted = []
    for f in fields:
        wanted += [f.mean(), f.std(), f.min(axis=0), f.max(axis=0), f.sum(axis=(1, 2)), f.mean(axis=0)]
        wanted += [f.var(axis=(0, 1)), (f > 5).any(axis=(0, 2))]
    assert len(wanted) == 64
    return lib.compute(*wanted)


def anomaly(lib, path, k):
    x = lib.da.from_zarr(path)
    return lib.get((x - x.mean(axis=0)).std())


# ---- calls -----------------------------------------------------------------------------------------------------------


def inc(x):
    return x + 1


def add(x, y):
    return x + y


def even(x):
    return x % 2 == 0


def call_tree(lib, _, k):
    plus_one, plus = lib.delayed(inc), lib.delayed(add)
    values = [plus_one(i) for i in range(50_000 // k)]
    while len(values) > 1:
        pairs = zip(values[::2], values[1::2], strict=False)
        values = [plus(x, y) for x, y in pairs] + values[len(values) // 2 * 2 :]
    return lib.get(values[0])


def call_chain(lib, _, k):
    plus_one, value = lib.delayed(inc), 0
    for _ in range(100_000 // k):
        value = plus_one(value)
    return lib.get(value)


def call_list(lib, _, k):
    plus_one = lib.delayed(inc)
    return lib.get(lib.delayed(sum)([plus_one(i) for i in range(8000 // k)]))


def call_long_list(lib, _, k):
    plus_one = lib.delayed(inc)
    return lib.get(lib.delayed(sum)([plus_one(i) for i in range(100_000 // k)]))


def call_build(lib, _, k):
    n = 1_000_000 // k
    plus_one, before = lib.delayed(inc), resident()
    values = [plus_one(i) for i in range(n)]
    grown = resident() - before
    assert grown <= 250 * n, f"{grown / n:.0f} bytes for each"
    return len(values)


def resident() -> int:
    import psutil

    return psutil.Process().memory_info().rss


def bag_sum(lib, _, k):
    return lib.get(lib.bag.range(10**6 // k, npartitions=100).map(inc).filter(even).sum())


# ---- the table -------------------------------------------------------------------------------------------------------

CASES = [
    Case("tutorial", "`(x * x[::-1, ::-1]).mean()`, ones 20000², chunks 2000²", tutorial, 10),
    Case(
        "elementwise",
        "`(sqrt(x*x+1)*2 - x/3).sum()`, 8000² from memory, chunks 1000²",
        elementwise,
        12,
        setup=square(8000),
        traffic=8 * 8000**2,
    ),
    Case(
        "transcend",
        "`(sin(x)**2 + cos(x)**2).mean()`, 6000² from memory, chunks 1000²",
        transcend,
        6,
        setup=square(6000),
        traffic=8 * 6000**2,
    ),
    Case(
        "standardize",
        "`(((x-x.mean(0))/x.std(0))**2).sum()`, 8000² from memory, chunks 1000²",
        standardize,
        7,
        setup=square(8000),
        traffic=2 * 8 * 8000**2,
    ),
    Case(
        "transpose",
        "`(x + x.T).sum()`, 8000² from memory, chunks 1000²",
        transpose,
        5,
        setup=square(8000),
        traffic=8 * 8000**2,
    ),
    Case("matmul", "`(x @ x).sum()`, 3000² from memory, chunks 1000²", matmul, 1.4, setup=square(3000)),
    Case("smallchunks", "`(x + 1).sum()`, ones 20000² in 40,000 chunks of 100²", smallchunks, 80),
    Case(
        "smallchunks_data",
        "`(x + 1).sum()`, random data 20000² from memory in 40,000 chunks of 100²",
        smallchunks_data,
        80,
        setup=square(20000),
        traffic=8 * 20000**2,
    ),
    Case("normal", "`(x**2).mean()`, x = normal(6000²), chunks 1000²", normal, 2, rtol=1e-2),
    Case(
        "axis_mean",
        "`x.mean(axis=0)`, f4 (500, 400, 400) from memory, chunks (50, 200, 200)",
        axis_mean,
        10,
        setup=lambda k: np.random.default_rng(0).random((500 // k, 400 // k, 400 // k), dtype="f4"),
        traffic=4 * 500 * 400 * 400,
        rtol=1e-4,
    ),
    Case(
        "rechunk",
        "10000² from memory, chunks (10000, 100) → (100, 10000), then `sum(axis=1)`",
        rechunk,
        8,
        setup=square(10000),
        numpy=lambda data, k: data.sum(axis=1),
        traffic=8 * 10000**2,
    ),
    Case(
        "zarr",
        f"`x.mean(axis=0)` of a 4 GB store, {BUDGET}",
        zarr_mean,
        2,
        store=True,
        numpy=False,
        max_reads=1.1,
        max_writes=0.01,
    ),
    Case(
        "copy",
        f"the 4 GB store to another with the same chunks, {BUDGET}: what reading and writing it once takes",
        copy,
        None,
        store=True,
        numpy=False,
    ),
    Case(
        "rechunk_disk",
        f"the 4 GB store in rows → a store in columns, {BUDGET}",
        rechunk_disk,
        None,
        store=True,
        cluster=True,
        numpy=False,
        max_copies=2,
    ),
    Case(
        "many",
        f"64 different reductions of the 4 GB store in one `compute`, {BUDGET}",
        many,
        None,
        store=True,
        cluster=True,
        numpy=False,
        rtol=1e-7,
        max_reads=1.1,
        max_writes=0.01,
    ),
    Case(
        "anomaly",
        f"`(x - x.mean(axis=0)).std()` of the 4 GB store, {BUDGET}",
        anomaly,
        5,
        store=True,
        cluster=True,
        numpy=False,
        max_reads=2.1,
        max_writes=0.01,
    ),
    Case("call_tree", "50,000 delayed `inc` and a tree of `add`: 100,000 tasks", call_tree, 30, numpy=False),
    Case("call_chain", "a chain of 100,000 delayed calls", call_chain, 30, numpy=False),
    Case("call_list", "one delayed call on a list of 8,000 delayed values", call_list, None, numpy=False),
    Case(
        "call_long_list",
        "one delayed call on a list of 100,000 delayed values (Dask's time grows faster than the list)",
        call_long_list,
        dask=False,
        numpy=False,
        max_seconds=0.6,
    ),
    Case(
        "call_build",
        "1,000,000 delayed calls made and not computed, in 250 bytes each",
        call_build,
        dask=False,
        numpy=False,
        max_seconds=1.0,
    ),
    Case("bag", "`bag.range(10**6, npartitions=100).map(inc).filter(even).sum()`", bag_sum, 3, numpy=False),
]

from interop import INTEROP  # noqa: E402

CASES += INTEROP
