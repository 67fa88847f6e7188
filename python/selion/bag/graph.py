"""Graphs written by hand, as dictionaries: keys, and tasks that are tuples of a function and its arguments."""

from __future__ import annotations

from collections.abc import Hashable

from selion.bag.chain import call

__all__ = ["calls"]


def calls(dsk: dict, keys: list) -> list:
    """What computes the values of ``keys``."""
    made: dict = {}

    def value(x):
        if isinstance(x, tuple) and x and callable(x[0]):
            function, *args = x
            return call(function, *map(value, args), label=getattr(function, "__name__", "task"))
        if isinstance(x, list):
            return [value(item) for item in x]
        if isinstance(x, Hashable) and _has(dsk, x):
            if x not in made:
                made[x] = value(dsk[x])
            return made[x]
        return x

    for key in keys:
        if not _has(dsk, key):
            raise KeyError(f"{key} is not in the graph")
    return [value(key) for key in keys]


def _has(dsk: dict, key) -> bool:
    try:
        return key in dsk
    except TypeError:  # a tuple of what has no hash
        return False
