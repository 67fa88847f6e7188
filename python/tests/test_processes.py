"""Functions called in other processes: the same answers, arrays unchanged, and what happens when a process dies."""

import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import cloudpickle
import numpy as np
import pytest

import selion
import selion.array as da
from selion import _processes, delayed

# As for functions of a notebook: the module of these tests is not known in other processes.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


def compute(*args, **kwargs):
    return selion.compute(*args, scheduler="processes", **kwargs)


def call(function, *args, **kwargs):
    return compute(delayed(function)(*args, **kwargs))[0]


def children() -> list[int]:
    """The processes that this one has started."""
    found = []
    for entry in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid() and fields[0] != "Z":
            found.append(int(entry))
    return found


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")


def test_several_processes_take_part():
    def meet(folder, name, other):
        """Waits until the other one is there too."""
        open(os.path.join(folder, name), "w").close()
        for _ in range(2000):
            if os.path.exists(os.path.join(folder, other)):
                return os.getpid()
            time.sleep(0.01)
        raise TimeoutError

    folder = os.path.realpath(os.environ.get("TMPDIR", "/tmp"))
    names = [f"selion-meet-{os.getpid()}-{side}" for side in "ab"]
    try:
        pids = compute(*[delayed(meet)(folder, *order) for order in (names, names[::-1])], num_workers=2)
    finally:
        for name in names:
            os.unlink(os.path.join(folder, name))
    assert len({*pids, os.getpid()}) == 3


@pytest.mark.parametrize("dtype", ["u1", "f8", "c16", "M8[s]", "U3", [("a", "i4"), ("b", "f4", 3)]])
@pytest.mark.parametrize("count", [0, 1, 10, 100_003])
def test_arrays_come_through_unchanged(dtype, count):
    x = np.random.default_rng(0).bytes(count * np.dtype(dtype).itemsize)
    x = np.frombuffer(x, dtype=np.dtype(dtype) if dtype != "U3" else "u4,u4,u4")
    if dtype == "U3":
        x = x["f0"].astype("U3")
    seen, shape = call(lambda a: (a, a.shape), x)
    assert seen.dtype == x.dtype
    assert shape == x.shape
    assert seen.tobytes() == x.tobytes()


def test_layout_and_flags_of_arrays_are_kept():
    square = np.arange(250_000.0).reshape(500, 500)
    locked = square.copy()
    locked.flags.writeable = False
    for x in (square, np.asfortranarray(square), square[::2, 1::3], locked, np.array([{"a": 1}, None], dtype=object)):
        same, *flags = call(lambda a: (a, a.flags.c_contiguous, a.flags.f_contiguous, a.flags.writeable), x)
        assert np.array_equal(same, x)
        assert flags[2] is x.flags.writeable is same.flags.writeable
    assert call(lambda a: a.flags.f_contiguous, np.asfortranarray(square))


def test_what_is_given_is_not_changed_by_the_function():
    x = np.zeros(100_000)

    def fill(a):
        a[:] = 1
        return a

    assert call(fill, x).sum() == 100_000
    assert not x.any()


def test_many_results_can_be_kept():
    values = compute([delayed(np.full)(10_000, k, dtype="f8") for k in range(1500)])[0]
    assert [int(value[-1]) for value in values] == list(range(1500))


def test_arrays_and_functions_mix():
    x = da.arange(1000, chunks=300)
    blocks = [delayed(lambda block: (os.getpid(), block * 2))(block) for block in x.to_delayed()]
    y = da.concatenate([da.from_delayed(block[1], (n,), dtype=x.dtype) for block, n in zip(blocks, x.chunks[0])])  # noqa: B905
    total, pids = compute(y.sum(), [block[0] for block in blocks])
    assert total == 999_000
    assert os.getpid() not in pids


def in_another_process(block):
    assert os.getppid() == PARENT
    return block


PARENT = os.getpid()


def test_block_functions_are_called_in_other_processes():
    x = da.arange(12, chunks=5).reshape(3, 4)
    numbers = np.arange(12).reshape(3, 4)

    def place(block, block_id=None, block_info=None):
        assert block_info[0]["shape"] == (3, 4)
        return in_another_process(block) + 100 * block_id[0]

    def summed(block, axis, keepdims):
        return in_another_process(block).sum(axis=axis, keepdims=keepdims)

    def ends(rows):
        return in_another_process(rows).min(-1), rows.max(-1)

    y = x.rechunk((2, 4))
    low, high = da.apply_gufunc(ends, "(i)->(),()", y, output_dtypes=(int, int))
    cases = [
        (y.map_blocks(place, dtype=int), numbers + np.array([[0], [0], [100]])),
        (da.map_blocks(lambda a, b, c: in_another_process(a) * b + c, x, 2, x, dtype=int), numbers * 3),
        (da.blockwise(lambda a, b: in_another_process(a) @ b, "ik", x, "ij", x.T, "jk", dtype=int, concatenate=True),
         numbers @ numbers.T),
        (da.blockwise(lambda a, k: in_another_process(a) * k, "ij", y, "ij", 3, None, dtype=int), numbers * 3),
        (da.map_overlap(in_another_process, y, depth=1, boundary="none", dtype=int), numbers),
        (da.apply_along_axis(lambda row: in_another_process(row)[::-1], 1, x, dtype=int, shape=(4,)), numbers[:, ::-1]),
        (da.reduction(x, summed, summed, axis=0, dtype=int), numbers.sum(0)),
        (low, numbers.min(1)),
        (high, numbers.max(1)),
    ]  # fmt: skip
    for lazy, expected in cases:
        assert np.array_equal(compute(lazy)[0], expected)
    # NumPy's own functions stay here.
    assert np.allclose(compute(np.sin(x).std(), da.median(x, axis=0)[0]), (np.sin(numbers).std(), 4))


def test_errors_of_block_functions_in_other_processes():
    def fails(block):
        raise LookupError("no such block")

    with pytest.raises(LookupError, match="no such block") as caught:
        compute(da.ones(4, chunks=2).map_blocks(fails, dtype=float))
    assert any("in task ('fails-" in note for note in caught.value.__notes__)
    with pytest.raises(selion.ProcessPoolError, match="exit code 7") as caught:
        compute(da.ones(4, chunks=2).map_blocks(lambda block: os._exit(7), dtype=float, name="dies"))
    assert any("in task ('dies-" in note for note in caught.value.__notes__)


def test_functions_of_all_kinds():
    class Local:
        def __init__(self, n):
            self.n = n

        def double(self):
            return Local(2 * self.n)

        def __call__(self, more):
            return self.n + more

    assert call(Local(2), 3) == 5
    made = call(Local(4).double)
    assert type(made) is Local
    assert made.n == 8
    assert call(max, 3, 7) == 7
    assert call(lambda *args, **kwargs: (args, kwargs), 1, b=2) == ((1,), {"b": 2})
    large = np.arange(300_000)
    assert call(lambda k: large[k], 299_999) == 299_999
    assert delayed("a-b").split("-").compute(scheduler="processes") == ["a", "b"]


def test_a_function_is_sent_as_it_is_when_computing():
    n = 1

    def read():
        return n

    assert call(read) == 1
    n = 2
    assert call(read) == 2


def test_persist_in_other_processes():
    (x,) = selion.persist(delayed(os.getpid)(), scheduler="processes")
    assert x.compute() != os.getpid()


def test_the_setting():
    with selion.config.set(scheduler="processes"):
        assert delayed(os.getpid)().compute() != os.getpid()


def test_a_function_may_compute():
    with selion.config.set(scheduler="processes"):
        assert delayed(lambda: selion.compute(da.ones(5, chunks=2).sum())[0])().compute() == 5


def test_the_users_exception_comes_with_its_traceback():
    class Strange(Exception):
        def __init__(self, code, text):
            super().__init__(f"{code}: {text}")

    def fails(kind, *args):
        raise kind(*args) from KeyError("first")

    with pytest.raises(LookupError, match="no such thing") as caught:
        call(fails, LookupError, "no such thing")
    assert any("in task fails-" in note for note in caught.value.__notes__)
    text = str(caught.value.__cause__)
    assert "in fails" in text
    assert "raise kind(*args)" in text
    assert "KeyError: 'first'" in text
    assert __file__ in text
    with pytest.raises(RuntimeError, match="Strange: 1: odd"):
        call(fails, Strange, 1, "odd")
    with pytest.raises(SystemExit):
        call(sys.exit, 3)


def test_what_cannot_be_sent_is_named():
    lock = threading.Lock()
    for send, what in [
        (lambda: call(lambda: lock.locked()), r"the function '<lambda>'"),
        (lambda: call(id, lock), r"an argument of 'id'"),
        (lambda: call(threading.Lock), r"the result of 'allocate_lock'"),
    ]:
        with pytest.raises((TypeError, pickle.PicklingError), match=f"cannot send {what}.*lock"):
            send()
    assert call(abs, -1) == 1


@pytest.mark.parametrize(
    ("die", "how"),
    [
        (lambda: os._exit(3), "ended with exit code 3"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "was killed by SIGKILL"),
        (lambda: os.kill(os.getpid(), signal.SIGSEGV), "was killed by SIGSEGV"),
    ],
)
def test_a_process_that_dies_is_an_error(die, how):
    dying = delayed(die, name="die")(dask_key_name="dying")
    with pytest.raises(selion.ProcessPoolError, match=how) as caught:
        compute(dying, *[delayed(abs)(-k) for k in range(20)])
    assert "in task dying" in caught.value.__notes__
    assert compute([delayed(abs)(-k) for k in range(20)])[0] == list(range(20))


def test_a_process_that_died_while_idle_is_replaced():
    pid = call(os.getpid)
    os.kill(pid, signal.SIGKILL)
    for _ in range(200):
        if pid not in children():
            break
        time.sleep(0.01)
    assert call(os.getpid) != pid


def test_a_process_that_left_one_of_its_own_behind_is_seen_to_die():
    def fork_and_die():
        if os.fork() == 0:
            time.sleep(3)
            os._exit(0)
        os._exit(4)

    start = time.perf_counter()
    with pytest.raises(selion.ProcessPoolError, match="exit code 4"):
        call(fork_and_die)
    assert time.perf_counter() - start < 2


def test_retries_are_for_dead_processes_too(tmp_path):
    def dies_once(path):
        if not os.path.exists(path):
            open(path, "w").close()
            os._exit(1)
        return "lived"

    with selion.annotate(retries=1):
        value = delayed(dies_once)(str(tmp_path / "died"))
    assert compute(value) == ("lived",)


@linux
@pytest.mark.parametrize("count", [1, 4])
def test_an_interrupt_ends_what_runs(count):
    _processes._pool.close()
    before = set(children())
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    start = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        compute(*[delayed(time.sleep)(60) for _ in range(count)], num_workers=2)
    assert time.perf_counter() - start < 10
    assert set(children()) <= before
    assert call(abs, -1) == 1


@linux
def test_a_function_that_does_not_heed_interrupts_is_killed():
    def stubborn():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        time.sleep(60)

    _processes._pool.close()
    before = set(children())
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        call(stubborn)
    assert set(children()) <= before


def test_an_interrupted_function_cleans_up(tmp_path):
    def works(path):
        try:
            time.sleep(60)
        finally:
            open(path, "w").close()

    path = tmp_path / "cleaned"
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        call(works, str(path))
    assert path.exists()


@linux
def test_nothing_is_left_behind(tmp_path):
    """Not by a process that is killed while functions run, either."""
    code = """
import os, sys, time
import numpy as np
import selion
def work(a, path):
    open(path + str(os.getpid()), "w").close()
    time.sleep(60)
x = np.ones(1_000_000)
selion.compute([selion.delayed(work)(x, sys.argv[1]) for _ in range(4)], scheduler="processes", num_workers=2)
"""
    shared = set(os.listdir("/dev/shm"))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen([sys.executable, "-c", code, f"{tmp_path}/"], env=environment)
    deadline = time.monotonic() + 30
    while len(os.listdir(tmp_path)) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    working = [int(name) for name in os.listdir(tmp_path)]
    assert len(working) == 2
    parent.kill()
    parent.wait()
    while any(os.path.exists(f"/proc/{pid}/fd") and _runs(pid) for pid in working) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(_runs(pid) for pid in working)
    assert set(os.listdir("/dev/shm")) <= shared


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@linux
def test_no_descriptors_are_lost():
    call(abs, -1)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        call(np.negative, np.ones(50_000))
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before + 4


def test_idle_processes_end(monkeypatch):
    _processes._pool.close()
    monkeypatch.setattr(_processes, "IDLE_SECONDS", 0.1)
    pid = call(os.getpid)
    for _ in range(300):
        if not _runs(pid):
            break
        time.sleep(0.02)
    assert not _runs(pid)
    assert call(os.getpid) != pid


def test_what_functions_print_is_not_lost():
    code = """
import selion
selion.delayed(print)("printed").compute(scheduler="processes")
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "printed\n"
    assert done.stderr == ""
