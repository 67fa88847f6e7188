"""selion's arrays as Dask's, and Dask's as selion's."""

from __future__ import annotations

import itertools

import numpy as np

from selion import _selion
from selion.dask._graph import graph_of
from selion.dask._imports import dask


def to_dask(x):
    """A lazy array of selion as one of Dask: its blocks are selion's fused tasks.

    Parameters
    ----------
    x : selion.array.Array

    Returns
    -------
    dask.array.Array

    Examples
    --------
    >>> import selion.array as da, selion.dask
    >>> y = selion.dask.to_dask(da.arange(6, chunks=2) + 1)
    >>> type(y).__module__, int(y.sum().compute())
    ('dask.array.core', 21)
    """
    spec = dask()._task_spec
    from dask.array import Array
    from dask.highlevelgraph import HighLevelGraph

    dsk, (keys,) = graph_of([x._native])
    name = f"selion-{x.name}"
    places = itertools.product(*map(range, x.numblocks))
    for key, place in zip(keys, places, strict=True):
        own = (name, *place)
        dsk[own] = spec.Alias(own, key)
    graph = HighLevelGraph.from_collections(name, dsk, dependencies=())
    return Array(graph, name, chunks=x.chunks, dtype=x.dtype)


def from_dask(x):
    """An array of Dask as one of selion.

    Parameters
    ----------
    x : dask.array.Array

    Returns
    -------
    selion.array.Array
        Of the same chunks. Its blocks are made by Dask's tasks, on selion's threads.

    Examples
    --------
    >>> import dask.array, selion.dask
    >>> y = selion.dask.from_dask(dask.array.arange(6, chunks=2) + 1)
    >>> type(y).__module__, int(y.sum().compute())
    ('selion.array.core', 21)
    """
    import selion.array as da

    keys = list(_flat(x.__dask_keys__()))
    blocks = _delayed_of(x.__dask_optimize__(x.__dask_graph__(), keys), keys)
    chunks = [[float(length) for length in lens] for lens in x.chunks]
    return da.Array(_selion.array_of_delayed(blocks, np.dtype(x.dtype), chunks))


def _flat(keys):
    for key in keys:
        if isinstance(key, list):
            yield from _flat(key)
        else:
            yield key


def _delayed_of(graph, keys: list) -> list:
    """Delayed values for keys of a Dask graph: every task is a delayed call."""
    from selion.dask._get import tasks_of
    from selion.delayed import delayed

    tasks = tasks_of(graph)
    run = delayed(_run, pure=False)
    made: dict = {}
    stack = [(key, False) for key in keys]
    while stack:
        key, inputs_done = stack.pop()
        if key in made:
            continue
        needs = tasks[key].dependencies
        if inputs_done or not needs:
            made[key] = run(tasks[key], list(needs), [made[need] for need in needs])
        else:
            stack.append((key, True))
            stack.extend((need, False) for need in needs)
    return [made[key] for key in keys]


def _run(task, keys, values):
    return task(dict(zip(keys, values, strict=True)))
