"""selion's fused programs in Dask's own tasks: for Dask's arrays on Dask's own schedulers."""

from __future__ import annotations

from selion import _selion
from selion.dask._functions import functions
from selion.dask._imports import classes, dask


def optimize(dsk, keys, **kwargs):
    """Optimise a graph of ``dask.array``: as Dask does, and then what it fuses becomes native programs.

    With a cluster, selion must be installed on the scheduler and the workers.

    Examples
    --------
    >>> import dask, dask.array as da, selion.dask
    >>> with dask.config.set(array_optimize=selion.dask.optimize):
    ...     total = (da.ones((4, 4), chunks=2) + 1).sum().compute()
    >>> int(total)
    32
    """
    dask()
    from dask.array.optimization import optimize as fuse

    spec = dask()._task_spec
    fused = dict(fuse(dsk, keys, **kwargs))
    subgraph = spec._execute_subgraph
    for key, task in fused.items():
        if isinstance(task, spec.Task) and task.func is subgraph:
            fused[key] = spec.Task(key, run_subgraph, *task.args, _data_producer=task.data_producer)
    return fused


def run_subgraph(graph: dict, result, names: tuple, *values):
    """Computes one key of a graph within a task, on the thread that runs the task."""
    node = dask()._task_spec.DataNode
    whole = graph | {name: node(name, value) for name, value in zip(names, values, strict=True)}
    (value,) = _selion.dask_get(whole, [result], classes(), functions(), num_workers=1)
    return value
