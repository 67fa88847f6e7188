"""What a bag is made of, and how calls are made of it."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterable

from selion._selion import Delayed, DelayedLeaf
from selion.bag.chain import NOTHING, Chain, Held, Source, broadcast, settle
from selion.bag.item import Item, Lazy

__all__ = ["Base", "Each", "no_default"]

LONGEST = 64  # steps in one call

no_default = NOTHING


class Each:
    """An argument that is another one for each partition."""

    __slots__ = ("values",)

    def __init__(self, values):
        self.values = values


class Base(Lazy):
    """The state of a bag.

    It is one of: lists that calls give (`_natives`); sources, one for each partition; another bag (`_parent`) and a
    step of its partitions; or what `_make` will make calls of. All become the first when they are asked for as they
    are. What is made of a bag that nothing else is made of takes over its steps instead.
    """

    __slots__ = (
        "__weakref__",
        "_extras",
        "_is_cheap",
        "_is_wanted",
        "_label",
        "_make",
        "_natives",
        "_parent",
        "_sources",
        "_step",
        "_users",
        "npartitions",
    )

    def _begin(self, npartitions: int, label: str) -> None:
        self.npartitions = npartitions
        self._label = label
        self._natives: list[Delayed] | None = None
        self._sources = self._parent = self._step = self._make = None
        self._extras: tuple = ()
        self._is_cheap = self._is_wanted = False
        self._users: weakref.WeakSet = weakref.WeakSet()

    @classmethod
    def _new(cls, npartitions: int, label: str) -> Base:
        bag = cls.__new__(cls)
        bag._begin(npartitions, label)
        return bag

    @classmethod
    def _of_natives(cls, natives, label: str) -> Base:
        bag = cls._new(len(natives), label)
        bag._natives = list(natives)
        return bag

    @classmethod
    def _of_sources(cls, sources: list, label: str) -> Base:
        bag = cls._new(len(sources), label)
        bag._sources = sources
        bag._is_cheap = all(type(source) is Held and not isinstance(source.value, Source) for source in sources)
        return bag

    @classmethod
    def _later(cls, npartitions: int, make, label: str, *used: Base) -> Base:
        """The bag whose partitions are the calls that ``make`` makes."""
        bag = cls._new(npartitions, label)
        bag._make = make
        for other in used:
            other._users.add(bag)
        return bag

    def _then(self, step, *extras, label: str) -> Base:
        """A step more for each partition. It gets the items, and for each of ``extras`` an argument."""
        bag = self._new(self.npartitions, label)
        bag._parent, bag._step, bag._extras = self, step, extras
        for used in (self, *[extra for extra in extras if isinstance(extra, Base)]):
            used._users.add(bag)
        return bag

    # ---- to calls ----------------------------------------------------------------------------------------------------

    def _is_shared(self) -> bool:
        """Whether several others need the items, so that they are to be kept as lists."""
        return not self._is_cheap and len(self._users) + self._is_wanted > 1

    def _lowered(self) -> list[Delayed]:
        """For each partition, the call that makes a list of its items."""
        if self._natives is None:
            natives = self._make() if self._make else self._calls(settle, self._label, own=True)
            self._sources = self._parent = self._step = self._make = None
            self._natives, self._extras = natives, ()
        return self._natives

    def _calls(self, end, label: str, own=False, alone=False, count: int | None = None) -> list[Delayed]:
        """For each partition, one call that ends in ``end`` and begins at the last lists that are kept.

        Lists of the bag itself are not kept if it asks for its ``own`` calls, and none if these are ``alone``.
        """
        steps, columns = [], []
        bag = self
        while bag._parent is not None and len(steps) < LONGEST and (own or alone or not bag._is_shared()):
            steps.append((bag._step, len(bag._extras)))
            columns[:0] = [_column(extra) for extra in bag._extras]
            bag, own = bag._parent, False
        if bag._sources is not None and (own or alone or not bag._is_shared()):
            sources = bag._sources
        else:
            sources = bag._lowered()
        leaf = DelayedLeaf(Chain(tuple(reversed(steps)), end), label, None, False, None)
        return [leaf(*args) for args in itertools.islice(zip(sources, *columns, strict=False), count)]

    def __selion_wanted__(self) -> None:
        """Says that the items themselves will be asked for, together with other collections."""
        self._is_wanted = True

    def __selion_parts__(self):
        return self._lowered()

    @staticmethod
    def _finish(values):
        if values and isinstance(values[0], Iterable) and not isinstance(values[0], str):
            return list(itertools.chain.from_iterable(values))
        return values

    @classmethod
    def _persisted(cls, natives) -> Base:
        return cls._of_natives(natives, "persisted")


def _column(extra):
    """An argument for each partition."""
    if isinstance(extra, Base):
        return extra._lowered()
    if isinstance(extra, Each):
        return [Held(value) for value in extra.values]
    return itertools.repeat(broadcast(extra._lowered() if isinstance(extra, Item) else extra))
