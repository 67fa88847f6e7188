"""Functions that are called when futures are done."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable

from selion import _selion

__all__ = ["Callbacks"]


class Callbacks:
    """Calls functions when futures are done, on a thread of its own."""

    def __init__(self):
        self._completions = _selion.Completions()
        self._waiting: dict[int, tuple] = {}
        self._numbers = itertools.count(1)
        self._thread = None
        self._lock = threading.Lock()

    def add(self, future, function: Callable) -> None:
        number = next(self._numbers)
        with self._lock:
            self._waiting[number] = future, function
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name="selion-callbacks")
                self._thread.start()
        future._when_done(self._completions, number)

    def _run(self) -> None:
        while True:
            number = self._completions.next()
            if number == 0:
                return
            future, function = self._waiting.pop(number)
            try:
                function(future)
            except Exception:
                logging.getLogger("selion.distributed").exception("a callback of %r failed", future)
            del future, function

    def close(self) -> None:
        self._completions.push(0)
