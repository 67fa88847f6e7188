"""What is said of how tasks are to be run."""

from __future__ import annotations

import threading
from contextlib import contextmanager

from selion import _selion

__all__ = ["annotate", "get_annotations"]

_here = threading.local()  # as the native half has it


def get_annotations() -> dict:
    """What `annotate` says here.

    Examples
    --------
    >>> import selion
    >>> with selion.annotate(retries=3):
    ...     selion.get_annotations()
    {'retries': 3}
    """
    return dict(getattr(_here, "annotations", {}))


@contextmanager
def annotate(**annotations):
    """Say how the delayed calls that this thread makes in a ``with`` block are to be run.

    Parameters
    ----------
    priority : int
        Tasks of higher priority run first, whatever the order of the graph; 0 by default.
    retries : int
        How often a task that raises is tried again.
    resources : dict of str to float
        What a task takes of things that workers have in limited number, such as ``{"GPU": 1}``. Has no meaning on
        this machine's threads.
    workers : str or list of str
        Where it may run. Has no meaning on this machine's threads.

    Raises
    ------
    TypeError
        If a value is not of the type above.

    Examples
    --------
    >>> import selion
    >>> tries = []
    >>> def flaky():
    ...     tries.append(1)
    ...     if len(tries) < 3:
    ...         raise OSError("not yet")
    ...     return len(tries)
    >>> with selion.annotate(retries=5):
    ...     x = selion.delayed(flaky)()
    >>> x.compute()
    3
    """
    for name in ("priority", "retries"):
        if not isinstance(annotations.get(name, 0), int):
            raise TypeError(f"'{name}' annotation must be an int, not {annotations[name]!r}")
    if annotations.get("retries", 0) < 0:
        raise TypeError(f"'retries' annotation must not be negative, but is {annotations['retries']}")
    if not isinstance(annotations.get("resources", {}), dict):
        raise TypeError(f"'resources' annotation must be a dict, not {annotations['resources']!r}")
    before = get_annotations()
    _apply({**before, **annotations})
    try:
        yield
    finally:
        _apply(before)


def _apply(annotations: dict) -> None:
    _here.annotations = annotations
    resources = [(str(name), float(count)) for name, count in annotations.get("resources", {}).items()]
    _selion.set_annotations(annotations.get("priority", 0), annotations.get("retries", 0), resources)
