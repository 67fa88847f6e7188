"""What is made of all items together."""

from __future__ import annotations

import itertools
import math
import operator
from functools import partial
from typing import TYPE_CHECKING

from selion.bag import elementwise, reductions
from selion.bag.base import Base, no_default
from selion.bag.chain import NOTHING, call, settle
from selion.bag.item import Item, function_name

if TYPE_CHECKING:
    from selion.bag.core import Bag

__all__ = ["Totals"]


class Totals(Base):
    """The methods of bags that reduce them."""

    __slots__ = ()

    def reduction(self, perpartition, aggregate, split_every=None, out_type=Item, name=None):
        """Reduce each partition, and then what these gave, in a tree.

        Parameters
        ----------
        perpartition : callable
            Of the items of a partition, as an iterable.
        aggregate : callable
            Of a list of results of ``perpartition`` or of its own. Empty partitions give none, unless all are empty.
        split_every : int or False, optional
            How many results to bring together in one step: 8 by default; all, if False.
        out_type : type
            `Item`; or `Bag`, if the result is the only partition of a bag.
        name : str, optional
            What to call the steps.

        Raises
        ------
        ValueError
            If ``split_every`` is less than 2.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.range(10, npartitions=3).reduction(sum, sum).compute()
        45
        """
        part = perpartition if self.npartitions == 1 else partial(reductions.or_nothing, perpartition)
        return self._reduced(part, aggregate, split_every, out_type, name or function_name(perpartition))

    def _reduced(self, part, aggregate, split_every, out_type, name: str):
        """A reduction whose first step can tell empty partitions itself."""
        split_every = reductions.checked_split(split_every, self.npartitions)

        def make():
            return reductions.tree(self._calls(part, f"{name}-part"), aggregate, split_every, f"{name}-aggregate")

        if out_type is Item:
            made = Item(make, name)
            self._users.add(made)
            return made
        return self._later(1, lambda: [call(settle, make(), label=name)], name, self)

    def fold(self, binop, combine=None, initial=no_default, split_every=None, out_type=Item):
        """A fold, as `functools.reduce`, of each partition, and then of what these gave.

        Parameters
        ----------
        binop : callable
            Of a total and an item.
        combine : callable, optional
            Of two totals; ``binop`` by default.
        initial : object, optional
            With what each partition begins.
        split_every : int or False, optional
            See `reduction`.
        out_type : type
            See `reduction`.

        Examples
        --------
        >>> import selion.bag as db
        >>> b = db.from_sequence(["a", "b", "a", "c"], npartitions=2)
        >>> sorted(b.fold(lambda seen, x: seen | {x}, set.union, initial=set()).compute())
        ['a', 'b', 'c']
        """
        fold = partial(reductions.folded, binop, initial)
        join = partial(reductions.folded_totals, combine or binop, initial)
        return self.reduction(fold, join, split_every, out_type, f"fold-{function_name(binop)}")

    def sum(self, split_every=None) -> Item:
        """The sum of all items.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.range(10, npartitions=3).sum().compute()
        45
        """
        return self._reduced(sum, sum, split_every, Item, "sum")

    def max(self, split_every=None) -> Item:
        """The largest item.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.range(10, npartitions=3).max().compute()
        9
        """
        part = max if self.npartitions == 1 else partial(max, default=NOTHING)
        return self._reduced(part, max, split_every, Item, "max")

    def min(self, split_every=None) -> Item:
        """The smallest item.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.range(10, npartitions=3).min().compute()
        0
        """
        part = min if self.npartitions == 1 else partial(min, default=NOTHING)
        return self._reduced(part, min, split_every, Item, "min")

    def any(self, split_every=None) -> Item:
        """Whether any item is true.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.from_sequence([False, True]).any().compute()
        True
        """
        return self._reduced(any, any, split_every, Item, "any")

    def all(self, split_every=None) -> Item:
        """Whether all items are true.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.from_sequence([False, True]).all().compute()
        False
        """
        return self._reduced(all, all, split_every, Item, "all")

    def count(self, split_every=None) -> Item:
        """How many items there are.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.range(10, npartitions=3).count().compute()
        10
        """
        return self._reduced(reductions.count_items, sum, split_every, Item, "count")

    def mean(self) -> Item:
        """The arithmetic mean, as a float.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.range(10, npartitions=3).mean().compute()
        4.5
        """
        return self._reduced(reductions.mean_part, reductions.mean_aggregate, False, Item, "mean")

    def var(self, ddof: int = 0) -> Item:
        """The variance.

        Parameters
        ----------
        ddof : int
            The sum of squares is divided by the number of items less this.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.range(5, npartitions=2).var(ddof=1).compute()
        2.5
        """
        return self._reduced(reductions.var_part, partial(reductions.var_aggregate, ddof), False, Item, "var")

    def std(self, ddof: int = 0) -> Item:
        """The standard deviation. See `var` for the parameter.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.from_sequence([1, 1, 5, 5]).std().compute()
        2.0
        """
        return self.var(ddof=ddof).apply(math.sqrt)

    def frequencies(self, split_every=None, sort: bool = False) -> Bag:
        """How often each item is there: pairs of the item and a number, in one partition.

        Parameters
        ----------
        split_every : int or False, optional
            See `reduction`.
        sort : bool
            Whether the most frequent come first.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.from_sequence(["b", "a", "a"]).frequencies(sort=True).compute()
        [('a', 2), ('b', 1)]
        """
        args = reductions.frequencies_of, reductions.merge_frequencies, split_every, type(self), "frequencies"
        pairs = self._reduced(*args)._then(dict.items, label="frequencies")
        if not sort:
            return pairs
        return pairs._then(partial(sorted, key=operator.itemgetter(1), reverse=True), label="sorted")

    def topk(self, k: int, key=None, split_every=None) -> Bag:
        """The ``k`` largest items, the largest first, in one partition.

        Parameters
        ----------
        k : int
        key : callable or object, optional
            What to compare: a function of an item (or of its parts, if it takes several arguments), or a key or index.
        split_every : int or False, optional
            See `reduction`.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.from_sequence([10, 3, 5, 7]).topk(2).compute()
        [10, 7]
        >>> db.from_sequence([(1, "b"), (2, "a")]).topk(1, key=1).compute()
        [(1, 'b')]
        """
        if key is not None:
            key = reductions.key_of_one(key) if callable(key) else elementwise.getter(key)
        part = partial(reductions.top, k, key)
        return self._reduced(part, _over_all(part), split_every, type(self), "topk")

    def distinct(self, key=None) -> Bag:
        """The different items (the first with each key), in one partition.

        Parameters
        ----------
        key : callable or object, optional
            What must be different: a function of an item, or a key or index.

        Examples
        --------
        >>> import selion.bag as db
        >>> sorted(db.from_sequence(["Alice", "Bob", "Alice"]).distinct().compute())
        ['Alice', 'Bob']
        >>> db.from_sequence([{"a": 1, "b": 0}, {"a": 1, "b": 2}]).distinct("a").compute()
        [{'a': 1, 'b': 0}]
        """
        if key is not None and not callable(key):
            key = operator.itemgetter(key)
        part = partial(reductions.distinct_items, key)
        return self._reduced(part, _over_all(part), None, type(self), "distinct")


def _over_all(part):
    """The same of all parts as of one."""
    return lambda parts: part(itertools.chain.from_iterable(parts))
