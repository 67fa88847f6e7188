"""What `selion.get` will do with a Dask collection."""

from __future__ import annotations

import contextlib

from selion import _selion
from selion.dask._functions import functions
from selion.dask._get import flatten, tasks_of
from selion.dask._imports import classes, dask


class Explanation:
    """How a graph of Dask runs on selion.

    Attributes
    ----------
    tasks : int
        Tasks of the graph, those within fused ones counted one by one.
    lifted : int
        Tasks whose functions selion has natively.
    native : int
        Tasks that those become: each is one or several fused programs.
    left : list of (str, int)
        Functions that stay calls of Python, and how many tasks call each, most frequent first.
    """

    def __init__(self, tasks: int, lifted: int, native: int, left: list):
        self.tasks, self.lifted, self.native = tasks, lifted, native
        self.left = left

    def __repr__(self) -> str:
        share = 100 * self.lifted / self.tasks if self.tasks else 100
        lines = [f"{self.tasks} tasks; {self.lifted} ({share:.0f} %) are native, fused to {self.native}"]
        lines += [f"{count:>8} calls of {name} stay in Python" for name, count in self.left]
        return "\n".join(lines)


def explain(*collections, optimize_graph: bool = True) -> Explanation:
    """Say what computing Dask collections with `selion.get` will do; nothing is computed.

    Inputs that turn out not to be plain NumPy arrays of a dtype that selion has are left to Python when they run.

    Examples
    --------
    >>> import dask.array as da, selion.dask
    >>> x = da.ones((4, 4), chunks=2)
    >>> selion.dask.explain((x + 1).sum()).left
    [('dask.array.core.finalize', 1)]
    """
    seen = []

    def look(dsk, keys, **kwargs):
        wanted: list = []
        flatten(keys, wanted)
        seen.append(_selion.dask_explain(tasks_of(dsk), wanted, classes(), functions()))
        raise _Looked

    with contextlib.suppress(_Looked):
        dask().compute(*collections, scheduler=look, optimize_graph=optimize_graph)
    if not seen:
        return Explanation(0, 0, 0, [])
    tasks, lifted, native, left = seen[0]
    counts: dict = {}
    for function, count in left:
        name = _name(function)
        counts[name] = counts.get(name, 0) + count
    return Explanation(tasks, lifted, native, sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


class _Looked(Exception):
    """The graph was seen."""


def _name(function) -> str:
    while hasattr(function, "func"):  # partial
        function = function.func
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if name is None:
        return type(function).__qualname__
    return f"{module}.{name}" if module not in (None, "builtins") else name
