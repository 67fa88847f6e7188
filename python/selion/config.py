"""Settings: ``selion.config.set({"memory_limit": "512MiB"})``, ``SELION_MEMORY_LIMIT=512MiB``, or a TOML file.

The file is the one that ``SELION_CONFIG`` names, else ``selion/selion.toml`` in the user's configuration folder.
"""

from __future__ import annotations

import builtins

from selion import _base, _selion

__all__ = ["describe", "get", "set"]

_missing = object()


def get(key: str, default=_missing):
    """The value of a setting, or ``default`` where it is not set.

    Raises
    ------
    KeyError
        If there is no such setting; the message suggests the nearest.

    Examples
    --------
    >>> import selion
    >>> selion.config.get("array.chunk-size")
    134217728
    """
    try:
        value = _selion.get_setting(key)
    except KeyError:
        if default is _missing:
            raise
        return default
    return default if value is None and default is not _missing else value


class set:
    """Change settings, for good or, as a context manager, for a while.

    Parameters
    ----------
    arg : dict, optional
        Names and values.
    kwargs
        More of them; a double underscore stands for a dot.

    Raises
    ------
    KeyError
        If there is no such setting; then none is changed.

    Examples
    --------
    >>> import selion
    >>> with selion.config.set({"memory_limit": "512MiB"}):
    ...     selion.config.get("memory_limit")
    536870912
    """

    def __init__(self, arg: dict | None = None, **kwargs):
        values = dict(arg or {})
        values.update((key.replace("__", "."), value) for key, value in kwargs.items())
        self._scheduler = _base.chosen_scheduler
        if "scheduler" in values and not isinstance(values["scheduler"], (str, type(None))):
            _base.chosen_scheduler = values.pop("scheduler")
        elif "scheduler" in values:
            _base.chosen_scheduler = None
        self._before = {key: _selion.get_setting(key) for key in values}
        _selion.set_settings(values)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        _base.chosen_scheduler = self._scheduler
        _selion.set_settings(self._before)


def describe() -> builtins.list[tuple[str, str, str]]:
    """All settings: name, default, and what each does."""
    return _selion.list_settings()
