"""When which task ran, and what of the machine was used meanwhile."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections import namedtuple

from selion import _selion

__all__ = ["Profiler", "ResourceData", "ResourceProfiler", "TaskData"]

TaskData = namedtuple("TaskData", "key task start_time end_time worker_id")
TaskData.__doc__ = "One task: its key, what it does in a word, its times in seconds since the epoch, and its thread."
ResourceData = namedtuple("ResourceData", "time mem cpu")
ResourceData.__doc__ = "One look: seconds since the epoch, memory in MB, processors in percent of one."


class Profiler:
    """Notes when and on which thread each task runs.

    As a context manager it forgets what it noted before.

    Examples
    --------
    >>> import selion.array as da
    >>> from selion.diagnostics import Profiler
    >>> with Profiler() as prof:
    ...     total = da.ones(6, chunks=3).sum().compute()
    >>> first = prof.results[0]
    >>> first.task, first.start_time <= first.end_time
    (..., True)
    """

    def __init__(self):
        self._timeline = _selion.Timeline()
        self._registered = False

    @property
    def results(self) -> list[TaskData]:
        """The tasks of all computations that have ended, by the time at which they began."""
        records = sorted(self._timeline.records(), key=lambda record: record[2])
        workers: dict[int, int] = {}
        return [TaskData(*record, workers.setdefault(worker, len(workers))) for *record, worker in records]

    def register(self):
        """Note the tasks of all computations that begin from now on."""
        if not self._registered:
            self._timeline.register()
            self._registered = True

    def unregister(self):
        """Note them no longer."""
        if self._registered:
            self._timeline.unregister()
            self._registered = False

    def clear(self):
        """Forget what was noted."""
        self._timeline.clear()

    def __enter__(self):
        self.clear()
        self.register()
        return self

    def __exit__(self, *exc):
        self.unregister()

    def visualize(self, **kwargs):
        """A picture of the tasks; see `selion.diagnostics.visualize`."""
        from selion.diagnostics.plot import visualize

        return visualize(self, **kwargs)


class ResourceProfiler:
    """Notes every ``dt`` seconds how much memory and how many processors this process and those it started use.

    As a context manager it looks all the time; registered, only while something is computed.

    Parameters
    ----------
    dt : float
        Seconds between two looks.

    Notes
    -----
    Where there is no ``/proc``, what other processes use is not seen, and the memory is the most that was used so far.

    Examples
    --------
    >>> import selion.array as da
    >>> from selion.diagnostics import ResourceProfiler
    >>> with ResourceProfiler(dt=0.01) as prof:
    ...     total = da.ones(6, chunks=3).sum().compute()
    >>> prof.results[0].mem > 0
    True
    """

    def __init__(self, dt=1):
        if not dt > 0:
            raise ValueError(f"dt must be positive, got {dt}")
        self._dt = dt
        self._progress = _selion.Progress()
        self._thread = None
        self._entered = False
        self.results: list[ResourceData] = []

    def register(self):
        """Look from now on, whenever something is computed."""
        if self._thread is None:
            self._progress.register()
            self._stop = threading.Event()
            self._thread = threading.Thread(target=self._watch, daemon=True, name="selion-resources")
            self._thread.start()

    def unregister(self):
        """Look no longer."""
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._thread = None
            self._progress.unregister()

    close = unregister

    def clear(self):
        """Forget what was noted."""
        self.results = []

    def __enter__(self):
        self.clear()
        self._entered = True
        self.register()
        return self

    def __exit__(self, *exc):
        self.unregister()
        self._entered = False

    def visualize(self, **kwargs):
        """A picture of what was used; see `selion.diagnostics.visualize`."""
        from selion.diagnostics.plot import visualize

        return visualize(self, **kwargs)

    def _watch(self):
        before, last = _use()[0], time.perf_counter()
        over = False
        while not over:
            over = self._stop.wait(self._dt)
            cpu, memory = _use()
            now = time.perf_counter()
            # A process that has ended takes its time with it.
            used = sum(seconds - before.get(process, 0) for process, seconds in cpu.items())
            if self._entered or self._progress.counts()[2]:
                percent = 100 * used / max(now - last, 1e-9)
                self.results.append(ResourceData(time.time(), memory / 1e6, percent))
            before, last = cpu, now


def _use() -> tuple[dict[int, float], int]:
    """Seconds of processors that each process has used, and bytes of memory of all."""
    if not os.path.isdir("/proc/self/task"):
        times = os.times()
        return {os.getpid(): times.user + times.system}, _most_memory()
    cpu, memory = {}, 0
    tick, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    for process in _family(os.getpid()):
        with contextlib.suppress(OSError):  # it has ended
            with open(f"/proc/{process}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
            cpu[process] = (int(fields[11]) + int(fields[12])) / tick
            memory += int(fields[21]) * page
    return cpu, memory


def _family(process: int):
    """A process, and those that it has started."""
    yield process
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{process}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{process}/task/{thread}/children") as file:
                for child in file.read().split():
                    yield from _family(int(child))


def _most_memory() -> int:
    try:
        import resource
    except ImportError:
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most << 10
