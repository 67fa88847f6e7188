"""selion's threads as an executor of `concurrent.futures`."""

from __future__ import annotations

import os
import threading
from collections import deque
from concurrent.futures import Executor, Future

from selion.delayed import delayed

__all__ = ["ThreadExecutor"]


class ThreadExecutor(Executor):
    """Runs calls in the background, beside the other work of selion and within its memory budget.

    Parameters
    ----------
    max_workers : int, optional
        Calls that run at once; one per core by default.

    Examples
    --------
    >>> from selion.futures import ThreadExecutor
    >>> with ThreadExecutor() as executor:
    ...     list(executor.map(pow, [2, 3], [5, 2]))
    [32, 9]
    """

    def __init__(self, max_workers: int | None = None):
        if max_workers is not None and max_workers < 1:
            raise ValueError("max_workers must be greater than 0")
        self._max_workers = max_workers or len(os.sched_getaffinity(0))
        self._lock = threading.Condition()
        self._waiting: deque = deque()
        self._running: dict = {}
        self._closed = False

    def submit(self, fn, /, *args, **kwargs) -> Future:
        """The result to come of a call."""
        future: Future = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._waiting.append((future, fn, args, kwargs))
        self._start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no more calls; waits for those there are."""
        with self._lock:
            self._closed = True
            cancelled = list(self._waiting) if cancel_futures else []
            if cancel_futures:
                self._waiting.clear()
        for future, *_ in cancelled:
            future.cancel()
        with self._lock:
            while wait and (self._waiting or self._running):
                self._lock.wait()

    def _start(self) -> None:
        while True:
            with self._lock:
                if not self._waiting or len(self._running) >= self._max_workers:
                    return
                future, fn, args, kwargs = self._waiting.popleft()
                self._running[future] = None
            if not future.set_running_or_notify_cancel():
                self._ended(future)
                continue
            call = delayed(self._call, pure=False, traverse=False)
            kept = call(_Whole((future, fn, args, kwargs))).persist()
            with self._lock:
                if future in self._running:
                    self._running[future] = kept

    def _call(self, whole: _Whole) -> None:
        future, fn, args, kwargs = whole.call
        try:
            result = fn(*args, **kwargs)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)
        finally:
            self._ended(future)
            self._start()

    def _ended(self, future: Future) -> None:
        with self._lock:
            self._running.pop(future, None)
            self._lock.notify_all()


class _Whole:
    """A call that is not looked into: what is lazy in its arguments stays so."""

    __slots__ = ("call",)

    def __init__(self, call: tuple):
        self.call = call
