"""selion as Dask's default scheduler."""

from __future__ import annotations

from selion.dask._get import get
from selion.dask._imports import dask

_enabled: list[enable] = []


class enable:
    """Make selion compute everything that Dask computes, for good or, as a context manager, for a while.

    Raises
    ------
    ImportError
        If Dask is not installed, or too old.

    Examples
    --------
    >>> import dask, selion.dask
    >>> with selion.dask.enable():
    ...     dask.delayed(sum)([1, 2]).compute()
    3
    """

    def __init__(self):
        self._setting = dask().config.set(scheduler=get)
        _enabled.append(self)

    def __enter__(self) -> enable:
        return self

    def __exit__(self, *exc) -> None:
        if self in _enabled:
            _enabled.remove(self)
            self._setting.__exit__(*exc)


def disable() -> None:
    """Let Dask compute as it did before `enable`.

    Examples
    --------
    >>> import dask, selion.dask
    >>> _ = selion.dask.enable()
    >>> selion.dask.disable()
    >>> dask.config.get("scheduler", None) is None
    True
    """
    while _enabled:
        _enabled[-1].__exit__(None, None, None)
