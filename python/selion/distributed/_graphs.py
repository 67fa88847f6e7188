"""Graphs of Dask's tasks, and collections, as calls on a cluster."""

from __future__ import annotations

__all__ = ["submit_collections", "submit_graph"]


def submit_graph(client, dsk, wanted: list) -> list:
    """The futures of some keys of a graph; what they need is submitted with them, inputs first."""
    from selion.dask._get import tasks_of
    from selion.dask._imports import dask

    spec = dask()._task_spec
    tasks = tasks_of(dsk)
    futures: dict = {}
    stack = list(reversed(wanted))
    open_keys: set = set()
    while stack:
        key = stack[-1]
        if key in futures:
            stack.pop()
            continue
        if key not in tasks:
            raise KeyError(key)
        task = tasks[key]
        missing = [other for other in task.dependencies if other not in futures]
        if missing:
            if key in open_keys:
                raise RuntimeError(f"tasks need each other: {key!r}")
            open_keys.add(key)
            stack.extend(missing)
            continue
        stack.pop()
        open_keys.discard(key)
        futures[key] = _submit(client, spec, task, futures)
    return [futures[key] for key in wanted]


def _submit(client, spec, task, futures: dict):
    if isinstance(task, spec.Alias):
        (target,) = task.dependencies
        return futures[target]
    if isinstance(task, spec.DataNode):
        return client.submit(_same, task.value, pure=False)
    if isinstance(task, spec.Task):
        args = [_argument(spec, arg, futures) for arg in task.args]
        keywords = {name: _argument(spec, arg, futures) for name, arg in (task.kwargs or {}).items()}
        if _NODE not in args and _NODE not in keywords.values() and not keywords.keys() & _OPTIONS:
            return client.submit(task.func, *args, pure=False, **keywords)
    return client.submit(_run, task, {key: futures[key] for key in task.dependencies}, pure=False)


class _Node:
    """That an argument has tasks inside."""

    def __eq__(self, other):
        return self is other

    __hash__ = object.__hash__


_NODE = _Node()
_OPTIONS = {"key", "workers", "resources", "retries", "priority", "fifo_timeout", "allow_other_workers"}
_OPTIONS |= {"actor", "actors", "pure", "timeout", "func"}


def _argument(spec, arg, futures: dict):
    if type(arg) is spec.TaskRef:
        return futures[arg.key]
    return _NODE if isinstance(arg, spec.GraphNode) or _holds_nodes(spec, arg) else arg


def _holds_nodes(spec, arg) -> bool:
    if isinstance(arg, dict):
        return any(_holds_nodes(spec, item) for item in arg.values())
    if isinstance(arg, (list, tuple, set, frozenset)):
        return any(_holds_nodes(spec, item) for item in arg)
    return isinstance(arg, (spec.GraphNode, spec.TaskRef))


def _same(value):
    return value


def _run(task, values: dict):
    return task(values)


def submit_collections(client, collections: list) -> list:
    """A future for each collection, and whatever is none as it is."""
    return [_collection(client, collection) for collection in collections]


def _collection(client, collection):
    from selion import _selion, is_selion_collection

    if is_selion_collection(collection):
        from selion.dask._graph import graph_of, joined

        parts = list(collection.__selion_parts__())
        dsk, keys = graph_of(parts)
        values = []
        for part, key in zip(parts, keys, strict=True):
            if type(part) is _selion.Array:
                values.append(client.submit(joined, part, submit_graph(client, dsk, key), pure=False))
            else:
                (value,) = submit_graph(client, dsk, [key])
                values.append(value)
        return client.submit(_finished, type(collection)._finish, values, pure=False)
    if hasattr(collection, "__dask_graph__") and collection.__dask_graph__() is not None:
        from selion.dask._get import flatten

        keys: list = []
        flatten(collection.__dask_keys__(), keys)
        finish, extra = collection.__dask_postcompute__()
        futures = submit_graph(client, collection.__dask_graph__(), keys)
        return client.submit(_nested, finish, extra, collection.__dask_keys__(), futures, pure=False)
    return collection


def _finished(finish, values):
    return finish(values)


def _nested(finish, extra, keys, values):
    from selion.dask._get import nest

    return finish(nest(keys, iter(values)), *extra)
