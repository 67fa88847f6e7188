"""Computing: nests, persisting, errors, schedulers, settings, interrupts, and memory that is too small."""

import dataclasses
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

import selion
import selion.array as da


class Failing:
    """Storage whose blocks cannot all be read."""

    shape, dtype, ndim = (6,), np.dtype("f8"), 1

    def __init__(self, error):
        self.error = error

    def __getitem__(self, index):
        if index[0].start >= 4:
            raise self.error
        return np.zeros(self.shape)[index]


@dataclasses.dataclass
class Record:
    total: object
    label: str


Pair = namedtuple("Pair", "a b")


def test_nests_keep_their_types():
    x = da.arange(6, chunks=2)
    (out,) = selion.compute({"a": [x.sum(), 1], "b": (x.max(), {"c": x + 1}), "d": Pair(x.min(), "text")})
    assert out["a"] == [15, 1]
    assert out["b"][0] == 5
    np.testing.assert_array_equal(out["b"][1]["c"], np.arange(1, 7))
    assert out["d"] == Pair(0, "text")
    (record,) = selion.compute(Record(x.sum(), "sum"))
    assert record == Record(15, "sum")
    assert selion.compute() == ()
    assert selion.compute(1, "a", None) == (1, "a", None)


def test_without_traversal_containers_stay():
    x = da.arange(6, chunks=2)
    nest, total = selion.compute([x], x.sum(), traverse=False)
    assert nest[0] is x
    assert total == 15


def test_results_belong_to_the_caller():
    source = np.arange(6.0)
    x = da.from_array(source, chunks=3)
    a, b = selion.compute(x, x)
    a[0] = 100
    assert source[0] == 0
    assert b[0] == 0
    assert da.ones(3).compute().flags.writeable
    assert isinstance(x.sum().compute(), np.float64)


def test_persist_computes_once():
    reads = []

    class Counting:
        shape, dtype, ndim = (6,), np.dtype("f8"), 1

        def __getitem__(self, index):
            reads.append(index)
            return np.arange(6.0)[index]

    x = (da.from_array(Counting(), chunks=3) + 1).persist()
    assert x.sum().compute() == 21
    np.testing.assert_array_equal(x.compute(), np.arange(1.0, 7.0))
    assert len(reads) == 2
    assert x.chunks == ((3, 3),)
    (nest,) = selion.persist({"x": [x * 2]})
    assert nest["x"][0].sum().compute() == 42


@pytest.mark.parametrize("scheduler", ["threads", "synchronous"])
@pytest.mark.parametrize("error", [ZeroDivisionError("by what?"), KeyError("key"), StopIteration("stop")])
def test_errors_come_through_with_the_task(error, scheduler):
    x = da.from_array(Failing(error), chunks=2) + 1
    with pytest.raises(type(error)) as caught:
        x.compute(scheduler=scheduler)
    assert caught.value is error
    assert any("in task" in note for note in caught.value.__notes__)
    error.__notes__.clear()


def test_errors_leave_the_scheduler_usable():
    x = da.from_array(Failing(RuntimeError("broken")), chunks=2)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="broken"):
            x.sum().compute()
    assert da.ones(100, chunks=10).sum().compute() == 100


def test_negative_integer_powers():
    with pytest.raises(ValueError, match="Integers to negative integer powers are not allowed"):
        (da.arange(4, chunks=2) ** da.from_array(np.array([1, 2, -1, 0]), chunks=2)).compute()


def test_schedulers_agree():
    x = da.random.default_rng(0).normal(size=(300, 200), chunks=(37, 53))
    y = (x - x.mean(axis=0)).std(axis=1)
    want = y.compute(scheduler="synchronous")
    np.testing.assert_array_equal(y.compute(), want)
    np.testing.assert_array_equal(y.compute(num_workers=3), want)
    with selion.config.set(scheduler="synchronous"):
        np.testing.assert_array_equal(y.compute(), want)
    with pytest.raises(ValueError, match="nonsense"):
        y.compute(scheduler="nonsense")


def test_settings():
    before = selion.config.get("memory_limit", None)
    with selion.config.set({"memory_limit": "512MiB"}, array__chunk_size="1MiB"):
        assert selion.config.get("memory_limit") == 2**29
        assert da.ones((1000, 1000)).npartitions > 1
    assert selion.config.get("memory_limit", None) == before
    assert da.ones((1000, 1000)).npartitions == 1
    assert {"memory_limit", "scheduler"} <= {name for name, _, _ in selion.config.describe()}


def test_unknown_settings_suggest_the_nearest():
    with pytest.raises(KeyError, match="memory_limit"):
        selion.config.get("memory_limits")
    with pytest.raises(KeyError, match="scheduler"):
        selion.config.set({"memory_limit": "1GiB", "shceduler": "threads"})
    assert selion.config.get("memory_limits", 7) == 7
    with pytest.raises(ValueError, match="memory_limit"):
        selion.config.set({"memory_limit": "much"})


def run(code, folder, **environment):
    """A Python process that runs ``code``, with values spilled to ``folder``."""
    paths = os.pathsep.join([str(Path(selion.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths, "SELION_TEMPORARY_DIRECTORY": str(folder), **environment}
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_an_interrupt_stops_within_a_second(tmp_path):
    process = run(
        """
        import time
        import selion.array as da
        x = da.random.default_rng(0).normal(size=(40_000, 500), chunks=(2000, 500)).persist()
        y = da.random.default_rng(1).normal(size=(40_000, 40_000), chunks=(40_000, 50))
        for _ in range(10):
            y = da.sin(y - x.rechunk((40_000, 50)).mean())
        print("ready", flush=True)
        try:
            y.std().compute()
        except KeyboardInterrupt:
            print("interrupted", flush=True)
            print(da.ones(10, chunks=3).sum().compute(), flush=True)
        """,
        tmp_path,
        SELION_MEMORY_LIMIT="64MiB",
    )
    assert process.stdout.readline() == "ready\n"
    deadline = time.monotonic() + 20
    while not any(tmp_path.glob("*/*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "interrupted\n"
    assert time.monotonic() - start < 1
    # Not communicate(), which would lose what readline() has read ahead.
    with process:
        out, err = process.stdout.read(), process.stderr.read()
    assert process.returncode == 0, err
    assert out.strip() == "10.0"
    assert list(tmp_path.iterdir()) == []


def test_too_little_memory_is_spilled(tmp_path):
    process = run(
        """
        import os, threading, time
        import selion.array as da
        seen, done = set(), threading.Event()

        def watch():
            while not done.wait(0.001):
                for folder, _, files in os.walk(os.environ["SELION_TEMPORARY_DIRECTORY"]):
                    seen.update(files)

        thread = threading.Thread(target=watch)
        thread.start()
        x = da.random.default_rng(0).integers(0, 100, size=(2000, 2000), chunks=(100, 2000))
        y = x.persist().rechunk((2000, 100))
        spilled = (y - y.min(axis=0)).sum().compute()
        done.set()
        thread.join()
        print(spilled, (x - x.min(axis=0)).sum().compute(scheduler="synchronous"), len(seen))
        """,
        tmp_path,
        SELION_MEMORY_LIMIT="8MiB",
    )
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    spilled, whole, files = map(int, out.split())
    assert spilled == whole
    assert files > 0
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_in_the_temporary_folder():
    mine = f"selion-spill-{os.getpid()}-"
    da.ones((100, 100), chunks=10).rechunk((100, 1)).sum().compute()
    assert all(not any(p.iterdir()) for p in Path(tempfile.gettempdir()).glob(mine + "*"))


def test_values_of_other_kinds_are_refused():
    x = da.ones(3)
    with pytest.raises(TypeError):
        len(x.sum())
    with pytest.raises(ValueError, match="ambiguous"):
        bool(x)
    with pytest.raises(TypeError):
        float(x)
    assert float(x.sum()) == 3.0
    assert int(x.sum()) == 3
    assert np.asarray(x).sum() == 3
    with pytest.raises(TypeError):
        da.from_array(np.array(["a"]))
