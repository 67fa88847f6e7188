"""Runs one case in one library, in a process of its own, and leaves what it measured in a folder.

    python benches/child.py LIB CASE FOLDER K CORES SPILL_FOLDER

LIB is `dask`, `selion`, `numpy`, or `bandwidth`, which measures how fast this machine reads memory. FOLDER gets
`measured.json` and `result.npz`.
"""

import contextlib
import gc
import importlib
import json
import os
import shutil
import sys
import time
from pathlib import Path
from threading import Thread

RUNS = 3  # of a case in one process, if together they take less than
ENOUGH = 3.0  # seconds


class Lib:
    """The library under test, as the cases see it."""

    def __init__(self, da, compute, get, target: Path, delayed=None, bag=None, scheduler=None):
        self.scheduler = scheduler
        self.da = da
        self.delayed = delayed
        self.bag = bag
        self.compute = compute
        self.get = get
        self.target = str(target)


class NumpyArrays:
    """NumPy with the names of a chunked array library."""

    def __init__(self):
        import numpy as np

        self.np = np

    def __getattr__(self, name):
        return getattr(self.np, name)

    def ones(self, shape, chunks):
        return self.np.ones(shape)

    def from_array(self, x, chunks):
        return x

    @property
    def random(self):
        return self

    def default_rng(self, seed):
        self.rng = self.np.random.default_rng(seed)
        return self

    def normal(self, size, chunks):
        return self.rng.normal(size=size)


def library(name: str, case, cores: int, spill: Path, target: Path, stack: contextlib.ExitStack) -> Lib:
    if name == "numpy":
        return Lib(NumpyArrays(), lambda *xs: xs, lambda x: x, target)
    if name == "selion":
        selion = importlib.import_module("selion")
        if case.through == "get":
            stack.enter_context(importlib.import_module("selion.dask").enable())
        elif case.through == "manager":
            stack.enter_context(importlib.import_module("selion.xarray").use())
        if case.through:
            dask = importlib.import_module("dask")
            da = importlib.import_module("dask.array")
            return Lib(da, dask.compute, lambda x: x.compute(), target, scheduler=selion.get)
        da, bag = importlib.import_module("selion.array"), importlib.import_module("selion.bag")
        return Lib(da, selion.compute, lambda x: x.compute(), target, selion.delayed, bag)
    import dask
    import dask.array

    if case.cluster:
        import logging

        from cases import BUDGET
        from dask.distributed import Client, LocalCluster

        options = {"n_workers": 1, "threads_per_worker": cores, "memory_limit": BUDGET, "dashboard_address": None}
        cluster = LocalCluster(local_directory=str(spill), silence_logs=logging.CRITICAL, **options)
        stack.enter_context(cluster)
        stack.enter_context(Client(cluster))
    else:
        stack.enter_context(dask.config.set(scheduler="threads", num_workers=cores))
    bag = importlib.import_module("dask.bag")
    threaded = importlib.import_module("dask.threaded")
    get = lambda dsk, keys: threaded.get(dsk, keys, num_workers=cores)  # noqa: E731
    return Lib(dask.array, dask.compute, lambda x: x.compute(), target, dask.delayed, bag, get)


def counters() -> dict[str, int]:
    """Bytes that this process has read and written so far, through system calls."""
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
        values = {k: int(v) for k, v in (line.split(": ") for line in lines)}
        return {"read": values["rchar"], "written": values["wchar"]}
    except OSError:
        return {"read": 0, "written": 0}


def forget_peak() -> None:
    """Lets the peak of memory begin anew (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak() -> int:
    """The most memory that this process has held, in bytes. `ru_maxrss` would include the parent's before `exec`."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    except (OSError, IndexError):
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def bandwidth(cores: int) -> dict:
    """Bytes per second at which all cores together read memory: dot products of one vector each with itself."""
    import numpy as np

    n = 2**25  # 256 MiB: beyond every cache
    vectors = [np.ones(n) for _ in range(cores)]
    best = float("inf")
    for _ in range(7):
        threads = [Thread(target=lambda v=v: [np.dot(p, p) for p in np.split(v, 512)]) for v in vectors]
        start = time.perf_counter()
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        best = min(best, time.perf_counter() - start)
    return {"status": "ok", "bandwidth": cores * n * 8 / best}


def measure(lib_name: str, case, folder: Path, k: int, cores: int, spill: Path) -> dict:
    import numpy as np

    target = spill / "written.zarr"
    with contextlib.ExitStack() as stack:
        try:
            lib = library(lib_name, case, cores, spill, target, stack)
        except ModuleNotFoundError as e:
            if (e.name or "").split(".")[0] == lib_name:
                return {"status": "missing", "why": str(e)}
            raise
        # The same path for all: an absolute one, so that a cluster's workers find it.
        data = os.environ["BENCH_STORE"] if case.store else case.setup(k) if case.setup else None
        run = case.run
        if lib_name == "numpy" and callable(case.numpy):
            run = lambda _lib, data, k: case.numpy(data, k)  # noqa: E731
        lib.get((lib.da.ones((8, 8), chunks=4) + 1).sum())  # threads, imports
        gc.collect()
        forget_peak()
        times = []
        while len(times) < RUNS and sum(times) < ENOUGH:
            shutil.rmtree(target, ignore_errors=True)
            result = None
            before = counters()
            start = time.perf_counter()
            result = run(lib, data, k)
            times.append(time.perf_counter() - start)
            after = counters()
        measured = {"status": "ok", "times": times, "peak": peak()}
        measured |= {key: after[key] - before[key] for key in after}
        shutil.rmtree(target, ignore_errors=True)
    parts = list(result) if isinstance(result, list | tuple) else [result]
    np.savez(folder / "result.npz", *[np.asarray(p) for p in parts])
    return measured


def main() -> None:
    lib_name, case_name, folder, k, cores, spill = sys.argv[1:]
    with contextlib.suppress(AttributeError):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(cores)])
    if lib_name == "bandwidth":
        measured = bandwidth(int(cores))
    else:
        from cases import CASES

        case = next(c for c in CASES if c.name == case_name)
        try:
            measured = measure(lib_name, case, Path(folder), int(k), int(cores), Path(spill))
        except Exception as e:
            status = "killed" if type(e).__name__ == "KilledWorker" else "error"
            measured = {"status": status, "why": f"{type(e).__name__}: {e}".splitlines()[0]}
            if status == "error":
                import traceback

                traceback.print_exc()
    Path(folder, "measured.json").write_text(json.dumps(measured))


if __name__ == "__main__":
    main()
