"""Dask's graphs on selion's threads: `selion.get`, `selion.dask.enable`."""

from __future__ import annotations

import io
import operator
import threading
import traceback

import numpy as np
import pytest

import selion
import selion.dask

dask = pytest.importorskip("dask")
dda = pytest.importorskip("dask.array")


@pytest.fixture(autouse=True)
def enabled():
    with selion.dask.enable():
        yield


def inc(x):
    return x + 1


def fail(x):
    raise ZeroDivisionError(f"of {x}")


def test_keys_nest():
    dsk = {"a": 1, "b": (inc, "a"), ("c", 0): (sum, ["a", "b"]), "alias": "b"}
    assert selion.get(dsk, "b") == 2
    assert selion.get(dsk, ["a", ["b", [("c", 0)]], [], "alias"]) == (1, (2, (3,)), (), 2)


def test_the_same_as_dask_on_graphs_written_by_hand():
    graphs = [
        {"x": 1, "y": 2, "z": (operator.add, "x", (operator.mul, "y", 10))},
        {"x": [1, 2], "y": (sum, "x"), "z": (dict, [["a", "y"], ["b", (inc, "y")]])},
        {"x": {"k": 1}, "y": (operator.getitem, "x", "k"), "z": (list, ("y", "y"))},
        {"x": "text", "y": (str.upper, "x"), "z": (operator.add, "y", "no key")},
        {1: 5, (1, 2): (inc, 1), "z": [(inc, (1, 2)), {"a": (inc, 1)}]},
        {"x": None, "z": (lambda *args: args, "x", None, True, 1.5, b"b")},
        {"x": slice(0, 2), "z": (operator.getitem, [1, 2, 3], "x")},
    ]
    for dsk in graphs:
        assert selion.get(dsk, ["z", list(dsk)]) == dask.threaded.get(dsk, ["z", list(dsk)])


def test_task_objects():
    from dask._task_spec import Alias, DataNode, Dict, List, Set, Task, TaskRef, Tuple

    a, b = TaskRef("a"), TaskRef("b")
    dsk = {
        "a": DataNode("a", 3),
        "b": Task("b", inc, a),
        "list": List(a, List(b, 7)),
        "tuple": Tuple(a, b),
        "set": Set(a, b),
        "dict": Dict({"x": a, "y": List(b)}),
        "alias": Alias("alias", "b"),
        "nested": Task("nested", sum, List(a, Task(None, inc, b)), start=b),
    }
    got = dict(zip(dsk, selion.get(dsk, list(dsk)), strict=True))
    assert got == {
        "a": 3,
        "b": 4,
        "list": [3, [4, 7]],
        "tuple": (3, 4),
        "set": {3, 4},
        "dict": {"x": 3, "y": [4]},
        "alias": 4,
        "nested": 12,
    }


def test_missing_keys():
    with pytest.raises(KeyError, match="nothing"):
        selion.get({"a": 1}, ["a", "nothing"])
    from dask._task_spec import Task, TaskRef

    with pytest.raises(KeyError, match="gone") as caught:
        selion.get({"a": Task("a", inc, TaskRef("gone"))}, "a")
    assert caught.value.__notes__ == ["task a reads it, and the graph does not have it"]


@pytest.mark.parametrize("length", [1, 2, 1000])
def test_cycles(length):
    dsk = {f"x{k}": (inc, f"x{(k + 1) % length}") for k in range(length)}
    with pytest.raises(RuntimeError, match="Cycle detected in Dask: x0->"):
        selion.get(dsk, "x0")


def test_long_chains():
    dsk = {"x0": 0} | {f"x{k}": (inc, f"x{k - 1}") for k in range(1, 50_000)}
    assert selion.get(dsk, "x49999") == 49_999


def test_errors_are_the_users():
    x = dask.delayed(inc)(dask.delayed(fail, pure=True)(7))
    with pytest.raises(ZeroDivisionError, match="of 7") as caught:
        x.compute()
    assert traceback.extract_tb(caught.tb)[-1].name == "fail"
    assert any(note.startswith("in task fail-") for note in caught.value.__notes__)


def test_unknown_keywords_have_no_effect():
    x = dda.arange(10, chunks=3).sum()
    assert x.compute(num_workers=3, rerun_exceptions_locally=False, whatever=1) == 45


def test_num_workers_bounds_what_runs_at_once():
    running, most, lock = [0], [0], threading.Lock()

    def work(k):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        threading.Event().wait(0.005)
        with lock:
            running[0] -= 1
        return k

    for workers in (1, 4):
        most[0] = 0
        tasks = [dask.delayed(work)(k) for k in range(16)]
        assert dask.compute(*tasks, num_workers=workers) == tuple(range(16))
        assert most[0] <= workers
        if workers > 1:
            assert most[0] > 1
    with dask.config.set(num_workers=1):
        most[0] = 0
        dask.compute(*tasks)
    assert most[0] == 1


def test_enable_and_disable_restore():
    selion.dask.disable()
    assert dask.config.get("scheduler", None) is None
    with dask.config.set(scheduler="sync"):
        selion.dask.enable()
        selion.dask.enable()
        assert dask.config.get("scheduler") is selion.get
        selion.dask.disable()
        assert dask.config.get("scheduler") == "sync"
        with selion.dask.enable():
            assert dask.config.get("scheduler") is selion.get
        assert dask.config.get("scheduler") == "sync"
        selion.dask.disable()
        assert dask.config.get("scheduler") == "sync"


def test_retries():
    tries = []

    def flaky():
        tries.append(1)
        if len(tries) < 3:
            raise OSError("not yet")
        return len(tries)

    with dask.annotate(retries=5):
        x = dask.delayed(flaky)()
    assert x.compute() == 3
    tries.clear()
    with dask.annotate(retries=1):
        x = dask.delayed(flaky)()
    with pytest.raises(OSError, match="not yet"):
        x.compute()


def test_priorities():
    order = []
    low = [dask.delayed(order.append)(f"low{k}") for k in range(3)]
    with dask.annotate(priority=10, resources={"GPU": 1}, workers=["a"]):
        high = dask.delayed(order.append)("high")
    dask.compute(*low, high, num_workers=1)
    assert order[0] == "high"


def test_callbacks():
    from dask.callbacks import Callback

    seen = []

    class Recorder(Callback):
        def _start(self, dsk):
            seen.append(("start", "b" in dsk))

        def _start_state(self, dsk, state):
            seen.append(("state", sorted(state["waiting"])))

        def _pretask(self, key, dsk, state):
            assert key in state["running"]
            seen.append(("before", key))

        def _posttask(self, key, result, dsk, state, worker_id):
            assert key in state["finished"]
            assert key not in state["running"]
            seen.append(("after", key, result))

        def _finish(self, dsk, state, failed):
            seen.append(("finish", failed))

    dsk = {"a": (inc, 0), "b": (inc, "a")}
    with Recorder():
        assert selion.get(dsk, "b") == 2
    before_and_after = [("before", "a"), ("after", "a", 1), ("before", "b"), ("after", "b", 2)]
    assert seen == [("start", True), ("state", ["b"]), *before_and_after, ("finish", False)]
    seen.clear()
    with Recorder(), pytest.raises(ZeroDivisionError):
        selion.get({"b": (fail, 0)}, "b")
    assert seen[-1] == ("finish", True)
    seen.clear()
    selion.get(dsk, "b")
    assert not seen


def test_an_error_of_a_callback_ends_the_computation():
    from dask.callbacks import Callback

    def refuse(key, dsk, state):
        raise InterruptedError(key)

    with Callback(pretask=refuse), pytest.raises(InterruptedError, match="b"):
        selion.get({"b": (inc, 0)}, "b")


def test_diagnostics():
    from dask.diagnostics import Profiler, ProgressBar

    x = dda.ones((8, 8), chunks=2)
    out = io.StringIO()
    with ProgressBar(out=out), Profiler() as profiler:
        assert x.sum().compute() == 64
    assert "100% Completed" in out.getvalue()
    assert len(profiler.results) > 4
    assert all(result.end_time >= result.start_time for result in profiler.results)


def test_nested_computations():
    def total(n):
        return dda.arange(n, chunks=3).sum().compute()

    assert dask.compute(*[dask.delayed(total)(n) for n in range(10)]) == tuple(sum(range(n)) for n in range(10))


def test_arrays():
    rng = np.random.default_rng(0)
    data = rng.random((50, 30))
    x = dda.from_array(data, chunks=(13, 11))
    y = (x - x.mean(axis=0)) / x.std(axis=0) + x.T[:30, :30].sum()
    np.testing.assert_allclose(y.compute(), (data - data.mean(0)) / data.std(0) + data.T[:30, :30].sum())
    np.testing.assert_array_equal(x[x > 0.5].compute(), data[data > 0.5])
    np.testing.assert_allclose(x.dot(x.T).compute(), data @ data.T)
    assert x.rechunk((7, 30)).map_blocks(lambda block: block * 2).max().compute() == data.max() * 2


def test_what_tasks_get_may_be_written_to():
    def clear(block):
        block[:] = 0
        return block

    assert (dda.ones((2000, 10), chunks=1000) * 2).map_blocks(clear).sum().compute() == 0


@pytest.mark.parametrize(
    "data",
    [
        np.array([{}, None, 3], dtype=object),
        np.array(["a", "bc"]),
        np.zeros(3, dtype=[("a", "i4"), ("b", "f8")]),
        np.ma.masked_array([1.0, 2.0, 3.0], mask=[0, 1, 0]),
        np.arange(4, dtype=">f8"),
        np.float64(3),
        np.array(5),
        np.zeros((0, 3)),
        np.array(["2001-01-01", "NaT"], dtype="datetime64[ns]"),
        np.asfortranarray(np.arange(2000.0).reshape(40, 50))[::-2],
    ],
    ids=str,
)
def test_classes_of_values_are_kept(data):
    """From one task to another and out."""
    got = selion.get({"x": (lambda: data,), "y": (lambda x: (type(x), x), "x")}, ["x", "y"])
    assert type(got[0]) is type(data)
    assert got[1][0] is type(data)
    for value in (got[0], got[1][1]):
        assert value.dtype == data.dtype
        np.testing.assert_array_equal(value, data)


def test_persist_and_store():
    x = dda.ones((6, 6), chunks=2).persist()
    assert x.sum().compute() == 36
    target = np.zeros((6, 6))
    dda.store(x * 3, target)
    assert target.sum() == 108
    dda.store(x * 2, target, compute=False).compute()
    assert target.sum() == 72


def test_bags():
    db = pytest.importorskip("dask.bag")
    bag = db.from_sequence(range(100), npartitions=7)
    assert bag.map(inc).filter(lambda x: x % 2).sum().compute() == sum(x for x in range(1, 101) if x % 2)
    assert dict(bag.foldby(lambda x: x % 3, operator.add, 0).compute()) == {k: sum(range(k, 100, 3)) for k in range(3)}
    assert bag.groupby(lambda x: x % 2).map(lambda pair: (pair[0], len(pair[1]))).compute() in (
        [(0, 50), (1, 50)],
        [(1, 50), (0, 50)],
    )


def test_data_frames():
    pd = pytest.importorskip("pandas")
    dd = pytest.importorskip("dask.dataframe", exc_type=ImportError)
    frame = pd.DataFrame({"a": np.arange(100) % 7, "b": np.arange(100.0)})
    lazy = dd.from_pandas(frame, npartitions=5)
    pd.testing.assert_series_equal(lazy.groupby("a").b.mean().compute(), frame.groupby("a").b.mean())
    assert lazy.b.sum().compute() == frame.b.sum()


def test_xarray(tmp_path):
    xr = pytest.importorskip("xarray")
    rng = np.random.default_rng(1)
    times = np.arange("2000-01-01", "2001-01-01", dtype="datetime64[D]").astype("datetime64[ns]")
    data = rng.random((len(times), 6, 4))
    plain = xr.DataArray(data, dims=("time", "y", "x"), coords={"time": times}, name="t")
    lazy = plain.chunk(time=50)
    groups = lazy.groupby("time.month")
    wanted = plain.groupby("time.month") - plain.groupby("time.month").mean()
    xr.testing.assert_allclose((groups - groups.mean()).compute(), wanted)
    xr.testing.assert_allclose(lazy.rolling(time=5).mean().load(), plain.rolling(time=5).mean())
    pytest.importorskip("zarr")
    lazy.to_dataset().to_zarr(tmp_path / "t.zarr", consolidated=False, zarr_format=2)
    again = xr.open_zarr(tmp_path / "t.zarr", consolidated=False)
    xr.testing.assert_identical(again.t.mean("time").compute(), lazy.mean("time").compute())
