"""What is needed of Dask, imported when it is first needed: selion itself works without."""

from __future__ import annotations

import functools

from selion import _selion


def dask():
    """The package ``dask``.

    Raises
    ------
    ImportError
        If it is not installed, or too old.
    """
    try:
        import dask
        import dask._task_spec
    except ImportError as error:
        raise ImportError("selion.dask needs Dask, 2025.1 or newer: pip install 'dask[array]>=2025.1'") from error
    return dask


@functools.cache
def classes() -> _selion.DaskClasses:
    """Dask's classes of tasks."""
    spec = dask()._task_spec
    return _selion.DaskClasses(
        node=spec.GraphNode,
        reference=spec.TaskRef,
        task=spec.Task,
        alias=spec.Alias,
        data=spec.DataNode,
        list=spec.List,
        tuple=spec.Tuple,
        set=spec.Set,
        dict=spec.Dict,
    )
