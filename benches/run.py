"""`make bench`: Dask, NumPy and selion side by side, each case in processes of its own, in alternation.

Prints the table and, after a whole run, writes `benches/RESULTS.md`. This process itself stays small and idle: it
starts the children, watches their memory, and compares what they found.
"""

import argparse
import contextlib
import datetime
import hashlib
import inspect
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import psutil
from cases import BUDGET, BUDGET_PEAK, CASES, Case, make_store, store_chunks, store_shape

HERE = Path(__file__).resolve().parent
TARGET = HERE.parent / "target"
DATA = TARGET / "bench-data"
CACHE = TARGET / "bench-cache"

TIMEOUT = 240.0  # seconds, for one run of a case
SLOW = 60.0  # a case that takes longer is run once
WATCH = 0.05  # seconds between two looks at the memory of a child and its own children

GB = 1e9
MIB = 2**20


def main() -> int:
    options = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    options.add_argument("--only", metavar="CASE", action="append", help="run this case (may be given several times)")
    options.add_argument("--no-dask", action="store_true", help="take Dask's and NumPy's numbers from earlier runs")
    options.add_argument("--quick", action="store_true", help="every shape divided by four: does it work at all?")
    options.add_argument("--repeat", type=int, default=3, help="processes per case and library; the best counts")
    options.add_argument("--cores", type=int, default=2, help="cores that every library may use")
    args = options.parse_args()

    names = [c.name for c in CASES]
    for name in args.only or []:
        if name not in names:
            options.error(f"no case {name!r}; there are {', '.join(names)}")
    cases = [c for c in CASES if not args.only or c.name in args.only]
    k = 4 if args.quick else 1
    bench = Bench(k, 1 if args.quick else args.repeat, args.cores, args.no_dask)

    if os.getloadavg()[0] > 0.5:
        print(f"note: the machine is busy (load {os.getloadavg()[0]:.1f}); the numbers suffer\n", flush=True)
    rows = []
    for case in cases:
        print(f"{case.name} …", end=" ", flush=True)
        rows.append(bench.row(case))
        print(rows[-1].brief(), flush=True)

    print()
    print(plain_table(rows))
    for row in rows:
        for problem in row.problems:
            print(f"{row.case.name}: {problem}")
    if not args.quick and not args.only:
        (HERE / "RESULTS.md").write_text(report(bench, rows))
        print("\nwritten: benches/RESULTS.md")
    return 1 if any(row.wrong for row in rows) else 0


class Bench:
    """Runs cases, and remembers what Dask and NumPy took."""

    def __init__(self, k: int, repeat: int, cores: int, no_dask: bool):
        self.k, self.repeat, self.cores, self.no_dask = k, repeat, cores, no_dask
        self.spill = TARGET / "bench-spill"
        CACHE.mkdir(parents=True, exist_ok=True)
        self._bandwidth: float | None = None
        self._copy: float | None = None  # seconds that selion takes to copy the store
        self._store: Path | None = None

    def row(self, case: Case) -> "Row":
        if case.store:
            self.store()
        libs = (["dask"] if case.dask else []) + ["selion"] + (["numpy"] if case.numpy else [])
        found = {lib: Measured({"status": "none"}) for lib in libs}
        if self.no_dask:
            found |= {lib: self.recall(lib, case) for lib in libs if lib != "selion"}
            libs = ["selion"]
        for i in range(self.repeat):
            for lib in libs:
                if i == 0 or (found[lib].worth_repeating and lib != "numpy"):
                    found[lib] = found[lib].best_with(self.child(lib, case))
        for lib in libs:
            if lib != "selion" and found[lib].status != "error":
                self.remember(lib, case, found[lib])
        if case.name == "copy" and found["selion"].ok:
            self._copy = found["selion"].seconds
        if case.max_copies and found["selion"].ok and self._copy is None:
            self._copy = self.child("selion", next(c for c in CASES if c.name == "copy")).seconds
        return Row(case, found.get("dask", Measured({"status": "none"})), found.get("numpy"), found["selion"], self)

    def child(self, lib: str, case: Case | None) -> "Measured":
        """One process: its measurements, or why there are none."""
        shutil.rmtree(self.spill, ignore_errors=True)
        self.spill.mkdir(parents=True)
        env = {name: v for name, v in os.environ.items() if not name.startswith("OPENBLAS_")}
        if lib == "bandwidth":
            env["OPENBLAS_NUM_THREADS"] = "1"
        if case and case.store:
            env |= {"BENCH_STORE": str(self._store), "SELION_MEMORY_LIMIT": BUDGET}
        with tempfile.TemporaryDirectory(prefix="bench-", dir=TARGET) as folder:
            command = [sys.executable, str(HERE / "child.py"), lib, case.name if case else "-", folder]
            command += [str(self.k), str(self.cores), str(self.spill)]
            with open(CACHE / "stderr.log", "w+b") as log:
                child = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
                watch_tree = lib == "dask" and case is not None and case.cluster
                try:
                    peak, in_time = watch(child, watch_tree)
                finally:
                    end_session(child)
                log.seek(0)
                last = log.read().decode(errors="replace").strip().splitlines()[-1:]
            shutil.rmtree(self.spill, ignore_errors=True)
            file = Path(folder, "measured.json")
            if not in_time:
                return Measured({"status": "timeout", "why": f"over {TIMEOUT:.0f} s", "peak": peak})
            if not file.exists():
                why = f"ended with {child.returncode}: {' '.join(last)}"
                return Measured({"status": "killed" if child.returncode == -signal.SIGKILL else "error", "why": why})
            measured = json.loads(file.read_text())
            if watch_tree:
                measured["peak"] = max(peak, measured.get("peak", 0))
            result = None
            if (saved := Path(folder, "result.npz")).exists():
                with np.load(saved) as arrays:
                    result = [arrays[name] for name in arrays.files]
            return Measured(measured, result)

    def store(self) -> Path:
        """The store of the larger-than-memory cases, made once."""
        text = inspect.getsource(make_store) + repr((store_shape(self.k), store_chunks(self.k)))
        key = hashlib.sha256(text.encode()).hexdigest()[:8]
        path = DATA / f"store-{key}-{self.k}.zarr"
        if not path.exists():
            print("(making the store)", end=" ", flush=True)
            unfinished = path.with_suffix(".part")
            shutil.rmtree(unfinished, ignore_errors=True)
            make_store(unfinished, self.k)
            unfinished.rename(path)
        if self._store is None:
            for file in path.rglob("*"):  # the page cache is warm for all alike
                if file.is_file():
                    file.read_bytes()
        self._store = path
        return path

    def stored_bytes(self) -> int:
        return sum(f.stat().st_size for f in self.store().rglob("*") if f.is_file())

    def bandwidth(self) -> float:
        if self._bandwidth is None:
            self._bandwidth = self.child("bandwidth", None).data.get("bandwidth", float("nan"))
        return self._bandwidth

    def cached(self, lib: str, case: Case) -> Path:
        text = [case.name, case.what, inspect.getsource(case.run), self.k, self.cores, machine(), versions(False)]
        text += [store_shape(self.k), store_chunks(self.k)] if case.store else []
        key = hashlib.sha256(repr(text).encode()).hexdigest()[:16]
        return CACHE / f"{lib}-{case.name}-{key}"

    def remember(self, lib: str, case: Case, found: "Measured") -> None:
        path = self.cached(lib, case)
        path.with_suffix(".json").write_text(json.dumps(found.data))
        if found.result is not None:
            np.savez(path.with_suffix(".npz"), *found.result)

    def recall(self, lib: str, case: Case) -> "Measured":
        path = self.cached(lib, case)
        if not path.with_suffix(".json").exists():
            return Measured({"status": "none", "why": "not measured with these versions"})
        result = None
        if path.with_suffix(".npz").exists():
            with np.load(path.with_suffix(".npz")) as arrays:
                result = [arrays[name] for name in arrays.files]
        return Measured(json.loads(path.with_suffix(".json").read_text()), result)


def watch(child: subprocess.Popen, tree: bool) -> tuple[int, bool]:
    """Waits for a child; the most memory that it and its own children held together, and whether it ended in time."""
    peak, deadline = 0, time.monotonic() + TIMEOUT + 20  # what is not measured takes time too
    process = psutil.Process(child.pid)
    while True:
        try:
            child.wait(WATCH)
            return peak, True
        except subprocess.TimeoutExpired:
            pass
        if tree:
            total = 0
            try:
                for p in [process, *process.children(recursive=True)]:
                    total += p.memory_info().rss
            except psutil.Error:  # it just ended
                pass
            peak = max(peak, total)
        if time.monotonic() > deadline:
            return peak, False


def end_session(child: subprocess.Popen) -> None:
    """Ends a child with all that it started, however it ended itself."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


class Measured:
    """What one library did in one case."""

    def __init__(self, data: dict, result: list[np.ndarray] | None = None):
        self.data, self.result = data, result
        self.status: str = data["status"]

    @property
    def ok(self) -> bool:
        return self.status == "ok"

    @property
    def seconds(self) -> float:
        return min(self.data["times"]) if self.ok else float("nan")

    @property
    def worth_repeating(self) -> bool:
        return self.ok and self.seconds < SLOW

    def best_with(self, other: "Measured") -> "Measured":
        """The times of both, and the higher of the peaks; a failure stays one."""
        if not self.ok:
            return other
        if not other.ok:
            return other
        data = other.data | {"times": self.data["times"] + other.data["times"]}
        data["peak"] = max(self.data["peak"], other.data["peak"])
        return Measured(data, other.result)

    def time(self) -> str:
        if self.ok:
            return seconds(self.seconds)
        return {"timeout": f"> {TIMEOUT:.0f}", "none": "–"}.get(self.status, self.status)

    def peak(self) -> str:
        return f"{self.data['peak'] / MIB:.0f}" if self.data.get("peak") else "–"


class Row:
    """One line of the table: the numbers, and what is wrong with them."""

    def __init__(self, case: Case, dask: Measured, numpy: Measured | None, selion: Measured, bench: Bench):
        self.case, self.dask, self.numpy, self.selion = case, dask, numpy, selion
        self.problems: list[str] = []
        self.wrong = False
        self.ratio, self.wanted, self.limit, self.passes = "–", "–", "–", ""
        if case.traffic and bench.k == 1:
            self.limit = seconds(case.traffic / bench.bandwidth())
        if case.wanted:
            self.wanted = f"≥ {case.wanted:g}"
        if case.max_seconds:
            self.wanted = f"≤ {case.max_seconds:g} s"
        if case.max_copies:
            self.wanted = f"≤ {case.max_copies:g} copies"
        for name, one in [("dask", dask), ("numpy", numpy), ("selion", selion)]:
            if one and one.data.get("why") and not (name == "selion" and one.status == "missing"):
                self.problems.append(f"{name}: {one.data['why'][:160]}")
            self.wrong |= bool(one) and one.status == "error"
        self.wrong |= selion.status in ("timeout", "killed")
        self.compare()
        if selion.ok:
            self.judge(bench)

    def compare(self) -> None:
        """All that gave a result must agree with the first that did."""
        results = [(n, m.result) for n, m in [("dask", self.dask), ("numpy", self.numpy), ("selion", self.selion)] if m]
        results = [(n, r) for n, r in results if r is not None]
        for name, result in results[1:]:
            reference = results[0][1]
            same = len(result) == len(reference) and all(
                a.shape == b.shape and np.allclose(a, b, rtol=self.case.rtol, atol=0, equal_nan=True)
                for a, b in zip(result, reference, strict=True)
            )
            if not same:
                self.problems.append(f"{name}'s result differs from {results[0][0]}'s")
                self.wrong = True

    def judge(self, bench: Bench) -> None:
        case, mine = self.case, self.selion
        if self.dask.ok:
            ratio = self.dask.seconds / mine.seconds
            self.ratio = f"{ratio:.1f}" if ratio < 100 else f"{ratio:.0f}"
            if case.wanted and ratio < case.wanted:
                self.problems.append(f"{ratio:.2f} times as fast as dask, not {case.wanted:g}")
            if mine.data["peak"] > self.dask.data["peak"]:
                self.problems.append(f"more memory than dask: {mine.peak()} MiB, not {self.dask.peak()}")
        elif self.dask.status == "timeout":
            self.ratio = f"> {TIMEOUT / mine.seconds:.0f}"
        if case.max_seconds and mine.seconds > case.max_seconds:
            self.problems.append(f"takes {mine.seconds:.2f} s, not {case.max_seconds:g}")
        if case.max_copies and bench._copy:
            copies = mine.seconds / bench._copy
            self.ratio = f"{copies:.1f} copies"
            if copies > case.max_copies:
                self.problems.append(f"takes {copies:.1f} times as long as reading and writing once")
        if not case.store:
            return
        if mine.data["peak"] > BUDGET_PEAK:
            self.problems.append(f"holds {mine.peak()} MiB, not {BUDGET_PEAK // MIB}")
        stored = bench.stored_bytes()
        reads, writes = mine.data["read"] / stored, mine.data["written"] / stored
        self.passes = f"selion read {reads:.2f} times the bytes of the store, and wrote {writes:.2f} times as many"
        if case.max_reads and reads > case.max_reads:
            self.problems.append(f"reads the store {reads:.2f} times")
        if case.max_writes is not None and writes > case.max_writes:
            self.problems.append(f"writes {mine.data['written'] / MIB:.0f} MiB to disk")

    def brief(self) -> str:
        numpy = f", numpy {self.numpy.time()}" if self.numpy else ""
        return f"dask {self.dask.time()}{numpy}, selion {self.selion.time()}"

    def cells(self) -> list[str]:
        mark = "" if not self.selion.ok else " ✗" if self.problems else " ✓"
        numpy = self.numpy.time() if self.numpy else "–"
        peaks = f"{self.dask.peak()} / {self.selion.peak()}"
        return [self.dask.time(), numpy, self.selion.time(), self.ratio + mark, self.wanted, self.limit, peaks]


HEAD = ["dask s", "numpy s", "selion s", "ratio", "wanted", "limit s", "peak MiB dask / selion"]


def plain_table(rows: list[Row]) -> str:
    lines = [["case", *HEAD]] + [[r.case.name, *r.cells()] for r in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def seconds(s: float) -> str:
    return f"{s:.0f}" if s >= 100 else f"{s:.1f}" if s >= 10 else f"{s:.2f}" if s >= 1 else f"{s:.3f}"


def machine() -> str:
    model = platform.processor() or platform.machine()
    try:
        info = Path("/proc/cpuinfo").read_text()
        model = info.split("model name")[1].split(":", 1)[1].splitlines()[0].strip()
    except (OSError, IndexError):
        pass
    memory = psutil.virtual_memory().total / GB
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GB of memory, {platform.system()} {platform.machine()}"


def versions(with_selion: bool = True) -> str:
    found = [f"Python {platform.python_version()}"]
    for name in ["numpy", "dask", "distributed", "zarr"] + (["selion"] if with_selion else []):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} –")
    return ", ".join(found)


def report(bench: Bench, rows: list[Row]) -> str:
    shape, chunks = store_shape(bench.k), store_chunks(bench.k)
    out = [
        "# Results of `make bench`",
        "",
        f"{datetime.date.today().isoformat()}. {machine()}; every library keeps to {bench.cores} cores.",
        f"{versions()}. Memory is read at {bench.bandwidth() / GB:.1f} GB/s.",
        "",
        f"Seconds are the best of {bench.repeat} processes per library, run in alternation; building the graph is",
        "included, making the input is not. *ratio* is Dask's time over selion's. *limit* is the time that reading",
        "the input from memory takes, as often as it must be read. *peak* is the most memory that the process held",
        "while computing, its input included; for Dask with a cluster, that of all its processes.",
        f"The store is (time, lat, lon) = {shape}, float64, chunks {chunks}, in zarr's default codecs:",
        f"{np.prod(shape) * 8 / GB:.1f} GB, {bench.stored_bytes() / GB:.2f} GB on disk, in the page cache.",
        f"Dask has two threads, except in {', '.join(f'`{c.name}`' for c in CASES if c.cluster)}: there it keeps",
        f"to {BUDGET} by a local cluster of one worker with that limit.",
        "",
        "| case | what | " + " | ".join(HEAD) + " |",
        "| --- | --- | " + " | ".join(["---"] * len(HEAD)) + " |",
    ]
    out += [f"| {r.case.name} | {r.case.what} | " + " | ".join(r.cells()) + " |" for r in rows]
    notes = [f"- {r.case.name}: {note}" for r in rows for note in [*r.problems, *([r.passes] if r.passes else [])]]
    if notes:
        out += ["", *notes]
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    sys.exit(main())
