"""The executor of `concurrent.futures` on a cluster."""

from __future__ import annotations

import concurrent.futures as cf
import weakref

from selion.distributed.future import parse_timeout

__all__ = ["ClientExecutor"]


class ClientExecutor(cf.Executor):
    """Submits calls through a client.

    Examples
    --------
    >>> from selion.distributed import Client
    >>> with Client(n_workers=1, processes=False) as client, client.get_executor() as executor:
    ...     list(executor.map(abs, [-1, -2])), executor.submit(pow, 2, 3).result()
    ([1, 2], 8)
    """

    def __init__(self, client, **kwargs):
        allowed = {"pure", "workers", "resources", "allow_other_workers", "retries", "priority"}
        if unknown := sorted(set(kwargs) - allowed):
            raise TypeError(f"unsupported arguments to ClientExecutor: {unknown}")
        self._client = client
        self._options = {"pure": False, **kwargs}
        self._open: weakref.WeakSet = weakref.WeakSet()
        self._shutdown = False

    def submit(self, fn, /, *args, **kwargs) -> cf.Future:
        """Has a call made on a worker; a future of `concurrent.futures`."""
        if self._shutdown:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future = self._client.submit(fn, *args, **self._options, **kwargs)
        outer = _Future(future)
        self._open.add(outer)
        outer.set_running_or_notify_cancel()
        future.add_done_callback(outer.settle)
        return outer

    def map(self, fn, *iterables, timeout=None, chunksize: int = 1):
        """Values of a function for each element, in order."""
        import time

        if self._shutdown:
            raise RuntimeError("cannot schedule new futures after shutdown")
        seconds = parse_timeout(timeout)
        until = None if seconds is None else time.monotonic() + seconds
        futures = self._client.map(fn, *iterables, **self._options)

        def values():
            for future in futures:
                left = None if until is None else max(0.0, until - time.monotonic())
                yield future.result(left)

        return values()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no more calls."""
        self._shutdown = True
        if cancel_futures:
            for future in list(self._open):
                future.cancel()
        if wait:
            cf.wait(list(self._open))


class _Future(cf.Future):
    def __init__(self, inner):
        super().__init__()
        self._inner = inner

    def settle(self, inner) -> None:
        if self.done():
            return
        error = inner._exception()
        if error is not None:
            self.set_exception(error)
        else:
            try:
                self.set_result(inner._value())
            except Exception as lost:
                self.set_exception(lost)

    def cancel(self) -> bool:
        if self.done():
            return False
        self._inner.cancel()
        return True
