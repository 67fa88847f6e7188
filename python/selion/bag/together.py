"""What brings items together that belong together."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from selion._selion import Delayed, DelayedLeaf
from selion.bag import elementwise, grouping
from selion.bag.base import Base, no_default
from selion.bag.chain import NOTHING, Chain, Held, broadcast, call
from selion.bag.item import Item

if TYPE_CHECKING:
    from selion.bag.core import Bag

__all__ = ["Together"]


class Together(Base):
    """The methods of bags that group and pair items."""

    __slots__ = ()

    def groupby(self, grouper, method=None, npartitions=None, blocksize=2**20, max_branch=None, shuffle=None) -> Bag:
        """Pairs of a key and the list of all items that have it.

        This moves every item; `foldby` is much cheaper where it will do.

        Parameters
        ----------
        grouper : callable or object
            The key of an item: a function, or a key or index.
        npartitions : int, optional
            How many partitions to make, if ``shuffle="disk"``; as many as there are by default.
        blocksize : int
            How many items to hold in memory at once, if ``shuffle="disk"``.
        max_branch : int, optional
            Between how many partitions to exchange items in one step, if ``shuffle="tasks"``; 32 by default.
        shuffle : {"disk", "tasks"}, optional
            Whether items go through files (the default), or stay in memory.

        Raises
        ------
        NotImplementedError
            For another ``shuffle``.

        Examples
        --------
        >>> import selion.bag as db
        >>> sorted(db.range(6, npartitions=2).groupby(lambda x: x % 2).compute())
        [(0, [0, 2, 4]), (1, [1, 3, 5])]
        """
        if method is not None:
            raise TypeError("The method= keyword has been moved to shuffle=")
        grouper, n = elementwise.getter(grouper), self.npartitions
        if shuffle in (None, "disk"):
            n = n if npartitions is None else npartitions
            shuffled = partial(grouping.shuffle_disk, grouper=grouper, npartitions=n, blocksize=blocksize)
        elif shuffle == "tasks":
            k, stages = grouping.stages_of(n, max_branch)
            n = k**stages
            shuffled = partial(grouping.shuffle_tasks, grouper=grouper, k=k, stages=stages)
        else:
            raise NotImplementedError(f"Shuffle must be 'disk' or 'tasks', got {shuffle!r}")
        return self._later(n, lambda: shuffled(self._lowered()), "groupby", self)

    def foldby(self, key, binop, initial=no_default, combine=None, combine_initial=no_default, split_every=None) -> Bag:
        """A fold of the items of each key: pairs of the key and the total, in one partition.

        Parameters
        ----------
        key : callable or object
            The key of an item: a function, or a key or index.
        binop : callable
            Of a total and an item.
        initial : object or callable, optional
            With what each key begins in each partition, or a function that makes it; the first item by default.
        combine : callable, optional
            Of two totals; ``binop`` by default.
        combine_initial : object or callable, optional
            With what each key begins when totals are combined.
        split_every : int or False, optional
            See `reduction`.

        Examples
        --------
        >>> import selion.bag as db
        >>> b = db.range(10, npartitions=3)
        >>> b.foldby(lambda x: x % 2, lambda total, x: total + x, 0, lambda a, b: a + b, 0).compute()
        [(0, 20), (1, 25)]
        """
        part = partial(grouping.fold_by, elementwise.getter(key), binop, initial)
        join = partial(grouping.combined, combine or binop, combine_initial)
        return self._reduced(part, join, split_every, type(self), "foldby")._then(dict.items, label="foldby")

    def join(self, other, on_self, on_other=None) -> Bag:
        """Pairs ``(item of other, item of this)`` whose keys are equal.

        Parameters
        ----------
        other : iterable, Delayed, or Bag of one partition
            It is held in memory.
        on_self : callable or object
            The key of an item of this bag: a function, or a key or index.
        on_other : callable or object, optional
            The key of an item of ``other``; as ``on_self`` by default.

        Raises
        ------
        NotImplementedError
            If ``other`` is a bag of several partitions.
        TypeError
            If ``other`` is nothing that can be joined.

        Examples
        --------
        >>> import selion.bag as db
        >>> people = db.from_sequence(["Alice", "Bob", "Charlie"])
        >>> people.join(["Bill"], on_self=lambda name: name[0], on_other=lambda name: "B").compute()
        [('Bill', 'Bob')]
        """
        if isinstance(other, Base) and other.npartitions > 1:
            raise NotImplementedError("join of bags that both have several partitions is not implemented")
        if not isinstance(other, (Base, Delayed, Item, Iterable)):
            kind = type(other).__name__
            raise TypeError(f"join takes a bag of one partition, a delayed object or an iterable, not {kind}")
        group = partial(grouping.group, elementwise.getter(on_self if on_other is None else on_other))
        if not isinstance(other, (Base, Delayed, Item)):
            other = list(other)
        groups = Item(lambda: _calls_of(group, other), "join")
        if isinstance(other, Base):
            other._users.add(groups)
        return self._then(partial(grouping.joined, elementwise.getter(on_self)), groups, label="join")

    def product(self, other: Bag) -> Bag:
        """All pairs of an item of this bag and one of another.

        Raises
        ------
        TypeError
            If ``other`` is no bag.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.from_sequence([1, 2]).product(db.from_sequence("ab")).compute()
        [(1, 'a'), (1, 'b'), (2, 'a'), (2, 'b')]
        """
        if not isinstance(other, Base):
            raise TypeError(f"product takes a bag, not {type(other).__name__}")

        def make():
            pairs = itertools.product(self._lowered(), other._lowered())
            return [call(_product, left, right, label="product") for left, right in pairs]

        return self._later(self.npartitions * other.npartitions, make, "product", self, other)

    def accumulate(self, binop, initial=no_default) -> Bag:
        """The running totals, as `itertools.accumulate`.

        Parameters
        ----------
        binop : callable
            Of a total and an item.
        initial : object, optional
            The first total, which is then the first item.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.range(5, npartitions=2).accumulate(lambda total, x: total + x).compute()
        [0, 1, 3, 6, 10]
        """

        def make():
            total, parts = Held(NOTHING), []
            for at, items in enumerate(self._lowered()):
                step = partial(grouping.accumulated, binop, initial, at == 0)
                both = DelayedLeaf(step, "accumulate", None, False, 2)(items, total)
                total = both[1]
                parts.append(both[0])
            return parts

        return self._later(self.npartitions, make, "accumulate", self)


def _calls_of(function, other) -> Delayed:
    """``function`` of the only partition of a bag, or of another collection or object."""
    if isinstance(other, Base):
        return other._calls(function, "join-other")[0]
    return call(Chain((), function), broadcast(other), label="join-other")


def _product(left, right) -> list:
    return list(itertools.product(left, right))
