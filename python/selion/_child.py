"""The life of a process that calls functions for another one (`selion._processes`)."""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import socket
import sys
import threading

from selion import config
from selion._messages import Channel, pack, portable

__all__ = ["serve"]


def serve(descriptor: int) -> None:
    """Calls what the other end of a socket asks for, until that is closed."""
    sock = socket.socket(fileno=descriptor)
    threading.Thread(target=_end_with, args=(sock,), daemon=True, name="selion-watch").start()
    signal.signal(signal.SIGINT, _interrupt)
    config.set(scheduler="threads")  # whatever a function computes itself
    channel = Channel(sock)
    functions: dict = {}
    while not _state.interrupted:
        try:
            request = channel.receive()
        except (EOFError, ConnectionError):
            return
        reply = _reply(request, functions)
        del request
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(AttributeError, OSError, ValueError):  # a function may have closed it
                stream.flush()
        channel.send(b"", *reply)


class _state:
    calling = False
    interrupted = False


def _interrupt(signum, frame):
    """A function is interrupted, and the process ends after it; nothing else is."""
    if _state.calling:
        _state.interrupted = True
        raise KeyboardInterrupt


def _end_with(sock: socket.socket) -> None:
    """Ends the process when the other one has ended, whatever function is being called."""
    poll = select.poll()
    poll.register(sock, 0)
    poll.poll()
    os._exit(0)


def _reply(request, functions: dict) -> tuple[bytes, list[memoryview]]:
    head, body, buffers = request
    name, token, code, forget, path = pickle.loads(head)
    try:
        _state.calling = True
        if path is not None:
            sys.path[:] = path
        if forget:
            functions.clear()
        if code is not None:
            functions[token] = pickle.loads(code)
        function, args, kwargs = pickle.loads(body, buffers=buffers)
        if token is not None:
            function = functions[token]
        result = function(*args, **kwargs)
        _state.calling = False
    except BaseException as error:
        _state.calling = False
        return _failure(error)
    try:
        return pack((True, result))
    except Exception as error:
        kind = pickle.PicklingError if isinstance(error, pickle.PicklingError) else TypeError
        return _failure(kind(f"cannot send the result of {name!r} back from another process: {error}"))


def _failure(error: BaseException) -> tuple[bytes, list[memoryview]]:
    return pack((False, portable(error)))
