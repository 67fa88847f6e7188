"""Futures on a cluster: selion beside `distributed` and `frisky`, two worker processes of one thread each.

Part of `make bench`; prints a table and, after a whole run, writes `benches/CLUSTER.md`. Every case runs in a process
of its own for each library, in alternation; the best of a few counts.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).resolve().parent
TIMEOUT = 180.0  # seconds, for one run of a case


@dataclass(frozen=True)
class Case:
    """What is measured, in which unit, and what is wanted: at least so much, or at most for times."""

    name: str
    unit: str
    wanted: str


CASES = [
    Case("map", "tasks/s", "≥ 30,000"),
    Case("tree", "tasks/s", "≥ 20,000"),
    Case("chain", "tasks/s", "≥ 17,000"),
    Case("round_trip", "ms", "≤ 0.25"),
    Case("move", "s", "no slower"),
    Case("start", "s", "≤ 0.3"),
]


def inc(x):
    return x + 1


def add(x, y):
    return x + y


def ones(k):
    import numpy as np

    return np.full(25_000_000, float(k))


def last(a, b):
    return float(a[-1] + b[-1])


def case_map(client):
    started = time.perf_counter()
    values = client.gather(client.map(inc, range(10_000)))
    seconds = time.perf_counter() - started
    assert values == list(range(1, 10_001))
    return 10_000 / seconds


def case_tree(client):
    started = time.perf_counter()
    level = client.map(inc, range(4096))
    while len(level) > 1:
        level = [client.submit(add, a, b) for a, b in zip(level[::2], level[1::2], strict=True)]
    total = level[0].result()
    seconds = time.perf_counter() - started
    assert total == 4096 * 4097 // 2
    return 8191 / seconds


def case_chain(client):
    started = time.perf_counter()
    future = client.submit(inc, 0)
    for _ in range(999):
        future = client.submit(inc, future)
    value = future.result()
    seconds = time.perf_counter() - started
    assert value == 1000
    return 1000 / seconds


def case_round_trip(client):
    times = []
    for k in range(300):
        started = time.perf_counter()
        assert client.submit(inc, 1_000_000 + k).result() == 1_000_001 + k
        times.append(time.perf_counter() - started)
    return sorted(times)[len(times) // 2] * 1e3


def case_move(client):
    workers = list(client.scheduler_info()["workers"])[:2]
    parts = [client.submit(ones, k, workers=[worker]) for k, worker in enumerate(workers)]
    for part in parts:
        client.submit(len, part).result()
    started = time.perf_counter()
    assert client.submit(last, *parts).result() == 1.0
    return time.perf_counter() - started


def connect(library: str):
    """A cluster of two processes, and a client."""
    if library == "selion":
        from selion.distributed import Client

        return Client(n_workers=2, threads_per_worker=1)
    if library == "frisky":
        from frisky import Client

        return Client(n_workers=2, threads_per_worker=1)
    from distributed import Client

    return Client(n_workers=2, threads_per_worker=1, dashboard_address=None)


def child(library: str, name: str) -> None:
    """One case, in this process; prints its figure."""
    started = time.perf_counter()
    client = connect(library)
    if name == "start":
        client.submit(inc, 1).result()
        figure = time.perf_counter() - started
    else:
        client.wait_for_workers(2)
        client.gather(client.map(inc, range(-100, 0)))  # connections and imports
        figure = globals()[f"case_{name}"](client)
    print(json.dumps(figure), flush=True)
    os._exit(0)


def measure(library: str, case: Case) -> float | str:
    command = [sys.executable, str(HERE / "cluster.py"), "--child", library, case.name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return f"over {TIMEOUT:.0f} s"
    lines = done.stdout.strip().splitlines()
    try:
        return float(json.loads(lines[-1]))
    except (IndexError, ValueError):
        return (done.stderr.strip().splitlines() or ["no answer"])[-1][:60]


def best(figures: list, case: Case) -> float | str:
    numbers = [figure for figure in figures if isinstance(figure, float)]
    if not numbers:
        return figures[0]
    return max(numbers) if case.unit == "tasks/s" else min(numbers)


def text(figure: float | str | None, case: Case) -> str:
    if figure is None:
        return "–"
    if isinstance(figure, str):
        return figure
    return f"{figure:,.0f}" if case.unit == "tasks/s" else f"{figure:.3f}"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", action="append", help="run this case (may be given several times)")
    options.add_argument("--repeat", type=int, default=3)
    options.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    args = options.parse_args()
    if args.child:
        child(*args.child)
        return
    libraries = [name for name in ("selion", "distributed", "frisky") if importlib.util.find_spec(name)]
    rows = []
    for case in CASES:
        if args.only and case.name not in args.only:
            continue
        figures = {library: [] for library in libraries}
        for _ in range(args.repeat):
            for library in libraries:
                figures[library].append(measure(library, case))
        row = {library: best(found, case) for library, found in figures.items()}
        rows.append((case, row))
        print(case.name, {library: text(figure, case) for library, figure in row.items()}, flush=True)
    lines = ["| case | unit | distributed | frisky | selion | wanted |", "| --- | --- | --- | --- | --- | --- |"]
    for case, row in rows:
        cells = [text(row.get(library), case) for library in ("distributed", "frisky", "selion")]
        lines.append(f"| {case.name} | {case.unit} | {' | '.join(cells)} | {case.wanted} |")
    table = "\n".join(lines)
    print("\n" + table)
    if not args.only:
        versions = []
        for library in libraries:
            try:
                versions.append(f"{library} {version(library)}")
            except PackageNotFoundError:
                versions.append(library)
        head = (
            "# Futures on a cluster\n\n"
            f"`make bench`, {datetime.date.today()}; {', '.join(versions)}; Python {platform.python_version()}; "
            f"{os.cpu_count()} cores, two worker processes of one thread; best of {args.repeat}.\n\n"
        )
        (HERE / "CLUSTER.md").write_text(head + table + "\n")


if __name__ == "__main__":
    main()
