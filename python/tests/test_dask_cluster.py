"""selion's collections on Dask's schedulers: its threads, and a cluster of its own."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import selion
import selion.array as da
import selion.bag as db
import selion.dask

dask = pytest.importorskip("dask")
dda = pytest.importorskip("dask.array")

DATA = np.random.default_rng(0).normal(size=(20, 30))


def inc(x):
    return x + 1


def lazy():
    return da.from_array(DATA, chunks=(6, 11))


PROGRAMS = {
    "chain": lambda x: da.sqrt(abs(x * 2 + 1)) - x / 3,
    "standardize": lambda x: ((x - x.mean(axis=0)) / x.std(axis=0)).sum(axis=1),
    "total": lambda x: x.sum(),
    "two_outputs": lambda x: da.stack([x.mean(0), x.var(0), x.max(0)]),
    "rechunk": lambda x: x.rechunk((20, 4)) + 1,
    "sort": lambda x: da.sort(x, axis=0),
    "take": lambda x: x[[3, 1, 15], ::-1],
    "map_blocks": lambda x: x.map_blocks(np.negative) * 2,
    "matmul": lambda x: x @ x.T,
    "random": lambda x: x + da.random.default_rng(0).normal(size=(20, 30), chunks=7),
    "ones": lambda x: (da.ones((400, 400), chunks=10) + 1).sum(),
    "unknown": lambda x: x[x > 0.5],
    "svd": lambda x: da.linalg.svd(x.rechunk((7, 30))[:, :5])[1],
    "nothing": lambda x: x[:0] + 1,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_arrays_on_dasks_schedulers(name):
    x = PROGRAMS[name](lazy())
    wanted = x.compute()
    got = x.compute(scheduler=dask.threaded.get)
    np.testing.assert_allclose(got, wanted, rtol=1e-12)
    assert np.asarray(got).dtype == np.asarray(wanted).dtype
    lazily = selion.dask.to_dask(x)
    assert isinstance(lazily, dda.Array)
    assert lazily.dtype == x.dtype
    np.testing.assert_array_equal(np.shape(lazily.compute(scheduler="threads")), np.shape(wanted))
    np.testing.assert_allclose((lazily + 1).compute(scheduler="sync"), wanted + 1, rtol=1e-12)


@pytest.mark.parametrize("name", PROGRAMS)
def test_arrays_are_pickled(name):
    x = PROGRAMS[name](lazy())
    again = pickle.loads(pickle.dumps(x, protocol=5))
    assert (again.dtype, again.chunks) == (x.dtype, x.chunks) or name == "unknown"
    np.testing.assert_array_equal(again.compute(), x.compute())


def test_more_pickles(tmp_path):
    kept = lazy().persist() * 2
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(kept)).compute(), DATA * 2)
    lazy().to_zarr(tmp_path / "x.zarr")
    stored = da.from_zarr(tmp_path / "x.zarr")
    assert len(pickle.dumps(stored + 1)) < 2000
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(stored)).compute(), DATA)
    x = lazy()
    for _ in range(2000):
        x = x + 1
    np.testing.assert_allclose(pickle.loads(pickle.dumps(x)).compute(), DATA + 2000)
    cloudpickle = pytest.importorskip("cloudpickle")
    doubled = lazy().map_blocks(lambda block: block * 2)
    np.testing.assert_array_equal(cloudpickle.loads(cloudpickle.dumps(doubled)).compute(), DATA * 2)


def test_from_dask():
    x = dda.from_array(DATA, chunks=(6, 11))
    y = (x - x.mean(axis=0)).rechunk((10, 10))
    taken = selion.dask.from_dask(y)
    assert isinstance(taken, da.Array)
    assert taken.chunks == y.chunks
    np.testing.assert_allclose((taken * 2).compute(), (DATA - DATA.mean(0)) * 2)
    np.testing.assert_allclose(selion.dask.from_dask(selion.dask.to_dask(lazy())).sum().compute(), DATA.sum())


def test_delayed_values_are_dasks():
    call = selion.delayed(inc)
    x = call(call(1))
    assert dask.is_dask_collection(x)
    assert not dask.is_dask_collection(lazy())
    assert dask.compute(x, {"a": [x + 1]}) == (3, {"a": [4]})
    if dask.__version__ >= "2025.4":  # before, Dask takes the attribute `optimize` of any value for its own
        assert dask.delayed(sum)([x, x, 1]).compute() == 7
    (kept,) = dask.persist(x)
    assert kept.compute() == 3
    nested = selion.delayed(lambda *args, **kwargs: (args, kwargs))([x, {"k": x}], (1, x), key=x)
    assert dask.compute(nested)[0] == (([3, {"k": 3}], (1, 3)), {"key": 3})
    assert nested.compute(scheduler=dask.threaded.get) == nested.compute()
    assert selion.delayed(x).compute(scheduler=dask.threaded.get) == 3
    blocks = lazy().to_delayed()
    total = selion.delayed(sum)([selion.delayed(np.sum)(block) for block in blocks.ravel()])
    np.testing.assert_allclose(total.compute(scheduler=dask.threaded.get), DATA.sum())


def test_errors_are_the_users():
    def fail(x):
        raise LookupError("by the user")

    with pytest.raises(LookupError, match="by the user"):
        selion.delayed(fail)(1).compute(scheduler=dask.threaded.get)
    with pytest.raises(LookupError, match="by the user"):
        lazy().map_blocks(fail, dtype=float).compute(scheduler=dask.threaded.get)


def test_bags_are_dasks():
    bag = db.range(100, npartitions=7).map(inc).filter(lambda x: x % 2)
    assert dask.is_dask_collection(bag)
    assert dask.compute(bag, bag.sum()) == (list(range(1, 101, 2)), sum(range(1, 101, 2)))
    assert bag.compute(scheduler=dask.threaded.get) == list(range(1, 101, 2))
    assert sorted(bag.frequencies().compute(scheduler=dask.threaded.get))[0] == (1, 1)


def test_a_setting_chooses_the_scheduler():
    calls = []

    def scheduler(dsk, keys, **kwargs):
        calls.append(len(dsk))
        return dask.threaded.get(dsk, keys)

    with selion.config.set(scheduler=scheduler):
        np.testing.assert_allclose(lazy().sum().compute(), DATA.sum())
        assert selion.delayed(inc)(1).compute() == 2
    assert len(calls) == 2
    assert selion.delayed(inc)(1).compute() == 2
    assert len(calls) == 2


def test_array_optimize():
    x = dda.from_array(DATA, chunks=(6, 11))
    y = ((x * 2 - x.mean(axis=0)) / 3).map_blocks(np.sort).std(axis=1)
    with dask.config.set(array_optimize=selion.dask.optimize):
        from selion.dask._optimize import run_subgraph

        graph = y.__dask_optimize__(y.__dask_graph__(), y.__dask_keys__())
        assert any(getattr(task, "func", None) is run_subgraph for task in graph.values())
        np.testing.assert_allclose(y.compute(scheduler="threads"), y.compute(scheduler="sync"))
    np.testing.assert_allclose(
        y.compute(scheduler="threads"), np.concatenate([y.blocks[k].compute() for k in range(y.numblocks[0])])
    )


@pytest.fixture(scope="module")
def client():
    distributed = pytest.importorskip("dask.distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "processes": True}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        yield client


@pytest.mark.filterwarnings("ignore")
def test_on_a_cluster(client):
    x = lazy()
    standardized = ((x - x.mean(axis=0)) / x.std(axis=0)).sum(axis=1)
    np.testing.assert_allclose(standardized.compute(scheduler=client), standardized.compute())
    many = (da.ones((500, 500), chunks=10) + 1).sum()
    assert many.compute(scheduler=client) == 500_000
    call = selion.delayed(inc)
    assert call(call(1)).compute(scheduler=client) == 3
    assert client.compute(call(2)).result() == 3
    bag = db.range(10, npartitions=3).map(str)
    assert bag.compute(scheduler=client) == [str(k) for k in range(10)]
    with selion.config.set(scheduler=client):
        assert selion.compute(many, call(4)) == (500_000, 5)
    (kept,) = client.persist([selion.dask.to_dask(x * 2)])
    np.testing.assert_allclose(kept.sum().compute(), DATA.sum() * 2)
    with dask.config.set(array_optimize=selion.dask.optimize):
        assert (dda.ones((20, 20), chunks=5) * 2 + 1).sum().compute() == 1200


def test_other_versions_are_named(monkeypatch):
    class Client:
        def run(self, function):
            return {"tcp://a:1": function(), "tcp://b:2": "0.0.9", "tcp://c:3": "none"}

        def get(self, dsk, keys):
            raise AssertionError("work has started")

    with pytest.raises(RuntimeError, match=r"there is tcp://b:2: 0\.0\.9; tcp://c:3: none"):
        lazy().sum().compute(scheduler=Client())


def test_delayed_values_and_bags_are_pickled():
    call = selion.delayed(inc)
    x = selion.delayed(sum)([call(1), call(2), [selion.delayed(5)]][:2], start=call(10))
    again = pickle.loads(pickle.dumps(x))
    assert (again.compute(), again.key) == (x.compute(), x.key)
    chain = call(0)
    for _ in range(5000):
        chain = call(chain)
    assert pickle.loads(pickle.dumps(chain)).compute() == 5001
    bag = db.range(10, npartitions=3).map(inc)
    again = pickle.loads(pickle.dumps(bag))
    assert (again.compute(), again.npartitions) == (list(range(1, 11)), 3)
    assert pickle.loads(pickle.dumps(bag.sum())).compute() == 55
    both = pickle.loads(pickle.dumps((call, call(1), lazy().to_delayed())))
    assert both[0](4).compute() == 5
    np.testing.assert_array_equal(both[2][0, 0].compute(), DATA[:6, :11])
