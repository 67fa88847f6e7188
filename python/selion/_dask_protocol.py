"""Dask's protocol of collections, for those of selion that are made of calls: Dask takes them for its own.

Arrays are none: xarray's manager for Dask would claim them (see `selion.dask.to_dask`). Nothing of Dask is imported
before Dask asks.
"""

from __future__ import annotations

def _graph(self):
    from dask.highlevelgraph import HighLevelGraph

    from selion.dask._graph import delayed_tasks

    dsk, _ = delayed_tasks(list(self.__selion_parts__()))
    return HighLevelGraph.from_collections(self.__dask_layers__()[0], dsk, dependencies=())


def _keys(self) -> list:
    return [part.key for part in self.__selion_parts__()]


def _layers(self) -> tuple:
    return (f"selion-{_token(self)}",)


def _token(self) -> str:
    from selion._tokenize import tokenize

    return tokenize(self)


def _postcompute(self):
    return type(self)._finish, ()


def _postpersist(self):
    return _rebuilt, (type(self), _keys(self))


def _rebuilt(dsk, kind, keys, *, rename=None):
    from selion.delayed import delayed

    rename = rename or {}
    values = [dsk[rename.get(key, key)] for key in keys]
    return kind._persisted([delayed(_fetched, pure=False)(value) for value in values])


def _fetched(value):
    value = getattr(value, "value", value)  # of a node with data
    return value.result() if hasattr(value, "result") and hasattr(value, "key") else value


def _optimize(dsk, keys, **kwargs):
    return dsk


def _scheduler(dsk, keys, **kwargs):
    from selion.dask._get import get

    return get(dsk, keys, **kwargs)


def make_collection(kind) -> None:
    """Gives a class of selion's collections Dask's protocol; nothing of Dask is needed for that."""
    kind.__dask_graph__ = _graph
    kind.dask = property(_graph)
    kind.__dask_keys__ = _keys
    kind.__dask_layers__ = _layers
    kind.__dask_postcompute__ = _postcompute
    kind.__dask_postpersist__ = _postpersist
    kind.__dask_tokenize__ = _token
    kind.__dask_optimize__ = staticmethod(_optimize)
    kind.__dask_scheduler__ = staticmethod(_scheduler)
