"""Delayed functions: against calling them, on every scheduler, and what can go wrong."""

import _thread
import operator
import os
import subprocess
import sys
import threading
import time
import traceback
from collections import namedtuple
from dataclasses import dataclass

import cloudpickle
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import selion
import selion.array as da
from selion import delayed
from selion.delayed import Delayed

SCHEDULERS = ["threads", "synchronous", "processes"]

# The module of these tests is not known in other processes.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


def inc(x):
    return x + 1


def add(x, y):
    return x + y


@st.composite
def dags(draw):
    """For each node: a function, and which nodes or numbers it takes."""
    nodes = []
    for at in range(draw(st.integers(1, 25))):
        function = draw(st.sampled_from([add, operator.sub, max]))
        source = st.integers(-5, 5).map(lambda n: ("number", n))
        if at:
            source |= st.integers(0, at - 1).map(lambda n: ("node", n))
        nodes.append((function, draw(source), draw(source), draw(st.booleans())))
    return nodes


def pick(values, source):
    kind, n = source
    return n if kind == "number" else values[n]


@given(dags(), st.sampled_from(SCHEDULERS))
@settings(max_examples=200, deadline=None)
def test_any_graph_gives_what_calling_gives(nodes, scheduler):
    lazy, eager = [], []
    for function, left, right, pure in nodes:
        lazy.append(delayed(function, pure=pure)(pick(lazy, left), pick(lazy, right)))
        eager.append(function(pick(eager, left), pick(eager, right)))
    assert list(selion.compute(*lazy, scheduler=scheduler)) == eager
    kept = selion.persist(*lazy, scheduler=scheduler)
    assert list(selion.compute(*kept)) == eager


@dataclass
class Pair:
    left: object
    right: object


@dataclass(frozen=True)
class Frozen:
    value: object


Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    "nest",
    [
        lambda x: [x, 1, [x]],
        lambda x: (x, (x, "a")),
        lambda x: {"a": x, "b": {"c": [x]}},
        lambda x: {x, 5},
        lambda x: frozenset([x]),
        lambda x: slice(0, x, None),
        lambda x: Pair(x, [x, 2]),
        lambda x: Frozen(x),
        lambda x: Point(x, y=[x]),
    ],
)
def test_containers_are_looked_into(nest):
    seen = delayed(lambda arg: arg)(nest(delayed(inc)(2))).compute()
    assert seen == nest(3)
    assert delayed(nest(delayed(inc)(2))).compute() == seen
    if not isinstance(seen, slice):
        assert selion.compute(nest(delayed(inc)(2)))[0] == seen


def test_containers_without_values_to_come_stay_the_same_object():
    given_list = [1, [2]]
    assert delayed(lambda x: x)(given_list).compute() is given_list


def test_keywords_and_names():
    call = delayed(dict)(a=delayed(inc)(1), b=2, dask_key_name="mine")
    assert call.key == "mine"
    assert call.compute() == {"a": 2, "b": 2}
    assert delayed(inc)(1).key.startswith("inc-")
    assert delayed(5, name="five").key == "five"
    assert repr(delayed(5, name="five")) == "Delayed('five')"


def test_pure_calls_are_made_once():
    calls = []
    noted = delayed(lambda x: calls.append(x) or x, pure=True)
    assert noted(3).key == noted(3).key != noted(4).key
    assert selion.compute(noted(3), noted(3), noted(4)) == (3, 3, 4)
    assert sorted(calls) == [3, 4]
    assert delayed(inc)(3).key != delayed(inc)(3).key
    with selion.config.set(delayed_pure=True):
        assert delayed(inc)(3).key == delayed(inc)(3).key


def test_attributes_items_methods_and_operators():
    x = delayed([3, 1, 2])
    assert x[0].compute() == 3
    assert x[delayed(1)].compute() == 1
    assert x.count(3).compute() == 1
    assert delayed(3 + 4j).imag.compute() == 4
    assert (2 - delayed(3)).compute() == -1
    assert (-delayed(3)).compute() == -3
    assert (2 ** delayed(3) % 5).compute() == 3
    assert divmod(delayed(7), 2).compute() == (3, 1)
    assert (delayed(3) < 4).compute() is True
    assert (delayed(3) == 4).compute() is False
    assert (x + 1).key == (x + 1).key != (x + 2).key
    with pytest.raises(AttributeError, match="_private"):
        x._private  # noqa: B018
    with pytest.raises(TypeError, match="Truth of Delayed objects is not supported"):
        bool(x)
    with pytest.raises(TypeError, match="immutable"):
        x.value = 1
    with pytest.raises(TypeError, match="immutable"):
        x[0] = 1
    with pytest.raises(TypeError, match="not iterable"):
        list(x)
    with pytest.raises(TypeError, match=r"no len\(\)"):
        len(x)


def test_decorators_with_arguments():
    @delayed(pure=True, nout=2)
    def parts(x):
        return divmod(x, 5)

    assert parts(17).key == parts(17).key
    assert [part.compute() for part in parts(17)] == [3, 2]
    inner = delayed(inc)(1)
    assert delayed(traverse=False)([inner]).compute()[0] is inner
    assert (2 - delayed(5)).compute(scheduler="processes") == -3


def test_nout():
    low, high = delayed(divmod, nout=2)(17, 5)
    assert selion.compute(low, high) == (3, 2)
    assert len(delayed(divmod, nout=2)(17, 5)) == 2
    assert list(delayed(tuple, nout=0)()) == []
    for wrong in (-1, "2", 2.0, True):
        with pytest.raises(ValueError, match="nout must be None or a non-negative integer"):
            delayed(divmod, nout=wrong)


def test_delayed_functions_of_a_class_are_methods():
    class Counter:
        start = 10

        @delayed
        def from_start(self, n):
            return self.start + n

    assert Counter().from_start(5).compute() == 15


def test_arrays_and_delayed_values_need_each_other():
    x = da.arange(12, chunks=5)
    block = delayed(lambda block: block * 2)(x.to_delayed()[1])
    y = da.from_delayed(block, (5,), dtype=x.dtype) + x[:5]
    total = delayed(np.sum)(y)
    z = da.from_delayed(delayed(np.full)((2, 3), total), (2, 3), dtype="f4") + total_of(y)
    expected = (np.arange(5, 10) * 2 + np.arange(5)).sum()
    assert selion.compute(total, y.sum(), z)[0:2] == (expected, expected)
    assert z.dtype == "f8"
    assert np.array_equal(z.compute(), np.full((2, 3), 2.0 * expected))


def total_of(y):
    return y.sum().astype("f8")


def test_an_array_of_unknown_lengths_is_an_argument_too():
    x = da.arange(10, chunks=3)
    assert delayed(list)(x[x % 3 == 1]).compute() == [1, 4, 7]


def test_from_delayed_checks_what_comes():
    with pytest.raises(TypeError, match="dtype"):
        da.from_delayed(delayed(np.ones)(3), (3,))
    with pytest.raises(ValueError, match=r"shape \[3\].*shape \[4\]"):
        da.from_delayed(delayed(np.ones)(3), (4,), dtype=float).compute()
    unknown = da.from_delayed(delayed(np.ones)(3), (np.nan,), dtype=float)
    assert unknown.compute_chunk_sizes().shape == (3,)


def touch(path, *after):
    open(path, "x").close()
    return path


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("persisted", [False, True])
def test_the_first_error_cancels_the_rest(scheduler, persisted, tmp_path):
    def fails(x):
        raise LookupError(f"no {x}")

    failing = delayed(fails)(3, dask_key_name="failing")
    after = delayed(touch)(str(tmp_path / "after"), failing)
    slow = [delayed(lambda k: time.sleep(0.02) or touch(k))(str(tmp_path / str(k))) for k in range(500)]
    lazy = selion.persist(after, *slow, scheduler=scheduler) if persisted else [after, *slow]
    for _ in range(2 if persisted else 1):
        with pytest.raises(LookupError, match="no 3") as caught:
            selion.compute(*lazy, scheduler=scheduler)
        assert caught.value.__notes__[-1] == "in task failing"
    assert not (tmp_path / "after").exists()
    assert len(list(tmp_path.iterdir())) < 400


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_retries_on_every_scheduler(scheduler, tmp_path):
    def flaky(folder):
        tries = len(os.listdir(folder))
        touch(f"{folder}/{tries}")
        if tries < 2:
            raise OSError("not yet")
        return tries

    with selion.annotate(retries=1):
        too_few = delayed(flaky)(str(tmp_path))
    with pytest.raises(OSError, match="not yet"):
        too_few.compute(scheduler=scheduler)
    assert len(os.listdir(tmp_path)) == 2
    assert delayed(flaky)(str(tmp_path)).compute(scheduler=scheduler) == 2


WORK = {
    "asleep": "[delayed(time.sleep)(20) for _ in range(5)]",
    "many": "[delayed(time.sleep)(0.05) for _ in range(1000)]",
    "native": "(da.random.default_rng(0).normal(size=(200_000, 200_000), chunks=500) ** 2).mean()",
    "blocks": "da.ones(1000, chunks=1).map_blocks(lambda block: time.sleep(0.05) or block, dtype=float)",
    "persisted": "selion.persist(delayed(time.sleep)(20))",
}


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("work", WORK)
def test_an_interrupt_is_prompt(scheduler, work):
    program = f"""if True:
        import os, signal, threading, time, selion, selion.array as da
        from selion import delayed
        work = {WORK[work]}
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        start = time.monotonic()
        try:
            selion.compute(work, scheduler="{scheduler}")
        except KeyboardInterrupt:
            print(time.monotonic() - start, selion.compute(da.ones(5, chunks=2).sum())[0], flush=True)
            os._exit(0)
    """
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    seconds, still_works = map(float, run.stdout.split())
    assert seconds < 5
    assert still_works == 5


@pytest.mark.parametrize("scheduler", ["threads", "synchronous"])
def test_the_users_exception_comes_with_its_traceback_and_the_tasks_name(scheduler):
    def fails(x):
        raise LookupError(f"no {x}")

    late = threading.Event()
    after = delayed(lambda x: late.set())(delayed(fails)(3))
    with pytest.raises(LookupError, match="no 3") as caught:
        after.compute(scheduler=scheduler)
    assert "fails" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert any("fails-" in note for note in caught.value.__notes__)
    assert not late.is_set()


def test_retries():
    tries = []

    def flaky():
        tries.append(1)
        if len(tries) < 3:
            raise OSError("not yet")
        return len(tries)

    with selion.annotate(retries=1):
        too_few = delayed(flaky)()
    with pytest.raises(OSError, match="not yet"):
        too_few.compute()
    tries.clear()
    with selion.annotate(retries=2):
        enough = delayed(flaky)()
    assert enough.compute() == 3
    assert selion.get_annotations() == {}


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_what_is_no_exception_is_not_tried_again(scheduler, tmp_path):
    def leaves(folder):
        touch(f"{folder}/{len(os.listdir(folder))}")
        raise KeyboardInterrupt

    with selion.annotate(retries=2):
        leaving = [delayed(leaves)(str(tmp_path))] + [delayed(inc)(k) for k in range(5)]
    with pytest.raises(KeyboardInterrupt):
        selion.compute(leaving, scheduler=scheduler)
    assert len(os.listdir(tmp_path)) == 1


def test_priorities():
    order = []
    with selion.annotate(priority=-1):
        last = [delayed(order.append)(0) for _ in range(3)]
    with selion.annotate(priority=5):
        first = [delayed(order.append)(1) for _ in range(3)]
    selion.compute(*last, *first, scheduler="synchronous")
    assert order == [1, 1, 1, 0, 0, 0]


def test_annotations_are_checked():
    for wrong in ({"retries": -1}, {"retries": "3"}, {"priority": 1.5}, {"resources": ["GPU"]}):
        with pytest.raises(TypeError, match=next(iter(wrong))), selion.annotate(**wrong):
            pass


def test_persist_returns_at_once_and_its_error_comes_later():
    go_on = threading.Event()
    (waits,) = selion.persist(delayed(lambda: go_on.wait(20))())
    x = delayed(inc)(waits)
    go_on.set()
    assert x.compute() == 2
    (fails,) = selion.persist(delayed(lambda: 1 / 0)())
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            delayed(inc)(fails).compute()
    (y,) = selion.persist(da.arange(10, chunks=3) + 1)
    assert y.sum().compute() == 55
    assert y.to_delayed()[1].compute().tolist() == [4, 5, 6]


def test_work_is_parallel():
    both = threading.Barrier(2, timeout=10)
    selion.compute(*[delayed(both.wait)() for _ in range(2)], num_workers=2)


def test_a_task_may_compute():
    assert delayed(lambda: delayed(inc)(1).compute() + da.ones(3).sum().compute())().compute() == 5


def test_debuggers_work_in_the_synchronous_scheduler():
    assert delayed(threading.current_thread)().compute(scheduler="synchronous") is threading.current_thread()


def test_long_chains_and_wide_calls():
    chain = 0
    for _ in range(100_000):
        chain = delayed(inc)(chain)
    assert chain.compute() == 100_000
    del chain  # must not overflow the stack either
    assert delayed(sum)([delayed(inc)(k) for k in range(20_000)]).compute() == 200_010_000


def test_mutual_recursion():
    is_even, is_odd = (delayed(lambda x: not x if isinstance(x, bool) else True) for _ in range(2))
    value = is_even(0)
    for k in range(100_000):
        value = (is_odd if k % 2 == 0 else is_even)(value)
    assert value.compute() is True


def test_tokens():
    x = np.arange(10)
    same = [
        (x, x.copy()),
        (x[::2], x[::2].copy()),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({1, 2, 3}, {3, 2, 1}),
        (inc, inc),
        (np.float64(1), np.float64(1)),
        (da.ones(5, chunks=2), da.ones(5, chunks=2)),
        (Pair(1, x), Pair(1, x)),
    ]
    different = [
        (x, x.astype("i4")),
        (x, x.reshape(2, 5)),
        (1, 1.0),
        ("1", 1),
        ([1, 2], (1, 2)),
        ([[1], 2], [1, [2]]),
        (inc, add),
        (da.ones(5, chunks=2), da.ones(5, chunks=3)),
        (None, "None"),
    ]
    for a, b in same:
        assert selion.tokenize(a) == selion.tokenize(b)
    for a, b in different:
        assert selion.tokenize(a) != selion.tokenize(b)
    loop = []
    loop.append(loop)
    assert selion.tokenize(loop) == selion.tokenize(loop)


def test_collections_are_known():
    assert selion.is_selion_collection(delayed(inc)(1))
    assert isinstance(delayed(inc), Delayed)
    assert selion.is_selion_collection(da.ones(3))
    assert not selion.is_selion_collection(3)
    assert selion.compute(1, [2, delayed(inc)(2)], "x") == (1, [2, 3], "x")
    lazy = delayed(inc)(2)
    assert selion.compute([lazy], traverse=False)[0][0] is lazy


def test_arrays_in_containers_are_computed():
    assert delayed(lambda x: x)([da.arange(4, chunks=2).sum(), delayed(inc)(2)]).compute() == [6, 3]


def test_an_interrupt_ends_it():
    done = []

    def slow(k):
        time.sleep(0.02)
        done.append(k)

    with pytest.raises(KeyboardInterrupt):
        selion.compute(delayed(_thread.interrupt_main)(), *[delayed(slow)(k) for k in range(2000)])
    assert len(done) < 2000


def test_what_one_persisted_raises_the_same_everywhere():
    wrong = da.from_delayed(delayed(np.ones)(3), (4,), dtype=float).persist()
    for _ in range(2):
        with pytest.raises(ValueError, match=r"shape \[3\]") as caught:
            wrong.compute()
        assert len(caught.value.__notes__) == 1
    (fails,) = selion.persist(delayed(lambda: 1 / 0)())
    for _ in range(2):
        with pytest.raises(ZeroDivisionError) as caught:
            fails.compute()
    assert len(caught.value.__notes__) == 1


def test_annotations_are_those_of_their_thread():
    inside, go_on = threading.Event(), threading.Event()

    def other():
        with selion.annotate(retries=5):
            inside.set()
            go_on.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(10)
    assert selion.get_annotations() == {}
    with selion.annotate(retries=1):
        go_on.set()
        thread.join()
        assert selion.get_annotations() == {"retries": 1}


def test_the_interpreter_ends_while_work_goes_on(tmp_path):
    program = """if True:
        import time, selion, selion.array as da
        selion.config.set(temporary_directory=SPILL, memory_limit="8MiB")
        x = da.random.default_rng(0).normal(size=(4000, 4000), chunks=500)
        kept = (x + x.T.rechunk((4000, 40)).rechunk((40, 4000))).sum(axis=0).persist()
        more = selion.persist(*[selion.delayed(time.sleep)(0.1) for _ in range(1000)])
        time.sleep(0.3)
    """
    start = time.monotonic()
    run = subprocess.run(
        [sys.executable, "-c", program.replace("SPILL", repr(str(tmp_path)))],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, b"")
    assert time.monotonic() - start < 30  # 1000 sleeps on two threads would take 50
    assert list(tmp_path.iterdir()) == []
