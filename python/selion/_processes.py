"""Functions called in other processes, for those that hold the GIL: ``compute(scheduler="processes")``.

The tasks of a graph run on the threads of this process as ever; one that calls a Python function sends it to a process
that has nothing to do, and waits. So there are at most as many processes as threads. They are started when they are
needed, serve all computations, and end when they were idle for a while, or with this process. A process whose function
is not wanted any more is interrupted, then killed.
"""

from __future__ import annotations

import atexit
import hashlib
import operator
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time

from selion._messages import Channel, RemoteTraceback, pack

__all__ = ["ProcessPoolError", "RemoteTraceback", "Session"]

IDLE_SECONDS = 60.0
"""After which a process is ended."""
GRACE_SECONDS = 1.0
"""Between interrupting a function and killing its process."""
LOOK_SECONDS = 0.05
"""How often a waiting thread looks whether its task is still wanted."""
_KNOWN_MAX = 500  # functions that a process remembers
_CODE_MAX_BYTES = 1 << 20  # of a function that is remembered
_HERE = [operator.getitem, getattr]  # less work than sending their arguments
_START = "import sys; sys.path[:] = sys.argv[2:]; from selion._child import serve; serve(int(sys.argv[1]))"


def called_here(function):
    """Have a function called in this process whatever the scheduler, since what it gives is this one's."""
    _HERE.append(function)
    return function


class ProcessPoolError(RuntimeError):
    """A process died while it called a function."""


class _NotWanted(Exception):
    """The result of a task is not wanted any more."""


class Session:
    """Calls the functions of one graph. Each of them is pickled once."""

    def __init__(self):
        if os.name != "posix":
            raise NotImplementedError('scheduler="processes" needs Unix sockets; use "threads"')
        self._functions: dict = {}
        self._path = tuple(sys.path)

    def call(self, name: str, function, args: tuple, kwargs: dict, cancelled):
        """The result of a function called in another process.

        Parameters
        ----------
        name : str
            What the function is called in errors.
        cancelled : callable
            Tells whether the result is no longer wanted.

        Raises
        ------
        Exception
            What the function raised, with a `RemoteTraceback` as its cause.
        ProcessPoolError
            If the process died.
        TypeError, pickle.PicklingError
            If the function, an argument or the result cannot be sent.
        """
        if any(function is other for other in _HERE):
            return function(*args, **kwargs)
        token, code = self._function(name, function)
        body, buffers = _packed(f"an argument of {name!r}", (None if token else function, args, kwargs))
        body, buffers = self._ask((name, token, code, self._path), body, buffers, cancelled)
        try:
            good, value = pickle.loads(body, buffers=buffers)
        except Exception as error:
            raise TypeError(f"cannot receive what {name!r} gave in another process: {error}") from error
        if good:
            return value
        error, text = value
        error.__cause__ = RemoteTraceback(text)
        raise error

    def _ask(self, what, body: bytes, buffers: list, cancelled) -> tuple[bytearray, list]:
        while True:
            child = _pool.take()
            try:
                reply = child.ask(what, body, buffers, cancelled)
            except (EOFError, ConnectionError) as lost:
                end = child.end()
                # One that died while it was idle has left the request unread; then nothing was called.
                if isinstance(lost, EOFError) or not child.idle_since:
                    raise ProcessPoolError(f"the process that called {what[0]!r} {end}") from None
            except BaseException:
                child.interrupt()
                raise
            else:
                _pool.give(child)
                return reply

    def _function(self, name: str, function) -> tuple[bytes | None, bytes | None]:
        """What a function is known by, and its pickle; nothing if it is too large to be remembered."""
        known = self._functions.get(id(function))
        if known is None:
            code, buffers = _packed(f"the function {name!r}", function)
            small = not buffers and len(code) <= _CODE_MAX_BYTES
            known = (hashlib.blake2b(code, digest_size=16).digest(), code) if small else (None, None)
            self._functions[id(function)] = (*known, function)  # which keeps its id
        return known[:2]


def _packed(what: str, value) -> tuple[bytes, list[memoryview]]:
    try:
        return pack(value)
    except ImportError:
        raise
    except Exception as error:
        kind = pickle.PicklingError if isinstance(error, pickle.PicklingError) else TypeError
        raise kind(f"cannot send {what} to another process: {error}") from error


class _Child:
    """A process that calls functions, one at a time."""

    def __init__(self):
        ours, theirs = socket.socketpair()
        environment = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1") | os.environ
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START, str(theirs.fileno()), *sys.path],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # a terminal interrupts this process, which knows what to do
                env=environment,
            )
        ours.settimeout(LOOK_SECONDS)
        self._channel = Channel(ours, self._look)
        self._cancelled = None
        self._known: set = set()
        self._path = None
        self.idle_since = 0.0  # it has served nobody yet

    def ask(self, what, body: bytes, buffers: list, cancelled) -> tuple[bytearray, list]:
        name, token, code, path = what
        forget = len(self._known) >= _KNOWN_MAX
        if forget:
            self._known.clear()
        if token in self._known:
            code = None
        elif token is not None:
            self._known.add(token)
        head = pickle.dumps((name, token, code, forget, None if path == self._path else path))
        self._path = path
        self._cancelled = cancelled
        self._channel.send(head, body, buffers)
        return self._channel.receive()[1:]

    def _look(self) -> None:
        if not self.is_alive():
            raise EOFError  # a process that it has started may hold the socket open
        if self._cancelled():
            raise _NotWanted

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def interrupt(self) -> None:
        """Ends the process, but lets its function clean up."""
        if self.is_alive():
            self._process.send_signal(signal.SIGINT)
        self.end()

    def close(self) -> None:
        """Lets the process end by itself."""
        self._channel.close()

    def end(self) -> str:
        """Waits a little for the process to end, and kills it then; says how it ended."""
        try:
            code = self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        finally:
            self._channel.close()
        if code >= 0:
            return f"ended with exit code {code}"
        try:
            return f"was killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"was killed by signal {-code}"

    def forget(self) -> None:
        """In a process forked from this one: it is not ours."""
        self._process.returncode = 0
        self._channel.close()


class _Pool:
    """The processes that have nothing to do."""

    def __init__(self):
        self._lock = threading.Lock()
        self._idle: list[_Child] = []
        self._timer = None

    def take(self) -> _Child:
        with self._lock:
            while self._idle:
                child = self._idle.pop()
                if child.is_alive():
                    return child
                child.end()
        return _Child()

    def give(self, child: _Child) -> None:
        child.idle_since = time.monotonic()
        with self._lock:
            self._idle.append(child)
            self._look_later()

    def _look_later(self) -> None:
        if self._timer is None and self._idle:
            self._timer = threading.Timer(IDLE_SECONDS, self._look)
            self._timer.daemon = True
            self._timer.start()

    def _look(self) -> None:
        limit = time.monotonic() - IDLE_SECONDS
        with self._lock:
            ended = [child for child in self._idle if child.idle_since <= limit]
            self._idle = [child for child in self._idle if child.idle_since > limit]
            self._timer = None
            self._look_later()
        _end(ended)

    def close(self) -> None:
        """Ends all processes that have nothing to do."""
        with self._lock:
            ended, self._idle = self._idle, []
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        _end(ended)

    def forget(self) -> None:
        for child in self._idle:
            child.forget()
        self.__init__()


def _end(children: list[_Child]) -> None:
    for child in children:
        child.close()
    for child in children:
        child.end()


_pool = _Pool()
atexit.register(_pool.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.forget)
