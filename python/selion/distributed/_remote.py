"""How functions, arguments, values and exceptions travel. Called by the native module on both sides."""

from __future__ import annotations

import ctypes
import functools
import pickle
import traceback

from selion.distributed._errors import CancelledError, KilledWorker, NoValidWorkerError

__all__ = []

_BUFFER_MIN_BYTES = 16 << 10
_CAUSE_MAX_CHARACTERS = 20_000


@functools.cache
def _cloudpickle():
    import cloudpickle

    return cloudpickle


def _module_of(function) -> str:
    return getattr(function, "__module__", None) or "__main__"


def dump_function(function) -> bytes:
    """The pickle of a function: by name if it can be imported elsewhere, else with its code.

    Raises
    ------
    TypeError
        If it cannot be pickled; names what it has captured.
    """
    try:
        if _module_of(function) != "__main__":
            try:
                return pickle.dumps(function, protocol=5)
            except Exception:
                pass
        return _cloudpickle().dumps(function, protocol=5)
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
    for name, value in captured.items():
        try:
            _cloudpickle().dumps(value)
        except Exception:
            return f"{name!r}, a {type(value).__module__}.{type(value).__qualname__}"
    return None


def dump_arguments(arguments) -> bytes:
    """The pickle of ``(args, kwargs)``; an error names the argument that cannot be pickled."""
    try:
        try:
            packed = pickle.dumps(arguments, protocol=5)
            if b"__main__" not in packed:  # what is defined there is not known elsewhere by its name
                return packed
        except Exception:
            pass
        return _cloudpickle().dumps(arguments, protocol=5)
    except Exception as error:
        args, kwargs = arguments
        for name, value in [*((f"argument {k}", arg) for k, arg in enumerate(args)), *kwargs.items()]:
            try:
                _cloudpickle().dumps(value)
            except Exception as cause:
                what = f"{name}, a {type(value).__module__}.{type(value).__qualname__}"
                raise TypeError(f"cannot pickle {what}: {cause}") from cause
        raise TypeError(f"cannot pickle the arguments: {error}") from error


def dump(value) -> tuple[bytes, list]:
    """The pickle of a value, and its large buffers as arrays of bytes."""
    import numpy as np

    buffers = []

    def apart(buffer: pickle.PickleBuffer) -> bool:
        try:
            raw = buffer.raw()
        except BufferError:  # not contiguous
            return True
        if raw.nbytes < _BUFFER_MIN_BYTES:
            return True
        buffers.append(np.frombuffer(raw, dtype=np.uint8))
        return False

    try:
        packed = pickle.dumps(value, protocol=5, buffer_callback=apart)
        if b"__main__" not in packed:
            return packed, buffers
    except Exception:
        pass
    buffers.clear()
    return _cloudpickle().dumps(value, protocol=5, buffer_callback=apart), buffers


def dump_exception(error: BaseException, context: str | None) -> bytes:
    """An exception with what its traceback says; another in its place if it cannot be pickled."""
    frames = traceback.extract_tb(error.__traceback__)
    text = "".join(traceback.format_exception(error))
    if len(text) > _CAUSE_MAX_CHARACTERS:
        text = text[: _CAUSE_MAX_CHARACTERS // 2] + "\n…\n" + text[-_CAUSE_MAX_CHARACTERS // 2 :]
    if isinstance(error, (SystemExit, KeyboardInterrupt)):  # they would end the client too
        context = f"the task raised {type(error).__name__}"
    if context is not None:
        if not isinstance(error, Exception):
            error = RuntimeError(f"{context}: {error!r}")
        else:
            error.add_note(context)
    del frames
    try:
        error.__traceback__ = None
        packed = _cloudpickle().dumps((error, text))
        pickle.loads(packed)
        return packed
    except Exception:
        name = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
        instead = Exception(f"{name}: {error} (the exception itself cannot be pickled)")
        return pickle.dumps((instead, text))


class RemoteTraceback(Exception):
    """Where on a worker an exception was raised: its cause in the client."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


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
