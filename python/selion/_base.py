"""What collections have in common: computing several at once, in any nest of containers."""

from __future__ import annotations

import atexit
from dataclasses import fields, is_dataclass, replace

from selion import _selion


def is_selion_collection(x) -> bool:
    """Whether ``x`` is a lazy collection of selion.

    Examples
    --------
    >>> import selion, selion.array as da
    >>> selion.is_selion_collection(da.ones(3)), selion.is_selion_collection([1])
    (True, False)
    """
    return hasattr(type(x), "__selion_parts__")


def _collect(x, found: list):
    """Appends the collections in a nest of containers to ``found``."""
    if is_selion_collection(x):
        found.append(x)
    elif isinstance(x, (list, tuple, set, frozenset)):
        for item in x:
            _collect(item, found)
    elif isinstance(x, dict):
        for item in x.values():
            _collect(item, found)
    elif is_dataclass(x) and not isinstance(x, type):
        for field in fields(x):
            _collect(getattr(x, field.name), found)


def _rebuild(x, values):
    """The same nest with each collection replaced by the next of ``values``."""
    if is_selion_collection(x):
        return next(values)
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return type(x)(*(_rebuild(item, values) for item in x))
    if isinstance(x, (list, tuple, set, frozenset)):
        return type(x)([_rebuild(item, values) for item in x])
    if isinstance(x, dict):
        return type(x)((key, _rebuild(item, values)) for key, item in x.items())
    if is_dataclass(x) and not isinstance(x, type):
        return replace(x, **{field.name: _rebuild(getattr(x, field.name), values) for field in fields(x)})
    return x


def _parts(found: list) -> tuple[list, list]:
    """The native parts of all collections, and how many each has."""
    for x in found:
        if hasattr(type(x), "__selion_wanted__"):
            x.__selion_wanted__()
    parts = [list(x.__selion_parts__()) for x in found]
    return [part for own in parts for part in own], [len(own) for own in parts]


def _split(results, lengths: list):
    """The results, as many at a time as the collections have parts."""
    results = iter(results)
    return ([next(results) for _ in range(length)] for length in lengths)


def _gather(args, traverse: bool) -> list:
    found: list = []
    for arg in args:
        if traverse:
            _collect(arg, found)
        elif is_selion_collection(arg):
            found.append(arg)
    return found


def _computed(parts: list, scheduler, num_workers) -> list:
    """The values of native parts, here or by a scheduler of Dask."""
    scheduler = chosen_scheduler if scheduler is None else scheduler
    if scheduler is None or isinstance(scheduler, str):
        return _selion.compute(parts, scheduler, num_workers)
    from selion.dask._graph import compute_parts

    return compute_parts(parts, scheduler)


# A scheduler of Dask that ``selion.config.set(scheduler=...)`` has chosen.
chosen_scheduler = None


def compute(*args, traverse: bool = True, optimize_graph: bool = True, scheduler=None, num_workers=None, **kwargs):
    """Compute several collections at once, sharing what they have in common.

    Parameters
    ----------
    args : object
        Collections, or lists, tuples, sets, dicts and dataclasses with collections in them. Anything else comes back
        as it is.
    traverse : bool
        Whether to look into containers.
    scheduler : {"threads", "processes", "synchronous"}, or a client or scheduler function of Dask, optional
        Who runs the tasks; the setting ``scheduler`` by default. With ``"processes"`` your functions, of delayed calls,
        bags and blocks of arrays, are called in other processes, as many at once as there are threads: for functions
        that hold the GIL. They and what they are given are pickled; arrays go through shared memory.
    num_workers : int, optional
        Threads to use; one per core by default.

    Returns
    -------
    tuple
        The arguments with each collection replaced by its value: a NumPy array or scalar for an array.

    Raises
    ------
    Exception
        What the first function that failed has raised, with its own traceback and a note that names the task. Tasks
        that have not started are not run; those in other processes are interrupted.
    ProcessPoolError
        If a process died while it called a function, such as for want of memory.

    Examples
    --------
    >>> import selion, selion.array as da
    >>> x = da.arange(5, chunks=2)
    >>> total, parts = selion.compute(x.sum(), {"max": x.max()})
    >>> int(total), int(parts["max"])
    (10, 4)
    """
    found = _gather(args, traverse)
    parts, lengths = _parts(found)
    results = _computed(parts, scheduler, num_workers) if parts else []
    values = iter([x._finish(own) for x, own in zip(found, _split(results, lengths), strict=True)])
    return tuple(_rebuild(arg, values) if traverse or is_selion_collection(arg) else arg for arg in args)


def persist(*args, traverse: bool = True, optimize_graph: bool = True, scheduler=None, num_workers=None, **kwargs):
    """Start to compute several collections, in the background: like the given ones, of values that will be in memory.

    What is computed from them waits for them. An error is raised when the values are needed. See `compute` for the
    parameters.

    Examples
    --------
    >>> import selion, selion.array as da
    >>> (x,) = selion.persist(da.arange(6, chunks=3) + 1)
    >>> x.sum().compute()
    np.int64(21)
    """
    found = _gather(args, traverse)
    parts, lengths = _parts(found)
    kept = _selion.persist(parts, scheduler, num_workers) if parts else []
    values = iter([x._persisted(own) for x, own in zip(found, _split(kept, lengths), strict=True)])
    return tuple(_rebuild(arg, values) if traverse or is_selion_collection(arg) else arg for arg in args)


def optimize(*args, traverse: bool = True, **kwargs):
    """The same collections, as ready to be computed as they can be made without computing.

    Collections are rewritten when they are computed, together with all others that are computed then: there is nothing
    to be gained by doing it before.

    Examples
    --------
    >>> import selion
    >>> x = selion.delayed(len)([1, 2])
    >>> (y,) = selion.optimize(x)
    >>> y.compute()
    2
    """
    return args


atexit.register(_selion.end_background)
