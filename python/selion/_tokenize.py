"""Names that are equal for equal values."""

from __future__ import annotations

import functools
import hashlib
import pickle
import types
import uuid
from dataclasses import fields, is_dataclass

import numpy as np

__all__ = ["tokenize"]


def tokenize(*args, **kwargs) -> str:
    """A name for some values: equal for equal values, in this process and in others.

    What says how it is to be named (``__dask_tokenize__``), and collections, are named by that; arrays by their
    elements; functions by their code, if they can be pickled. A thing that cannot be told from others of its kind gets
    a name that nothing else has.

    Returns
    -------
    str
        32 hexadecimal digits.

    Examples
    --------
    >>> import selion
    >>> selion.tokenize([1, 2]) == selion.tokenize([1, 2]), selion.tokenize(1) == selion.tokenize(1.0)
    (True, False)
    """
    digest = hashlib.blake2b(digest_size=16)
    _feed(digest, (args, kwargs) if kwargs else args, set())
    return digest.hexdigest()


def _feed(digest, x, open_ids: set) -> None:
    """Adds a value to the digest, with its type, so that different values do not look the same."""
    kind = type(x)
    digest.update(f"({kind.__module__}.{kind.__qualname__} ".encode())
    if kind in (int, float, complex, str, bytes, bool, type(None), type(Ellipsis)):
        digest.update(x if kind is bytes else repr(x).encode("utf-8", "surrogatepass"))
    elif kind in (list, tuple, dict, set, frozenset, slice):
        _feed_container(digest, x, open_ids)
    elif hasattr(kind, "__selion_parts__"):
        digest.update(" ".join(_key(part) for part in x.__selion_parts__()).encode())
    elif not isinstance(x, type) and hasattr(kind, "__dask_tokenize__"):
        _feed(digest, x.__dask_tokenize__(), open_ids)
    elif isinstance(x, np.ndarray) and not x.dtype.hasobject:
        digest.update(f"{x.dtype.str}{x.dtype.descr if x.dtype.names else ''}{x.shape}".encode())
        digest.update(np.ascontiguousarray(x).view(np.uint8).data if x.size else b"")
    elif isinstance(x, functools.partial):
        _feed_container(digest, [x.func, x.args, x.keywords], open_ids)
    elif isinstance(x, types.MethodType):
        _feed_container(digest, [x.__self__, x.__name__], open_ids)
    elif is_dataclass(x) and not isinstance(x, type):
        _feed_container(digest, {field.name: getattr(x, field.name, None) for field in fields(x)}, open_ids)
    else:
        digest.update(_pickled(x))
    digest.update(b")")


def _feed_container(digest, x, open_ids: set) -> None:
    if id(x) in open_ids:
        digest.update(b"itself")
        return
    open_ids.add(id(x))
    if isinstance(x, (set, frozenset)):
        digest.update(" ".join(sorted(tokenize(item) for item in x)).encode())
    elif isinstance(x, slice):
        _feed(digest, (x.start, x.stop, x.step), open_ids)
    else:
        pairs = sorted(x.items(), key=lambda pair: repr(pair[0])) if isinstance(x, dict) else x
        for item in pairs:
            _feed(digest, item, open_ids)
    open_ids.discard(id(x))


def _key(part) -> str:
    return part.key if hasattr(part, "key") else part.name


def _pickled(x) -> bytes:
    try:
        return pickle.dumps(x, protocol=5)
    except Exception:
        pass  # what pickle refuses, cloudpickle may take: functions made in functions, classes of the main module
    try:
        import cloudpickle

        return cloudpickle.dumps(x, protocol=5)
    except Exception:
        return uuid.uuid4().bytes
