"""How far tasks are."""

from __future__ import annotations

import sys
import time

from selion.distributed.future import futures_of

__all__ = ["progress"]


def progress(*futures, notebook: bool | None = None, multi: bool = True, complete: bool = True, **kwargs):
    """Shows how many of some futures are done: on a terminal a bar, until all are; in a notebook at once.

    Parameters
    ----------
    *futures : Future or nests of futures
    notebook : bool, optional
        Whether this is a notebook; found out if not given.

    Examples
    --------
    >>> from selion.distributed import Client, progress
    >>> with Client(n_workers=1, processes=False) as client:
    ...     progress(client.map(abs, [-1, -2]))
    [########################################] | 100% Completed |  ... s
    """
    found = futures_of(list(futures))
    if not found:
        raise TypeError("progress takes futures, or collections of them")
    if notebook is None:
        notebook = "ipykernel" in sys.modules
    if notebook:
        return _Bar(found)
    _Bar(found).show()
    return None


class _Bar:
    """The bar of some futures."""

    _WIDTH = 40

    def __init__(self, futures):
        self._futures = futures
        self._since = time.monotonic()

    def _done(self) -> int:
        return sum(future.done() for future in self._futures)

    def text(self) -> str:
        """One line."""
        done, total = self._done(), len(self._futures)
        filled = self._WIDTH * done // total
        bar = "#" * filled + " " * (self._WIDTH - filled)
        return f"[{bar}] | {100 * done // total}% Completed | {time.monotonic() - self._since:5.1f} s"

    def show(self) -> None:
        """Writes the line again and again, until all are done."""
        terminal = sys.stdout.isatty()
        client = self._futures[0].client
        while not client._native.wait(self._futures, len(self._futures), 0.1):
            if terminal:
                sys.stdout.write("\r" + self.text())
                sys.stdout.flush()
        sys.stdout.write(("\r" if terminal else "") + self.text() + "\n")
        sys.stdout.flush()

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        done, total = self._done(), len(self._futures)
        return f'<progress value="{done}" max="{total}"></progress> {done} of {total} done'
