"""How functions, arguments, values and exceptions travel. Called by the native module on both sides."""

from __future__ import annotations

import ctypes
import math
import pickle

from selion._messages import RemoteTraceback, pack, portable
from selion.distributed._errors import CancelledError, KilledWorker, NoValidWorkerError

__all__ = []

_LARGE_BYTES = 16 << 10  # of buffers that travel apart from the pickle
_CAUSE_MAX_CHARACTERS = 20_000


def dump_function(function) -> bytes:
    """The pickle of a function: by name if it can be imported elsewhere, else with its code.

    Raises
    ------
    TypeError
        If it cannot be pickled; names what it has captured.
    """
    try:
        return pack(function, math.inf)[0]
    except Exception as error:
        culprit = _culprit(function)
        hint = f"; it uses {culprit}" if culprit else ""
        raise TypeError(f"cannot pickle the function {function!r}: {error}{hint}") from error


def _culprit(function) -> str | None:
    """What a function has captured that cannot be pickled."""
    code = getattr(function, "__code__", None)
    if code is None:
        return None
    captured = dict(zip(code.co_freevars, (cell.cell_contents for cell in function.__closure__ or ()), strict=False))
    captured |= {name: function.__globals__[name] for name in code.co_names if name in function.__globals__}
    guilty = (f"{name!r}, {_kind(value)}" for name, value in captured.items() if _why_not(value) is not None)
    return next(guilty, None)


def _why_not(value) -> Exception | None:
    """Why something cannot be pickled, if it cannot."""
    try:
        pack(value)
    except Exception as error:
        return error
    return None


def _kind(value) -> str:
    return f"a {type(value).__module__}.{type(value).__qualname__}"


def dump_arguments(arguments) -> bytes:
    """The pickle of ``(args, kwargs)``; an error names the argument that cannot be pickled."""
    try:
        return pack(arguments, math.inf)[0]
    except Exception as error:
        args, kwargs = arguments
        for name, value in [*((f"argument {k}", arg) for k, arg in enumerate(args)), *kwargs.items()]:
            if (cause := _why_not(value)) is not None:
                raise TypeError(f"cannot pickle {name}, {_kind(value)}: {cause}") from cause
        raise TypeError(f"cannot pickle the arguments: {error}") from error


def dump(value) -> tuple[bytes, list]:
    """The pickle of a value, and its large buffers as arrays of bytes."""
    import numpy as np

    packed, buffers = pack(value, _LARGE_BYTES)
    return packed, [np.frombuffer(buffer, dtype=np.uint8) for buffer in buffers]


def dump_exception(error: BaseException, context: str | None) -> bytes:
    """An exception with what its traceback says; another in its place if it cannot be pickled."""
    portable_error, text = portable(error)
    if len(text) > _CAUSE_MAX_CHARACTERS:
        text = text[: _CAUSE_MAX_CHARACTERS // 2] + "\n…\n" + text[-_CAUSE_MAX_CHARACTERS // 2 :]
    if not isinstance(error, Exception):  # it would end the client too
        portable_error = RuntimeError(f"{context or 'the task raised'}: {error!r}")
    elif context is not None:
        portable_error.add_note(context)
    return pack((portable_error, text), math.inf)[0]


def load_exception(kind: str, message: str, packed: bytes, key: str) -> BaseException:
    """The exception of a failure."""
    if packed:
        try:
            error, text = pickle.loads(packed)
        except Exception as cause:
            return RuntimeError(f"{message} (its exception cannot be unpickled here: {cause})")
        error.__cause__ = RemoteTraceback(text)
        note = f"in task {key}" if key else ""
        if note and note not in getattr(error, "__notes__", ()):
            error.add_note(note)
        return error
    if kind == "cancelled":
        return CancelledError(key, message)
    if kind == "timed out":
        return TimeoutError(f"{key}: {message}")
    if kind == "redefined":
        return ValueError(f"{key}: {message}")
    if kind == "unknown":
        return KeyError(f"{key}: {message}")
    classes = {"killed worker": KilledWorker, "no worker": NoValidWorkerError}
    return classes.get(kind, RuntimeError)(f"{key}: {message}" if key else message)


class TaskInterrupted(BaseException):
    """Raised in a running task that is to stop."""


def interrupt(thread: int) -> None:
    """Raises `TaskInterrupted` in a thread as soon as it runs Python."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(TaskInterrupted))


def clear_interrupt(thread: int) -> None:
    """Takes back what was to be raised in a thread."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), None)
