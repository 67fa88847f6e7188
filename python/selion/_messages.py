"""Messages between two processes: pickles in a stream, and their large buffers in shared memory without a name.

A message is a head and a body, both pickled, and the body's buffers of at least `SHARED_MIN_BYTES`. These are written
to an anonymous file of which only the descriptor is passed on, so that nothing is left behind whoever is killed; the
other side maps the file and has the buffers without a copy.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import pickle
import socket
import struct
import sys
import tempfile
import traceback
import types
from collections import ChainMap

from selion import _selion

__all__ = ["Channel", "RemoteTraceback", "pack", "portable"]

SHARED_MIN_BYTES = 64 << 10
_ALIGN = 64
_READ_BYTES = 64 << 10
_HEADER = struct.Struct("<QQQ")  # lengths of head and body, and how many buffers


def pack(value, large: float = SHARED_MIN_BYTES) -> tuple[bytes, list[memoryview]]:
    """The pickle of anything, functions and classes without a module of their own included, and its large buffers."""
    buffers = []

    def in_stream(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < large:
            return True
        buffers.append(raw)
        return False

    if _names_are_enough():
        with contextlib.suppress(Exception):  # the slow way can more, or has the better error
            packed = pickle.dumps(value, protocol=5, buffer_callback=in_stream)
            if b"__main__" not in packed:  # what is defined there is not known elsewhere by its name
                return packed, buffers
        buffers.clear()
    stream = io.BytesIO()
    _pickler()(stream, protocol=5, buffer_callback=in_stream).dump(value)
    return stream.getvalue(), buffers


def _names_are_enough() -> bool:
    """Whether the user has not asked that functions of some modules travel with their code."""
    cloudpickle = sys.modules.get("cloudpickle")
    return cloudpickle is None or not cloudpickle.list_registry_pickle_by_value()


def portable(error: BaseException) -> tuple[BaseException, str]:
    """An exception, or another in its place if it cannot be pickled, and what its traceback says."""
    text = "".join(traceback.format_exception(error))
    try:
        packed, buffers = pack(error)
        pickle.loads(packed, buffers=buffers)
    except Exception:
        error = RuntimeError(f"{type(error).__qualname__}: {error} (the exception itself cannot be pickled)")
    return error, text


class RemoteTraceback(Exception):
    """The traceback that an exception had in the process in which it was raised; the cause of the exception here."""

    def __str__(self):
        return f'\n"""\n{self.args[0]}"""'


@functools.cache
def _pickler():
    """cloudpickle's, which leaves out in which file a function is: it is wanted in tracebacks."""
    try:
        from cloudpickle import Pickler
    except ImportError:
        raise ImportError("to send a function to another process the package cloudpickle is needed") from None

    def reduce(code: types.CodeType):
        make, args = Pickler.dispatch_table[types.CodeType](code)
        return make, tuple(code.co_filename if arg == "<dynamic-code>" else arg for arg in args)

    table = ChainMap({types.CodeType: reduce}, Pickler.dispatch_table)
    return type("WithFileNames", (Pickler,), {"dispatch_table": table})


class Channel:
    """One end of a pair of sockets. Messages take turns: a request, its reply, the next request.

    Parameters
    ----------
    sock : socket.socket
        If it has a timeout, ``look`` is called that often while there is nothing to read or no room to write; what it
        raises ends the wait.
    look : callable, optional
    """

    def __init__(self, sock: socket.socket, look=None):
        self._sock = sock
        self._look = look

    def send(self, head: bytes, body: bytes, buffers: list[memoryview]) -> None:
        sizes = [buffer.nbytes for buffer in buffers]
        header = _HEADER.pack(len(head), len(body), len(sizes)) + struct.pack(f"<{len(sizes)}Q", *sizes)
        rest = memoryview(b"".join((header, head, body)))
        if buffers:
            file = _share(buffers)
            try:
                rest = rest[self._wait(lambda: socket.send_fds(self._sock, [rest], [file])) :]
            finally:
                os.close(file)
        while rest:
            rest = rest[self._wait(functools.partial(self._sock.send, rest)) :]

    def receive(self) -> tuple[bytearray, bytearray, list[memoryview]]:
        """The next message.

        Raises
        ------
        EOFError
            If there is none, since the other end is closed.
        """
        flags = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
        data, files, *_ = self._wait(lambda: socket.recv_fds(self._sock, _READ_BYTES, 1, flags))
        try:
            data = self._at_least(bytearray(data), _HEADER.size)
            head_len, body_len, count = _HEADER.unpack_from(data)
            start = _HEADER.size + 8 * count
            data = self._at_least(data, start + head_len + body_len)
            sizes = struct.unpack_from(f"<{count}Q", data, _HEADER.size)
            shared = memoryview(_selion.SharedMemory(files[0])) if files else memoryview(b"")
        finally:
            for file in files:
                os.close(file)
        buffers = [shared[at : at + size] for at, size in zip(_places(sizes), sizes, strict=True)]
        return data[start : start + head_len], data[start + head_len :], buffers

    def _at_least(self, data: bytearray, size: int) -> bytearray:
        if not data:
            raise EOFError
        filled = len(data)
        if filled < size:
            data.extend(bytes(size - filled))
            with memoryview(data) as view:
                while filled < size:
                    got = self._wait(functools.partial(self._sock.recv_into, view[filled:]))
                    if not got:
                        raise EOFError
                    filled += got
        return data

    def _wait(self, act):
        while True:
            try:
                return act()
            except TimeoutError:
                self._look()

    def close(self) -> None:
        self._sock.close()


def _places(sizes):
    """Where buffers of these sizes are in the file."""
    at = 0
    for size in sizes:
        yield at
        at += -(-size // _ALIGN) * _ALIGN


def _share(buffers: list[memoryview]) -> int:
    """The descriptor of a file without a name that has the buffers in it."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("selion", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as temporary:
            file = os.dup(temporary.fileno())
    try:
        for buffer, at in zip(buffers, _places(buffer.nbytes for buffer in buffers), strict=True):
            while buffer:
                written = os.pwrite(file, buffer, at)
                buffer, at = buffer[written:], at + written
    except BaseException:
        os.close(file)
        raise
    return file
