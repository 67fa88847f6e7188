"""Futures on a cluster of real processes."""

import asyncio
import gc
import operator
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import types
from dataclasses import dataclass

import cloudpickle
import numpy as np
import pytest

import selion
from selion import _selion
from selion.distributed import (
    CancelledError,
    Client,
    Event,
    Future,
    KilledWorker,
    LocalCluster,
    Lock,
    NoValidWorkerError,
    Queue,
    Semaphore,
    Variable,
    as_completed,
    default_client,
    fire_and_forget,
    futures_of,
    get_client,
    get_worker,
    wait,
    worker_client,
)
from selion.distributed._supervisor import Supervised


def inc(x):
    return x + 1


def add(x, y):
    return x + y


def fail(x=None):
    raise ValueError(f"no {x}")


def sleep_then(seconds, value=None):
    time.sleep(seconds)
    return value


def append_line(path, line):
    with open(path, "a") as file:
        file.write(f"{line}\n")
    return line


def lines(path):
    return path.read_text().split() if path.exists() else []


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(n_workers=2, threads_per_worker=1) as cluster, Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=20)
        yield cluster


@pytest.fixture
def client(cluster):
    with Client(cluster) as client:
        yield client


@pytest.fixture
def own():
    """A cluster that may be damaged."""
    with LocalCluster(n_workers=2, threads_per_worker=1) as cluster, Client(cluster) as client:
        client.wait_for_workers(2, timeout=20)
        yield client


def test_submit_and_result(client):
    future = client.submit(inc, 1)
    assert isinstance(future, Future)
    assert future.key.startswith("inc-")
    assert future.result() == 2
    assert (future.status, future.done(), future.cancelled()) == ("finished", True, False)
    assert "finished" in repr(future)
    assert future.key in future._repr_html_()


def test_futures_in_arguments(client):
    x, y = client.submit(inc, 1), client.submit(inc, 2)
    nested = client.submit(lambda value: value, {"a": [x, (y, {"b": x})], "c": "text"})
    assert nested.result() == {"a": [2, (3, {"b": 2})], "c": "text"}
    assert client.submit(add, x, y=y).result() == 5
    assert client.submit(sorted, {x, y}).result() == [2, 3]
    assert client.submit(sum, [x, y, x]).result() == 7


def test_futures_in_other_objects_stay_futures(client):
    @dataclass
    class Box:
        inside: object

    x = client.submit(inc, 1)
    assert client.submit(lambda box: type(box.inside).__name__, Box(x)).result() == "Future"


def test_values_of_many_kinds_travel(client):
    for value in [
        None,
        True,
        3,
        2**80,
        1.5,
        float("inf"),
        "text",
        b"bytes",
        (1, "a"),
        [1],
        {"k": {1, 2}},
        np.float32(3),
    ]:
        result = client.submit(lambda x: x, value).result()
        assert result == value
        assert type(result) is type(value)
    array = np.arange(100_000.0).reshape(100, 1000)[::2, ::3]
    np.testing.assert_array_equal(client.submit(lambda x: x, array).result(), array)
    table = {"a": np.arange(50_000), "b": np.ones((3, 4), dtype="complex64")}
    back = client.submit(lambda x: x, table).result()
    np.testing.assert_array_equal(back["a"], table["a"])
    np.testing.assert_array_equal(back["b"], table["b"])


def test_equal_calls_run_once_while_they_are_wanted(client, tmp_path):
    path = tmp_path / "runs"
    first, second = client.submit(append_line, path, "x"), client.submit(append_line, path, "x")
    assert first.key == second.key
    assert first is not second
    assert first != second
    wait([first, second])
    assert lines(path) == ["x"]
    del first, second
    gc.collect()
    client.submit(append_line, path, "x").result()
    assert lines(path) == ["x", "x"]
    a = client.submit(append_line, path, "y", pure=False)
    b = client.submit(append_line, path, "y", pure=False)
    assert a.key != b.key
    wait([a, b])
    assert lines(path).count("y") == 2


def test_keys_tell_types_apart(client):
    keys = {client.submit(inc, value).key for value in (1, 1.0, True)} | {client.submit(inc, x=1).key}
    assert len(keys) == 4


def test_own_keys(client):
    x = client.submit(inc, 1, key="mine")
    assert x.key == "mine"
    assert x.result() == 2
    assert client.submit(inc, 1, key="mine").result() == 2
    with pytest.raises(ValueError, match="mine"):
        client.submit(inc, 5, key="mine")
    other = Client(client.scheduler_address, token=client.cluster.token, set_as_default=False)
    with other, pytest.raises(ValueError, match="mine"):
        other.submit(inc, 5, key="mine").result()


def test_map(client):
    futures = client.map(add, range(50), range(100))
    assert client.gather(futures) == [2 * k for k in range(50)]
    assert client.gather(client.map(add, [1, 2], y=10)) == [11, 12]
    named = client.map(inc, [1, 2], key="part")
    assert [future.key for future in named] == ["part-0", "part-1"]
    assert client.gather(client.map(inc, range(10), batch_size=3)) == list(range(1, 11))
    assert client.map(inc, []) == []


def test_gather_keeps_the_nest(client):
    x, y = client.map(inc, [1, 2])
    assert client.gather({"a": [x, (y,)], "b": 5}) == {"a": [2, (3,)], "b": 5}
    assert client.gather(x) == 2
    bad = client.submit(fail)
    with pytest.raises(ValueError, match="no None"):
        client.gather([x, bad])
    assert client.gather([x, bad, y], errors="skip") == [2, 3]
    assert client.gather({"x": x, "bad": bad}, errors="skip") == {"x": 2, "bad": None}


def test_errors_keep_class_text_and_frames(client):
    future = client.submit(fail, "way")
    with pytest.raises(ValueError, match="no way") as caught:
        future.result()
    assert "in fail" in str(caught.value.__cause__)
    assert future.status == "error"
    assert isinstance(future.exception(), ValueError)
    assert "no way" in future.traceback()
    dependent = client.submit(inc, client.submit(inc, future))
    with pytest.raises(ValueError, match="no way"):
        dependent.result()


def test_errors_that_cannot_travel(client):
    def raise_strange():
        class Strange(Exception):
            def __init__(self, a, b):
                super().__init__("strange")
                self.lock = threading.Lock()

        raise Strange(1, 2)

    with pytest.raises(Exception, match="strange"):
        client.submit(raise_strange).result()

    def leave():
        raise SystemExit(3)

    with pytest.raises(RuntimeError, match="SystemExit"):
        client.submit(leave).result()
    with pytest.raises(Exception, match="pickle"):
        client.submit(threading.Lock).result()
    assert client.submit(inc, 1).result() == 2


def test_what_cannot_be_pickled_is_named_at_once(client):
    lock = threading.Lock()
    with pytest.raises(TypeError, match="lock"):
        client.submit(lambda: lock)
    with pytest.raises(TypeError, match="argument 1"):
        client.submit(add, 1, lock)
    with pytest.raises(TypeError, match="callable"):
        client.submit(1)


def test_modules_whose_functions_travel_with_their_code(client, monkeypatch):
    module = types.ModuleType("known_here_only")
    exec("def answer():\n    return 42\n", module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with pytest.raises(ModuleNotFoundError):
        client.submit(module.answer).result()
    cloudpickle.register_pickle_by_value(module)
    try:
        assert client.submit(types.FunctionType(module.answer.__code__, module.__dict__)).result() == 42
    finally:
        cloudpickle.unregister_pickle_by_value(module)


def test_retries(client, tmp_path):
    path = tmp_path / "tries"

    def flaky(path):
        append_line(path, "x")
        if len(lines(path)) < 3:
            raise OSError("not yet")
        return "done"

    assert client.submit(flaky, path, retries=5).result() == "done"
    assert len(lines(path)) == 3


def test_retry_runs_what_failed_again(client, tmp_path):
    path = tmp_path / "door"

    def enter(path):
        if not path.exists():
            raise OSError("closed")
        return 1

    door = client.submit(enter, path)
    through = client.submit(inc, door)
    with pytest.raises(OSError, match="closed"):
        through.result()
    path.touch()
    client.retry([through])
    assert through.result(timeout=5) == 2


def test_timeouts(client):
    slow = client.submit(sleep_then, 1.0)
    with pytest.raises(TimeoutError):
        slow.result(timeout=0.05)
    with pytest.raises(TimeoutError):
        wait(slow, timeout="50 ms")
    with pytest.raises(TimeoutError, match="timeout"):
        client.submit(sleep_in_steps, 60, timeout=0.2).result(timeout=5)
    slow.result()


def sleep_in_steps(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.01)


def test_wait(client):
    fast, slow = client.submit(inc, 1), client.submit(sleep_then, 1.0, pure=False)
    done, not_done = wait([fast, slow], return_when="FIRST_COMPLETED")
    assert (done, not_done) == ({fast}, {slow})
    bad = client.submit(fail)
    assert wait([bad, slow]).done == {bad, slow}
    with pytest.raises(NotImplementedError):
        wait([fast], return_when="ANY")
    slow.cancel()
    gone = client.submit(sleep_then, 60, pure=False)
    gone.cancel()
    with pytest.raises(CancelledError):
        wait(gone, timeout=5)


def test_as_completed(client):
    slow, fast = client.submit(sleep_then, 0.5, "slow", pure=False), client.submit(sleep_then, 0.01, "fast", pure=False)
    assert [future.result() for future in as_completed([slow, fast])] == ["fast", "slow"]
    assert [value for _, value in as_completed([slow, fast, fast], with_results=True)].count("fast") == 2
    pool = as_completed(client.map(inc, [1]))
    seen = []
    for future in pool:
        seen.append(future.result())
        if len(seen) < 3:
            pool.add(client.submit(inc, seen[-1]))
    assert seen == [2, 3, 4]
    with pytest.raises(ValueError, match="no"):
        list(as_completed([client.submit(fail)], with_results=True))
    with pytest.raises(TimeoutError):
        list(as_completed([client.submit(sleep_then, 0.5, pure=False)], timeout=0.05))
    assert sum(len(batch) for batch in as_completed(client.map(inc, range(5))).batches()) == 5


def test_a_dropped_future_never_runs(client, tmp_path):
    path = tmp_path / "runs"
    busy = [client.submit(sleep_then, 0.3, pure=False) for _ in range(2)]
    dropped = client.submit(append_line, path, "dropped")
    del dropped
    gc.collect()
    wait(busy)
    client.submit(inc, 1, pure=False).result()
    assert lines(path) == []


def test_cancel(client):
    running = client.submit(sleep_in_steps, 60, pure=False)
    dependent = client.submit(inc, running)
    until(lambda: any(running.key in keys for keys in client.processing().values()))
    time.sleep(0.1)
    started = time.monotonic()
    client.cancel(running, reason="enough")
    with pytest.raises(CancelledError, match="enough"):
        running.result()
    with pytest.raises(CancelledError):
        dependent.result()
    # Its thread is free again.
    assert client.gather(client.map(sleep_then, [0.01, 0.02, 0.03, 0.04])) == [None] * 4
    assert time.monotonic() - started < 5
    again = client.submit(inc, 1000)
    again.cancel()
    assert client.submit(inc, 1000, pure=False).result() == 1001


def test_two_clients(cluster, client):
    with Client(cluster, set_as_default=False) as other:
        slow = client.submit(sleep_then, 0.5, "value", key="shared")
        until(lambda: any("shared" in keys for keys in client.processing().values()))
        theirs = other.get_future("shared")
        other.explain(theirs)  # the scheduler has heard of it
        client.cancel(slow)
        assert theirs.result(timeout=5) == "value"
        assert slow.status == "cancelled"


def test_a_client_that_leaves_wants_nothing_more(cluster, client, tmp_path):
    path = tmp_path / "runs"
    blockers = [client.submit(sleep_then, 0.4, pure=False) for _ in range(2)]
    with Client(cluster, set_as_default=False) as other:
        futures = [other.submit(append_line, path, k, pure=False) for k in range(5)]
    assert {future.status for future in futures} == {"cancelled"}
    wait(blockers)
    client.submit(inc, 1, pure=False).result()
    assert lines(path) == []


def test_fire_and_forget(client, tmp_path):
    path = tmp_path / "runs"
    fire_and_forget(client.submit(append_line, path, "x"))
    gc.collect()
    until(lambda: lines(path) == ["x"])


def test_scatter(client):
    array = np.arange(10_000.0)
    future = client.scatter(array)
    np.testing.assert_array_equal(future.result(), array)
    assert client.submit(np.sum, future).result() == array.sum()
    assert client.scatter(array).key == future.key
    assert client.scatter(array, hash=False).key != future.key
    named = client.scatter({"a": 1, "b": 2})
    assert [named["a"].key, client.gather(named)] == ["a", {"a": 1, "b": 2}]
    several = client.scatter([1, 2, 3], broadcast=True)
    assert client.gather(several) == [1, 2, 3]
    until(lambda: all(len(workers) == 2 for workers in client.who_has(several).values()))


def test_priorities_overtake(client):
    with Client(client.cluster, set_as_default=False) as client:
        blockers = [client.submit(sleep_then, 0.2, pure=False) for _ in range(2)]
        path = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"selion-priorities-{os.getpid()}")
        low = [client.submit(append_and_sleep, path, f"low{k}", 0.05, pure=False) for k in range(10)]
        high = client.submit(append_and_sleep, path, "high", 0.05, priority=10, pure=False)
        wait([*blockers, *low, high])
        with open(path) as file:
            order = file.read().split()
        os.unlink(path)
        assert order.index("high") < 2, order


def append_and_sleep(path, line, seconds):
    append_line(path, line)
    time.sleep(seconds)


def test_workers_and_resources():
    with LocalCluster(n_workers=1, threads_per_worker=2, resources={"GPU": 1}, no_workers_timeout=1.0) as cluster:
        cluster._resources = {}
        cluster.scale(2)
        with Client(cluster, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=20)
            info = client.scheduler_info()["workers"]
            (gpu,) = [address for address, worker in info.items() if worker["resources"]]
            names = {worker["name"] for worker in info.values()}
            assert names == {"0", "1"}
            places = client.gather([client.submit(address_here, pure=False, resources={"GPU": 1}) for _ in range(4)])
            assert set(places) == {gpu}
            other = next(address for address in info if address != gpu)
            assert client.submit(address_here, workers=[other], pure=False).result() == other
            assert client.submit(address_here, workers="1", pure=False).result() == other
            assert client.submit(address_here, workers="nobody", allow_other_workers=True, pure=False).result()
            impossible = client.submit(inc, 1, resources={"TPU": 1})
            assert "has not TPU=1" in client.explain(impossible)
            with pytest.raises(NoValidWorkerError, match="TPU"):
                impossible.result(timeout=10)
            with pytest.raises(NoValidWorkerError, match="nobody"):
                client.submit(inc, 2, workers="nobody").result(timeout=10)


def address_here():
    return get_worker().address


def test_what_the_scheduler_knows(client):
    big = client.submit(np.ones, 1_000_000)
    wait(big)
    assert len(client.who_has([big])[big.key]) == 1
    assert any(big.key in keys for keys in client.has_what().values())
    assert set(client.nthreads().values()) == {1}
    assert len(client.scheduler_info()["workers"]) == 2
    assert "workers" in client.get_versions(check=True)
    assert set(client.run(os.getpid).keys()) == set(client.nthreads())
    assert set(client.run(lambda dask_worker: dask_worker.nthreads).values()) == {1}
    with pytest.raises(ValueError, match="no"):
        client.run(fail)
    assert client.explain(big).startswith("done")
    assert "Client" in repr(client)
    assert "worker" in client._repr_html_()
    slow = client.submit(sleep_in_steps, 1, pure=False)
    until(lambda: any("sleep_in_steps" in str(stacks) for stacks in client.call_stack().values()))
    slow.cancel()


def test_datasets(cluster, client):
    x = client.submit(inc, 41)
    client.publish_dataset(answer=[x])
    assert client.list_datasets() == ("answer",)
    with pytest.raises(KeyError):
        client.publish_dataset(answer=1)
    with Client(cluster) as other:
        assert other.gather(other.get_dataset("answer")) == [42]
    client.unpublish_dataset("answer")
    with pytest.raises(KeyError):
        client.get_dataset("answer")
    assert client.get_dataset("answer", default=None) is None


def test_upload_file(client, tmp_path):
    (tmp_path / "uploaded_module.py").write_text("value = 17\n")
    client.upload_file(str(tmp_path / "uploaded_module.py"))

    def look():
        import uploaded_module

        return uploaded_module.value

    assert client.submit(look).result() == 17


def test_tasks_that_use_the_cluster(client):
    def total(n):
        if n == 0:
            return 0
        client = get_client()
        return n + client.submit(total, n - 1).result()

    assert client.submit(total, 6).result(timeout=20) == 21  # deeper than there are threads

    def with_worker_client():
        with worker_client() as client:
            return sum(client.gather(client.map(inc, range(5))))

    assert client.submit(with_worker_client).result(timeout=20) == 15


def test_shared_things(client):
    def step(name):
        with Lock("guard"):
            variable = Variable(name)
            value = variable.get()
            time.sleep(0.005)
            variable.set(value + 1)

    Variable("count").set(0)
    wait([client.submit(step, "count", pure=False) for _ in range(10)])
    assert Variable("count").get() == 10

    queue = Queue("results", maxsize=2)
    queue.put(client.submit(inc, 1))
    queue.put("plain")
    with pytest.raises(TimeoutError):
        queue.put("more", timeout=0.6)
    assert queue.qsize() == 2
    assert queue.get().result() == 2
    assert queue.get() == "plain"
    with pytest.raises(TimeoutError):
        queue.get(timeout=0.6)

    event = Event("go")
    waiting = client.submit(lambda: Event("go").wait(timeout=10))
    assert not event.is_set()
    event.set()
    assert waiting.result(timeout=10) is True
    event.clear()
    assert event.wait(timeout=0.6) is False

    semaphore = Semaphore(2, "pool")
    assert semaphore.acquire()
    assert semaphore.acquire()
    assert not semaphore.acquire(timeout=0.6)
    semaphore.release()
    semaphore.release()
    with pytest.raises(RuntimeError):
        semaphore.release()
    with pytest.raises(TimeoutError):
        Variable("unset").get(timeout=0.6)


def test_callbacks_and_executor(client):
    seen = Queue_()
    client.submit(inc, 1).add_done_callback(seen.append)
    until(lambda: seen and seen[0].status == "finished")
    with client.get_executor() as executor:
        assert executor.submit(inc, 1).result(timeout=5) == 2
        assert list(executor.map(inc, range(3))) == [1, 2, 3]
        with pytest.raises(ValueError, match="no"):
            executor.submit(fail).result(timeout=5)
    with pytest.raises(RuntimeError):
        executor.submit(inc, 1)


class Queue_(list):
    pass


def test_futures_are_pickled_by_key(client):
    x = client.submit(inc, 1)
    again = pickle.loads(pickle.dumps(x))
    assert again.key == x.key
    assert again.result() == 2
    assert futures_of([x, {"a": [again]}]) == [x, again]


def test_asynchronous(cluster):
    async def work():
        async with Client(cluster, asynchronous=True) as client:
            future = client.submit(inc, 1)
            assert await future == 2
            assert await client.gather(client.map(inc, range(3))) == [1, 2, 3]
            done, not_done = await wait(client.map(inc, range(3)))
            assert (len(done), len(not_done)) == (3, 0)
            seen = [future.key async for future in as_completed(client.map(inc, range(3)))]
            assert len(seen) == 3
            with pytest.raises(ValueError, match="no"):
                await client.submit(fail).result()

    asyncio.run(work())


def test_the_default_client(cluster):
    with Client(cluster) as first, Client(cluster) as second:
        assert default_client() is second
        assert get_client() is second
        with Client(cluster, set_as_default=False):
            assert Client.current() is second
        second.close()
        assert default_client() is first
        with pytest.raises(ConnectionError):
            second.submit(inc, 1)
    with pytest.raises(ValueError, match="n_workers"):
        Client(cluster.scheduler_address, n_workers=1)


def test_strangers_get_nothing(cluster):
    with pytest.raises(PermissionError):
        Client(cluster.scheduler_address, token="guess", timeout=2)
    with pytest.raises(OSError, match="no scheduler"):
        Client("tcp://127.0.0.1:1", timeout=0.2)
    with pytest.raises(ValueError, match="address"):
        Client("http://example.org", timeout=0.2)


def kill(client, address, number=signal.SIGKILL):
    pid = client.run(os.getpid, workers=[address])[address]
    os.kill(pid, number)


def test_a_killed_worker_loses_only_its_own_results(own, tmp_path):
    client, path = own, tmp_path / "runs"
    arrays = [client.submit(make, path, k, pure=False) for k in range(8)]
    wait(arrays)
    holders = client.who_has(arrays)
    (victim, _) = sorted(client.nthreads())
    lost = [future for future in arrays if holders[future.key] == (victim,)]
    assert 0 < len(lost) < 8
    kill(client, victim)
    total = client.submit(lambda arrays: sum(float(a[0]) for a in arrays), arrays)
    assert total.result(timeout=20) == sum(range(8))
    assert len(lines(path)) == 8 + len(lost)


def make(path, k):
    append_line(path, k)
    return np.full(100_000, float(k))


def test_scattered_data_is_cancelled_with_its_worker(own):
    client = own
    data = client.scatter(np.ones(100_000))
    (holder,) = client.who_has([data])[data.key]
    after = client.submit(sleep_then, 5, data)
    kill(client, holder)
    with pytest.raises(CancelledError, match="scattered"):
        after.result(timeout=20)


def test_a_task_that_kills_workers_is_named():
    with LocalCluster(n_workers=4, threads_per_worker=1) as cluster, Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(4, timeout=20)
        bystanders = [client.submit(sleep_then, 0.1, k, pure=False) for k in range(8)]
        killer = client.submit(os._exit, 7)
        with pytest.raises(KilledWorker, match="_exit"):
            killer.result(timeout=30)
        assert client.gather(bystanders) == list(range(8))


def test_a_frozen_worker_is_replaced(tmp_path):
    with LocalCluster(n_workers=2, threads_per_worker=1, worker_ttl=2.0) as cluster, Client(cluster) as client:
        client.wait_for_workers(2, timeout=20)
        arrays = [client.submit(make, tmp_path / "runs", k, pure=False) for k in range(4)]
        wait(arrays)
        (victim, _) = sorted(client.nthreads())
        kill(client, victim, signal.SIGSTOP)
        total = client.submit(lambda arrays: sum(float(a[0]) for a in arrays), arrays)
        assert total.result(timeout=30) == 6


def test_the_scheduler_dies_and_comes_back(tmp_path):
    token, path = _selion.new_token(), tmp_path / "runs"
    scheduler = _Process("run_scheduler", "127.0.0.1:0", token)
    address = scheduler.address
    workers = [_worker_process(address, token, k) for k in range(2)]
    try:
        with Client(address, token=token) as client:
            client.wait_for_workers(2, timeout=20)
            done = [client.submit(make, path, k, pure=False) for k in range(6)]
            wait(done)
            later = [client.submit(slow_make, path, 100 + k, pure=False) for k in range(6)]
            total = client.submit(lambda arrays: sum(float(a[0]) for a in arrays), done + later)
            time.sleep(0.3)
            scheduler.kill()
            scheduler = _Process("run_scheduler", address.removeprefix("tcp://"), token)
            assert total.result(timeout=30) == sum(range(6)) + sum(range(100, 106))
            assert sorted(map(int, lines(path))) == [*range(6), *range(100, 106)], "nothing ran twice"
            assert client.submit(inc, 1, pure=False).result(timeout=10) == 2
    finally:
        for process in [scheduler, *workers]:
            process.kill()


def slow_make(path, k):
    time.sleep(0.4)
    return make(path, k)


class _Process:
    def __init__(self, what, listen, token):
        code = f"from selion import _selion; _selion.{what}({listen!r}, {token!r}, lambda a, *_: print(a, flush=True))"
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; {code}"],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.address = self.process.stdout.readline().strip()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def _worker_process(address, token, number):
    process = Supervised({"scheduler": address, "token": token, "name": str(number), "nthreads": 1, "path": sys.path})
    process.kill = process.end
    return process


def test_retire_and_scale(own, tmp_path):
    client, path = own, tmp_path / "runs"
    arrays = [client.submit(make, path, k, pure=False) for k in range(6)]
    wait(arrays)
    (victim, other) = sorted(client.nthreads())
    client.retire_workers([victim])
    until(lambda: list(client.nthreads()) == [other])
    assert client.submit(lambda arrays: sum(float(a[0]) for a in arrays), arrays).result(timeout=20) == 15
    assert len(lines(path)) == 6, "nothing ran twice"
    client.cluster.scale(3)
    client.wait_for_workers(3, timeout=20)
    client.replicate(arrays)
    until(lambda: all(len(workers) == 3 for workers in client.who_has(arrays).values()))
    client.restart()
    assert {future.status for future in arrays} == {"cancelled"}
    assert client.submit(inc, 1, pure=False).result(timeout=20) == 2


def test_adapt():
    with LocalCluster(n_workers=0, threads_per_worker=1) as cluster, Client(cluster, set_as_default=False) as client:
        adaptive = cluster.adapt(minimum=0, maximum=2, interval=0.1, target_duration=0.1)
        futures = [client.submit(sleep_then, 0.2, k, pure=False) for k in range(10)]
        assert client.gather(futures) == list(range(10))
        assert 1 <= max(int(line.split()[2]) for line in adaptive.log) <= 2
        del futures
        gc.collect()
        until(lambda: len(client.nthreads()) == 0, 20)
        with pytest.raises(ValueError):
            cluster.adapt(minimum=3, maximum=1)


def test_threads_instead_of_processes():
    with Client(n_workers=1, processes=False) as client:
        assert client.gather(client.map(operator.neg, range(5))) == [0, -1, -2, -3, -4]
        assert client.submit(os.getpid).result() == os.getpid()
    assert client.status == "closed"


def test_tokens_are_left_for_this_users_processes():
    left = _selion.leave_token("secret", 54321)
    assert _selion.find_token("tcp://127.0.0.1:54321") == "secret"
    del left
    assert _selion.find_token("tcp://127.0.0.1:54321") is None
    assert selion.__version__
