"""Values to come, and waiting for them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator

from selion import _selion

__all__ = ["Future", "as_completed", "fire_and_forget", "futures_of", "wait"]


class Future(_selion.FutureHandle):
    """The value of a task, which is there when the task is done.

    Futures come from `Client.submit`, `Client.map`, `Client.scatter` and `Client.compute`. When the last future of a
    key is gone, the client no longer wants its value. Equality is identity.

    Examples
    --------
    >>> from selion.distributed import Client
    >>> with Client(n_workers=1, processes=False) as client:
    ...     future = client.submit(pow, 2, 5)
    ...     print(future.result(), future.status)
    32 finished
    """

    __slots__ = ()

    _client = None  # each client has a class of its own's futures

    @property
    def client(self):
        """The `Client` that it belongs to."""
        return self._client

    def result(self, timeout: float | str | None = None):
        """Waits for the value.

        Parameters
        ----------
        timeout : float or str, optional
            Seconds, or a text such as ``"2s"``; for ever if not given.

        Raises
        ------
        TimeoutError
            If it takes longer.
        Exception
            What the task raised, with the worker's traceback as its cause.
        CancelledError
            If it was cancelled.
        """
        if self._client.asynchronous:
            return self._async_result(timeout)
        if not self._wait(parse_timeout(timeout)):
            raise TimeoutError(f"{self.key} is not done after {timeout} s")
        return self._value()

    async def _async_result(self, timeout=None):
        await self._client._async_wait([self], 1, parse_timeout(timeout))
        return await asyncio.to_thread(self._value)

    def exception(self, timeout: float | str | None = None) -> BaseException | None:
        """Waits for the task; what it raised, or None."""
        if not self._wait(parse_timeout(timeout)):
            raise TimeoutError(f"{self.key} is not done after {timeout} s")
        return self._exception()

    def traceback(self, timeout: float | str | None = None):
        """Waits for the task; the traceback of what it raised, as text, or None."""
        error = self.exception(timeout)
        return None if error is None else str(error.__cause__ or error)

    def cancel(self, reason: str | None = None, msg: str | None = None, **kwargs) -> None:
        """Stops the task, if no one else wants its value, with all tasks that need it."""
        self._client.cancel([self], reason=reason, msg=msg, **kwargs)

    def retry(self, **kwargs) -> None:
        """Runs a failed task again."""
        self._client.retry([self], **kwargs)

    def add_done_callback(self, fn) -> None:
        """Calls ``fn(future)`` on a thread of the client when the task is done."""
        self._client._callbacks.add(self, fn)

    def __await__(self):
        return self._async_result().__await__()

    def __getstate__(self):
        return self.key

    def __reduce__(self):
        return _unpickle, (self.key, self._client.scheduler_address)

    def __repr__(self) -> str:
        return f"<Future: {self.status}, key: {self.key}>"

    def _repr_html_(self) -> str:
        import html

        color = {"finished": "#2a7", "error": "#c33", "cancelled": "#888", "lost": "#c80"}.get(self.status, "#36c")
        return (
            f'<span><b>Future: {html.escape(self._group)}</b> <span style="color:{color}"><b>status: </b>{self.status}'
            f"</span>, <b>key:</b> {html.escape(self.key)}</span>"
        )

    def __dask_tokenize__(self):
        return ("selion.distributed.Future", self.key)


def _unpickle(key: str, address: str) -> Future:
    from selion.distributed.client import get_client

    return get_client(address).get_future(key)


def parse_timeout(timeout) -> float | None:
    """Seconds of a number, a text such as ``"500 ms"``, or a `datetime.timedelta`."""
    if timeout is None or isinstance(timeout, (int, float)):
        return timeout
    if hasattr(timeout, "total_seconds"):
        return timeout.total_seconds()
    text = str(timeout).replace(" ", "").lower()
    digits = len(text) - len(text.lstrip("0123456789.e+-"))
    units = {"": 1, "s": 1, "sec": 1, "second": 1, "seconds": 1, "ms": 1e-3, "us": 1e-6, "m": 60, "min": 60}
    units |= {"minute": 60, "minutes": 60, "h": 3600, "hr": 3600, "hour": 3600, "hours": 3600, "d": 86400, "day": 86400}
    units["days"] = 86400
    try:
        return float(text[:digits]) * units[text[digits:]]
    except (ValueError, KeyError):
        raise ValueError(f"Could not interpret {timeout!r} as a time") from None


def futures_of(collection, client=None) -> list[Future]:
    """All futures in a collection or a nest of lists, tuples, sets and dicts.

    Examples
    --------
    >>> from selion.distributed import futures_of
    >>> futures_of([1, {"a": 2}])
    []
    """
    found, seen = [], set()
    stack = [collection]
    while stack:
        item = stack.pop()
        if isinstance(item, Future):
            if id(item) not in seen:
                seen.add(id(item))
                found.append(item)
        elif isinstance(item, dict):
            stack.extend(reversed(list(item.values())))
        elif isinstance(item, (list, tuple, set, frozenset)):
            stack.extend(reversed(list(item)))
    return found


class DoneAndNotDone(tuple):
    """What is done, and what is not: two sets of futures."""

    __slots__ = ()

    @property
    def done(self) -> set:
        return self[0]

    @property
    def not_done(self) -> set:
        return self[1]


def wait(fs, timeout: float | str | None = None, return_when: str = "ALL_COMPLETED") -> DoneAndNotDone:
    """Waits until all of some futures, or the first of them, are done.

    Parameters
    ----------
    fs : Future or nest of futures
    timeout : float or str, optional
        Seconds; for ever if not given.
    return_when : {"ALL_COMPLETED", "FIRST_COMPLETED"}

    Returns
    -------
    DoneAndNotDone
        Named ``done`` and ``not_done``.

    Raises
    ------
    TimeoutError
        If it takes longer.
    CancelledError
        If one of them was cancelled.

    Examples
    --------
    >>> from selion.distributed import Client, wait
    >>> with Client(n_workers=1, processes=False) as client:
    ...     done, not_done = wait(client.map(abs, [-1, -2]))
    ...     len(done), len(not_done)
    (2, 0)
    """
    futures = futures_of(fs if not isinstance(fs, Future) else [fs])
    if return_when not in ("ALL_COMPLETED", "FIRST_COMPLETED"):
        raise NotImplementedError("Only return_when='ALL_COMPLETED' and 'FIRST_COMPLETED' are supported")
    if not futures:
        return DoneAndNotDone((set(), set()))
    client = futures[0].client
    enough = len(futures) if return_when == "ALL_COMPLETED" else 1
    if client.asynchronous:
        return _async_wait(client, futures, enough, timeout)
    if not client._native.wait(futures, enough, parse_timeout(timeout)):
        raise TimeoutError(f"not done after {timeout} s")
    return _sorted_out(futures)


async def _async_wait(client, futures, enough, timeout):
    await client._async_wait(futures, enough, parse_timeout(timeout))
    return _sorted_out(futures)


def _sorted_out(futures) -> DoneAndNotDone:
    done = {future for future in futures if future.done()}
    for future in done:
        if future.status == "cancelled":
            raise future._exception()
    return DoneAndNotDone((done, set(futures) - done))


class as_completed:
    """Futures in the order in which they are done.

    Parameters
    ----------
    futures : iterable of Future, optional
        More can be added with `add` and `update`, also while iterating.
    with_results : bool
        Whether to give pairs of a future and its value.
    raise_errors : bool
        With results: whether what a task raised is raised here; else it stands in the value's place.
    timeout : float or str, optional
        Seconds for the whole of it, after which `TimeoutError` is raised.

    Examples
    --------
    >>> from selion.distributed import Client, as_completed
    >>> with Client(n_workers=1, processes=False) as client:
    ...     sorted(value for _, value in as_completed(client.map(abs, [-1, -2]), with_results=True))
    [1, 2]
    """

    def __init__(self, futures: Iterable = (), loop=None, with_results=False, raise_errors=True, *, timeout=None):
        import time

        self._done = _selion.Completions()
        self._open: dict[int, Future] = {}
        self._number = 0
        self.with_results = with_results
        self.raise_errors = raise_errors
        timeout = parse_timeout(timeout)
        self._until = None if timeout is None else time.monotonic() + timeout
        self._lock = threading.Lock()
        self.update(futures)

    def add(self, future: Future) -> None:
        """One future more."""
        with self._lock:
            self._number += 1
            self._open[self._number] = future
        future._when_done(self._done, self._number)

    def update(self, futures: Iterable) -> None:
        """More futures."""
        for future in futures:
            self.add(future)

    def count(self) -> int:
        """How many are still to come."""
        return len(self._open)

    def is_empty(self) -> bool:
        """Whether none is to come."""
        return not self._open

    def has_ready(self) -> bool:
        """Whether one is done."""
        return any(future.done() for future in self._open.values())

    def __iter__(self) -> Iterator:
        return self

    def _left(self) -> float | None:
        import time

        return None if self._until is None else max(0.0, self._until - time.monotonic())

    def _take(self):
        number = self._done.next(self._left())
        if number is None:
            raise TimeoutError("not all are done in time")
        return self._given(self._open.pop(number))

    def _given(self, future: Future):
        if not self.with_results:
            return future
        error = future._exception()
        if error is not None and self.raise_errors:
            raise error
        return future, error if error is not None else future._value()

    def __next__(self):
        if not self._open:
            raise StopIteration
        return self._take()

    next = __next__

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self._open:
            raise StopAsyncIteration
        return await asyncio.to_thread(self._take)

    def next_batch(self, block: bool = True) -> list:
        """Those that are done by now; waits for the first if ``block``."""
        batch = [next(self)] if block and self._open else []
        while self._open:
            number = self._done.next(0.0)
            if number is None:
                break
            batch.append(self._given(self._open.pop(number)))
        return batch

    def batches(self) -> Iterator[list]:
        """Lists of those that are done, as they come."""
        while self._open:
            yield self.next_batch()

    def clear(self) -> None:
        """Forgets all that are still to come."""
        self._open.clear()


_KEPT: set = set()


def fire_and_forget(obj) -> None:
    """Has tasks run to their end though nobody keeps their futures.

    Parameters
    ----------
    obj : Future or nest of futures

    Examples
    --------
    >>> from selion.distributed import Client, fire_and_forget
    >>> with Client(n_workers=1, processes=False) as client:
    ...     fire_and_forget(client.submit(abs, -1))
    """
    for future in futures_of([obj]):
        _KEPT.add(future)
        future.add_done_callback(_KEPT.discard)
