"""Things that clients and tasks share by name: locks, semaphores, events, queues, variables."""

from __future__ import annotations

import pickle
import uuid

from selion.distributed.future import parse_timeout

__all__ = ["Event", "Lock", "Queue", "Semaphore", "Variable"]


class _Shared:
    def __init__(self, name: str | None = None, client=None):
        self.name = name or f"{type(self).__name__.lower()}-{uuid.uuid4().hex}"
        self._client_given = client

    @property
    def _client(self):
        from selion.distributed.client import get_client

        return self._client_given or get_client()

    def _share(self, step: str, **kwargs):
        return self._client._native.share(step, f"{type(self).__name__}/{self.name}", **kwargs)

    def __reduce__(self):
        return type(self), (self.name,)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.name}>"


class Semaphore(_Shared):
    """At most so many leases at a time, over all clients and tasks.

    Parameters
    ----------
    max_leases : int
    name : str, optional
        Semaphores of the same name are the same one.

    Examples
    --------
    >>> from selion.distributed import Client, Semaphore
    >>> with Client(n_workers=1, processes=False):
    ...     semaphore = Semaphore(1, name="door")
    ...     with semaphore:
    ...         semaphore.acquire(timeout=0.1)
    False
    """

    def __init__(self, max_leases: int = 1, name: str | None = None, client=None):
        if max_leases < 1:
            raise ValueError("max_leases must be at least 1")
        super().__init__(name, client)
        self.max_leases = max_leases

    def acquire(self, timeout: float | str | None = None) -> bool:
        """Takes a lease; False if there is none in time."""
        return self._share("acquire", count=self.max_leases, timeout=parse_timeout(timeout)) is not None

    def release(self) -> None:
        """Gives a lease back.

        Raises
        ------
        RuntimeError
            If none is out.
        """
        if not self._share("release"):
            raise RuntimeError(f"{self!r} is not acquired")

    def get_value(self) -> int:
        """How many leases are out."""
        return self._share("leases")

    def __enter__(self):
        self.acquire()
        return self

    def __exit__(self, *exc):
        self.release()

    def __reduce__(self):
        return type(self), (self.max_leases, self.name)


class Lock(_Shared):
    """A lock over all clients and tasks.

    Parameters
    ----------
    name : str, optional
        Locks of the same name are the same one.

    Examples
    --------
    >>> from selion.distributed import Client, Lock
    >>> with Client(n_workers=1, processes=False), Lock("file") as lock:
    ...     lock.locked()
    True
    """

    def acquire(self, blocking: bool = True, timeout: float | str | None = None) -> bool:
        """Takes it; False if it cannot be had in time."""
        timeout = parse_timeout(timeout) if blocking else 0.0
        return self._share("acquire", count=1, timeout=timeout) is not None

    def release(self) -> None:
        """Gives it back.

        Raises
        ------
        RuntimeError
            If it is not held.
        """
        if not self._share("release"):
            raise RuntimeError(f"{self!r} is not acquired")

    def locked(self) -> bool:
        """Whether somebody holds it."""
        return self._share("leases") > 0

    def __enter__(self):
        self.acquire()
        return self

    def __exit__(self, *exc):
        self.release()


class Event(_Shared):
    """A flag over all clients and tasks, which can be waited for.

    Examples
    --------
    >>> from selion.distributed import Client, Event
    >>> with Client(n_workers=1, processes=False):
    ...     event = Event("ready")
    ...     event.set()
    ...     event.wait(timeout=1)
    True
    """

    def wait(self, timeout: float | str | None = None) -> bool:
        """Waits until it is set; False if that takes longer."""
        return self._share("wait", timeout=parse_timeout(timeout)) is not None

    def set(self) -> None:
        """Sets it, and wakes all who wait."""
        self._share("set")

    def clear(self) -> None:
        """Clears it."""
        self._share("clear")

    def is_set(self) -> bool:
        """Whether it is set."""
        return self._share("is_set")


def _pack(value) -> bytes:
    from selion.distributed.future import Future

    # A future in it must not end with the one that put it there.
    if isinstance(value, Future):
        value.client._keep(value)
    from selion.distributed._remote import dump_arguments

    return dump_arguments(((value,), {}))


def _unpack(data: bytes):
    return pickle.loads(data)[0][0]


class Queue(_Shared):
    """A queue over all clients and tasks, of values and futures.

    Parameters
    ----------
    name : str, optional
    maxsize : int
        0 for any number of things.

    Examples
    --------
    >>> from selion.distributed import Client, Queue
    >>> with Client(n_workers=1, processes=False):
    ...     queue = Queue("work")
    ...     queue.put(1)
    ...     queue.get(timeout=1)
    1
    """

    def __init__(self, name: str | None = None, client=None, maxsize: int = 0):
        super().__init__(name, client)
        self.maxsize = maxsize

    def put(self, value, timeout: float | str | None = None) -> None:
        """Adds something; waits for room.

        Raises
        ------
        TimeoutError
            If there is none in time.
        """
        done = self._share("put", value=_pack(value), count=self.maxsize, timeout=parse_timeout(timeout))
        if done is None:
            raise TimeoutError(f"{self!r} is full")

    def get(self, timeout: float | str | None = None, batch: bool | int = False):
        """Takes the first thing, or with ``batch`` a list: so many, or all that are there.

        Raises
        ------
        TimeoutError
            If there is nothing in time.
        """
        if batch is True:
            count = self.qsize()
            return [_unpack(thing) for thing in self._share("take", count=count, timeout=0.0) or []] if count else []
        taken = []
        for _ in range(batch or 1):
            things = self._share("take", count=1, timeout=parse_timeout(timeout))
            if things is None:
                raise TimeoutError(f"{self!r} is empty")
            taken.extend(_unpack(thing) for thing in things)
        return taken if batch else taken[0]

    def qsize(self) -> int:
        """How many things are in it."""
        return self._share("size")


class Variable(_Shared):
    """A value over all clients and tasks.

    Examples
    --------
    >>> from selion.distributed import Client, Variable
    >>> with Client(n_workers=1, processes=False):
    ...     variable = Variable("x")
    ...     variable.set(123)
    ...     variable.get(timeout=1)
    123
    """

    def set(self, value, timeout=None) -> None:
        """Sets it."""
        self._share("set_variable", value=_pack(value))

    def get(self, timeout: float | str | None = None):
        """Waits until it is set; its value.

        Raises
        ------
        TimeoutError
            If that takes longer.
        """
        data = self._share("get_variable", timeout=parse_timeout(timeout))
        if data is None:
            raise TimeoutError(f"{self!r} is not set")
        return _unpack(data)

    def delete(self) -> None:
        """Forgets its value."""
        self._share("delete_variable")
