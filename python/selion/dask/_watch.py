"""Dask's callbacks: progress bars, profilers, and what users wrote."""

from __future__ import annotations

import threading
from contextlib import contextmanager


class Watch:
    """Tells callbacks what happens, and keeps the state that they look at, which is that of Dask's own schedulers."""

    def __init__(self, graph: dict, callbacks: list):
        self.graph = graph
        self.before_task = [callback[2] for callback in callbacks if callback[2]]
        self.after_task = [callback[3] for callback in callbacks if callback[3]]
        self.lock = threading.Lock()
        # Only callbacks that do not want to know what tasks give let tasks be fused.
        self.takes_no_values = all(_takes_no_values(callback) for callback in callbacks)
        dependencies = {key: set(task.dependencies) for key, task in graph.items()}
        dependents: dict = {key: set() for key in graph}
        for key, needs in dependencies.items():
            for need in needs:
                dependents.setdefault(need, set()).add(key)
        self.state = {
            "dependencies": dependencies,
            "dependents": dependents,
            "waiting": {key: set(needs) for key, needs in dependencies.items() if needs},
            "waiting_data": {key: set(readers) for key, readers in dependents.items() if readers},
            "cache": {},
            "ready": [key for key, needs in dependencies.items() if not needs],
            "running": set(),
            "finished": set(),
            "released": set(),
        }

    def before(self, key) -> None:
        """A task is about to run. What it needs has run, though nothing may have been said of it: data, and aliases."""
        with self.lock:
            for need in self.state["dependencies"][key] - self.state["finished"]:
                self._finish(need)
            self._start(key)
            for tell in self.before_task:
                tell(key, self.graph, self.state)

    def after(self, key, result) -> None:
        """A task has run."""
        with self.lock:
            self._finish(key)
            for tell in self.after_task:
                tell(key, result, self.graph, self.state, threading.get_ident())

    def _start(self, key) -> None:
        self.state["waiting"].pop(key, None)
        if key in self.state["ready"]:
            self.state["ready"].remove(key)
        self.state["running"].add(key)

    def _finish(self, key) -> None:
        state = self.state
        self._start(key)
        state["running"].discard(key)
        state["finished"].add(key)
        for reader in state["dependents"].get(key, ()):
            waits = state["waiting"].get(reader)
            if waits is not None:
                waits.discard(key)
                if not waits:
                    del state["waiting"][reader]
                    state["ready"].append(reader)
        for need in state["dependencies"].get(key, ()):
            readers = state["waiting_data"].get(need)
            if readers is not None:
                readers.discard(key)
                if not readers:
                    del state["waiting_data"][need]
                    state["released"].add(need)


def _takes_no_values(callback) -> bool:
    from dask.diagnostics import ProgressBar, ResourceProfiler

    owners = [getattr(function, "__self__", None) for function in callback if function]
    return all(type(owner) in (ProgressBar, ResourceProfiler) for owner in owners)


@contextmanager
def watched(graph: dict, callbacks=None):
    """Tells the callbacks of the start and the end; gives what tells them of tasks, or None if nobody wants to know.

    As with Dask, only the outermost of nested computations is told of.
    """
    from dask.callbacks import local_callbacks

    if isinstance(callbacks, tuple):
        callbacks = [callbacks]
    with local_callbacks(callbacks) as active:
        active = list(active)
        if not active:
            yield None
            return
        started, failed = [], True
        watch = None
        try:
            for callback in active:
                if callback[0]:
                    callback[0](graph)
                started.append(callback)
            watch = Watch(graph, active)
            for callback in active:
                if callback[1]:
                    callback[1](graph, watch.state)
            yield watch
            failed = False
        finally:
            for callback in started:
                if callback[4]:
                    callback[4](graph, watch.state if watch else {}, failed)
