"""A progress bar."""

from __future__ import annotations

import sys
import threading
import time

from selion import _selion

__all__ = ["ProgressBar"]


class ProgressBar:
    """Shows how much of a computation is done, in a terminal or a notebook.

    Parameters
    ----------
    minimum : float
        Seconds before the bar appears.
    width : int
        Characters of the bar.
    dt : float
        Seconds between two looks.
    out : file, optional
        Where to write; ``sys.stdout`` by default.

    Examples
    --------
    >>> import selion
    >>> from selion.diagnostics import ProgressBar
    >>> with ProgressBar(width=10):
    ...     selion.delayed(sum)([1, 2]).compute()
    3
    [##########] | 100% Completed | ...
    """

    def __init__(self, minimum=0, width=40, dt=0.1, out=None):
        self._minimum = minimum
        self._width = width
        self._dt = dt
        self._file = out
        self._progress = None
        self.last_duration = 0

    def register(self):
        """Show the bar for all computations from now on."""
        if self._progress is not None:
            return
        self._progress = _selion.Progress()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="selion-progress")
        self._progress.register()
        self._thread.start()

    def unregister(self):
        """Show it no longer."""
        if self._progress is None:
            return
        self._stop.set()
        self._thread.join()
        self._progress.unregister()
        self._progress = None

    def __enter__(self):
        self.register()
        return self

    def __exit__(self, *exc):
        self.unregister()

    def _watch(self):
        """Looks at the counts until told to stop. A run of graphs that overlap in time is one bar."""
        before = (0, 0, 0)  # tasks, done and failed when the bar began
        start = time.perf_counter()
        shown = False
        while True:
            last = self._stop.wait(self._dt)
            tasks, done, running, failed = self._progress.counts()
            total, ran = tasks - before[0], done - before[1]
            elapsed = time.perf_counter() - start
            if total or failed > before[2]:
                over = not running
                if shown or elapsed >= self._minimum:
                    shown = True
                    self._draw(1 if over and failed == before[2] else ran / max(total, 1), elapsed)
                    if over or last:
                        self._write("\n")
                if over:
                    self.last_duration = elapsed
            if not running:
                before, start, shown = (tasks, done, failed), time.perf_counter(), False
            if last:
                return

    def _draw(self, part: float, elapsed: float):
        bar = "#" * int(self._width * part)
        self._write(f"\r[{bar:<{self._width}}] | {int(100 * part)}% Completed | {_seconds(elapsed)}")

    def _write(self, text: str):
        out = self._file if self._file is not None else sys.stdout
        out.write(text)
        out.flush()


def _seconds(elapsed: float) -> str:
    if elapsed < 60:
        return f"{elapsed:.1f} s"
    minutes, seconds = divmod(int(elapsed), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}hr {minutes}min {seconds}s" if hours else f"{minutes}min {seconds}s"
