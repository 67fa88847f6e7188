"""What one task does with a partition: take its items through all steps at once, and end with a value."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack

from selion._selion import Delayed, DelayedLeaf, delayed_container

__all__ = ["NOTHING", "Chain", "Held", "Source", "broadcast", "call", "settle"]


class _Nothing:
    """What an empty partition gives to a reduction."""

    def __repr__(self) -> str:
        return "<nothing>"

    def __reduce__(self) -> str:
        return "NOTHING"  # the same one in other processes


NOTHING = _Nothing()


class Held:
    """An object that is an argument as it is: nobody looks into it for values to come."""

    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value


class Source:
    """Items that are read when they are needed, such as the lines of a file."""

    def open(self, stack: ExitStack) -> Iterator:
        """The items; what must be closed after the last one is given to ``stack``."""
        raise NotImplementedError


def call(function, *args, label: str) -> Delayed:
    """A call, later, of a function that is no user's."""
    return DelayedLeaf(function, label, None, False, None)(*args)


def broadcast(x):
    """The same argument for every partition, ready to be given to calls."""
    if isinstance(x, Delayed):
        return x
    found = delayed_container(x, "argument", None, None)
    return Held(x) if found is None else found


def settle(items):
    """Items that can be looked at more than once: iterators become lists, also those within."""
    if isinstance(items, Iterator):
        items = list(items)
    elif isinstance(items, range):
        return list(items)
    if type(items) is list and items and isinstance(items[0], Iterator):
        return list(map(list, items))
    return items


class Chain:
    """Steps that follow each other, each from an iterable to an iterable, and what to make of the last.

    Iterators go from step to step, so that only what `end` keeps is in memory, and a step that is made of the
    iterators of the standard library costs an item nothing but the user's function.
    """

    __slots__ = ("end", "steps")

    def __init__(self, steps, end=settle):
        self.steps = steps  # with each, the number of arguments that it takes beside the items
        self.end = end

    def __call__(self, source, *others):
        items = source.value if type(source) is Held else source
        if not isinstance(items, Source):
            return self._run(items, others)
        with ExitStack() as stack:
            return self._run(items.open(stack), others)

    def _run(self, items, others):
        others = iter([other.value if type(other) is Held else other for other in others])
        for step, count in self.steps:
            items = step(items, *itertools.islice(others, count)) if count else step(items)
        return self.end(items)
