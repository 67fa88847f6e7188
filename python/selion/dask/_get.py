"""The scheduler function: any graph of Dask, on selion's threads."""

from __future__ import annotations

from collections.abc import Mapping

from selion import _selion
from selion.dask._annotations import annotations_of
from selion.dask._functions import functions
from selion.dask._imports import classes, dask
from selion.dask._watch import watched


def get(dsk, keys, num_workers=None, pool=None, callbacks=None, **kwargs):
    """Compute keys of a Dask graph on selion's threads.

    This is a scheduler of Dask: ``x.compute(scheduler=selion.get)``.

    Parameters
    ----------
    dsk : Expr, HighLevelGraph or dict
        Any graph that Dask's own schedulers take.
    keys : key, or list of keys, nested
        What to compute.
    num_workers : int, optional
        Threads to use; that of ``dask.config`` by default, else one per core.
    pool : Executor, optional
        Only the number of its threads is used.
    callbacks : tuple or list of tuples, optional
        As `dask.callbacks` has them; the active ones by default.
    kwargs
        Whatever else was said to ``compute``; without effect.

    Returns
    -------
    object
        The value of a key; tuples of values in the nesting of a list of keys.

    Raises
    ------
    KeyError
        If a key, or what it needs, is not in the graph.
    RuntimeError
        If tasks need each other.
    Exception
        What the first task that failed has raised, with its own traceback and a note that names the task.

    Examples
    --------
    >>> import selion
    >>> dsk = {"a": 1, "b": (lambda x: x + 1, "a"), "c": (sum, ["a", "b"])}
    >>> selion.get(dsk, ["a", ["c"]])
    (1, (3,))
    """
    annotations = annotations_of(dsk)
    graph = tasks_of(dsk)
    wanted: list = []
    flatten(keys, wanted)
    num_workers = num_workers or getattr(pool, "_max_workers", None) or dask().config.get("num_workers", None)
    with watched(graph, callbacks) as watch:
        lifted = functions() if watch is None or watch.takes_no_values else None
        values = _selion.dask_get(graph, wanted, classes(), lifted, annotations, watch, num_workers)
    return nest(keys, iter(values))


def tasks_of(dsk) -> dict:
    """A graph as a dict of Dask's task objects."""
    if not isinstance(dsk, Mapping):
        dsk = dsk.__dask_graph__()
    if not isinstance(dsk, dict):
        dsk = dask().utils.ensure_dict(dsk)
    node = dask()._task_spec.GraphNode
    if all(isinstance(task, node) for task in dsk.values()):
        return dsk
    return dask()._task_spec.convert_legacy_graph(dsk)


def flatten(keys, wanted: list) -> None:
    """Appends the keys in nested lists to ``wanted``."""
    if isinstance(keys, list):
        for key in keys:
            flatten(key, wanted)
    else:
        wanted.append(keys)


def nest(keys, values):
    """Values in the nesting of their keys."""
    if isinstance(keys, list):
        return tuple([nest(key, values) for key in keys])
    return next(values)
