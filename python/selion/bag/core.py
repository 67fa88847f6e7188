"""The classes ``Bag`` and ``Item``."""

from __future__ import annotations

import builtins
import itertools
import math
import operator
import warnings
import weakref
from collections.abc import Callable, Iterable
from functools import partial

from selion._base import compute, persist
from selion._dask_protocol import make_collection
from selion._selion import Delayed, DelayedLeaf
from selion._visualize import visualize
from selion.bag import elementwise, files, graph, grouping, reductions
from selion.bag.chain import NOTHING, Chain, Held, Source, broadcast, call, settle
from selion.bag.strings import StringAccessor
from selion.delayed import delayed

__all__ = ["Bag", "Item", "map", "map_partitions", "to_textfiles"]

LONGEST = 64  # steps in one call

no_default = NOTHING


def _function_name(function) -> str:
    while isinstance(function, partial):
        function = function.func
    name = getattr(function, "__name__", None)
    return name if isinstance(name, str) else type(function).__name__


class Each:
    """An argument that is another one for each partition."""

    __slots__ = ("values",)

    def __init__(self, values):
        self.values = values


class _Lazy:
    """What collections of this module have in common."""

    __slots__ = ()

    def compute(self, **kwargs):
        """What this gives. See `selion.compute` for the parameters.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.from_sequence([1, 2, 3]).compute()
        [1, 2, 3]
        >>> db.from_sequence([1, 2, 3]).sum().compute()
        6
        """
        return compute(self, traverse=False, **kwargs)[0]

    def persist(self, **kwargs):
        """Start to compute in the background, and keep what comes in memory. See `selion.persist`.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.from_sequence([1, 2, 3]).map(str).persist().compute()
        ['1', '2', '3']
        """
        return persist(self, traverse=False, **kwargs)[0]

    def visualize(self, filename="mydask", format=None, optimize_graph=False, **kwargs):
        """Draw what computing this will do. See `selion.visualize`."""
        return visualize(self, filename=filename, format=format, optimize_graph=optimize_graph, **kwargs)


class Item(_Lazy):
    """One value to come, made of a bag.

    Examples
    --------
    >>> import selion.bag as db
    >>> total = db.from_sequence([1, 2, 3]).sum()
    >>> total.compute(), int(total)
    (6, 6)
    """

    __slots__ = ("__weakref__", "_label", "_make", "_native")

    def __init__(self, make: Callable[[], Delayed], label: str):
        self._native: Delayed | None = None
        self._make = make
        self._label = label

    def _lowered(self) -> Delayed:
        if self._native is None:
            self._native, self._make = self._make(), None
        return self._native

    def __selion_parts__(self):
        return (self._lowered(),)

    @staticmethod
    def _finish(values):
        return values[0]

    def __reduce__(self):
        return Item._persisted, (self.__selion_parts__(),)

    @staticmethod
    def _persisted(natives) -> Item:
        return Item(lambda: natives[0], "persisted")

    @property
    def key(self) -> str:
        """The name by which the value is known."""
        return self._lowered().key

    name = key

    def __repr__(self) -> str:
        return f"selion.bag.Item<{self._label}>"

    @staticmethod
    def from_delayed(value) -> Item:
        """An item of a delayed value.

        Raises
        ------
        TypeError
            If ``value`` is no lazy collection.

        Examples
        --------
        >>> import selion, selion.bag as db
        >>> db.Item.from_delayed(selion.delayed(len)("abc")).apply(float).compute()
        3.0
        """
        if not hasattr(type(value), "__selion_parts__"):
            raise TypeError(f"from_delayed takes a delayed value, not {type(value).__name__}")
        return Item(lambda: delayed(value), "from_delayed")

    def apply(self, func) -> Item:
        """``func`` of the value.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.from_sequence([1, 2, 3]).max().apply(str).compute()
        '3'
        """
        name = _function_name(func)
        return Item(lambda: call(func, self._lowered(), label=name), name)

    def to_delayed(self, optimize_graph: bool = True) -> Delayed:
        """The value, as that of a delayed call.

        Examples
        --------
        >>> import selion.bag as db
        >>> (db.from_sequence([1, 2, 3]).sum().to_delayed() + 1).compute()
        7
        """
        return self._lowered()

    def __int__(self) -> int:
        return int(self.compute())

    def __float__(self) -> float:
        return float(self.compute())

    def __complex__(self) -> complex:
        return complex(self.compute())

    def __bool__(self) -> bool:
        return bool(self.compute())


class Bag(_Lazy):
    """Many Python objects, in partitions, with parallel versions of what is done with iterables.

    Made by `from_sequence`, `read_text` and the other functions of this module. A function that is applied to a
    partition gets an iterator where it can: steps that follow each other hold one item at a time.

    Examples
    --------
    >>> import selion.bag as db
    >>> b = db.from_sequence(range(5), npartitions=2)
    >>> b.filter(lambda x: x % 2 == 0).map(lambda x: x * 10).compute()
    [0, 20, 40]
    >>> int(b.fold(lambda x, y: x + y))
    10
    """

    # A bag is one of: lists that calls give (`_natives`); sources, one for each partition; another bag (`_parent`)
    # and a step of its partitions; or what `_make` will make calls of. All become the first when they are asked for
    # as they are. What is made of a bag that nothing else is made of takes over its steps instead.
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

    def __init__(self, dsk: dict, name: builtins.str, npartitions: int):
        """The partitions ``(name, 0)``, ``(name, 1)``, … of a graph: tasks are tuples of a function and arguments.

        Examples
        --------
        >>> import selion.bag as db
        >>> graph = {("x", 0): (range, 3), ("x", 1): (list, "top"), "top": (range, 9, 10)}
        >>> db.Bag(graph, "x", npartitions=2).compute()
        [0, 1, 2, 9]
        """
        keys = [(name, at) for at in builtins.range(npartitions)]
        self._begin(npartitions, name)
        self._make = lambda: [call(settle, task, label=name) for task in graph.calls(dsk, keys)]

    def _begin(self, npartitions: int, label: builtins.str) -> None:
        self.npartitions = npartitions
        self._label = label
        self._natives: list[Delayed] | None = None
        self._sources = self._parent = self._step = self._make = None
        self._extras: tuple = ()
        self._is_cheap = self._is_wanted = False
        self._users: weakref.WeakSet = weakref.WeakSet()

    @classmethod
    def _new(cls, npartitions: int, label: builtins.str) -> Bag:
        bag = cls.__new__(cls)
        bag._begin(npartitions, label)
        return bag

    @classmethod
    def _of_natives(cls, natives, label: str) -> Bag:
        bag = cls._new(len(natives), label)
        bag._natives = list(natives)
        return bag

    @classmethod
    def _of_sources(cls, sources: list, label: str) -> Bag:
        bag = cls._new(len(sources), label)
        bag._sources = sources
        bag._is_cheap = all(type(source) is Held and not isinstance(source.value, Source) for source in sources)
        return bag

    @classmethod
    def _later(cls, npartitions: int, make, label: str, *used: Bag) -> Bag:
        """The bag whose partitions are the calls that ``make`` makes."""
        bag = cls._new(npartitions, label)
        bag._make = make
        for other in used:
            other._users.add(bag)
        return bag

    def _then(self, step, *extras, label: str) -> Bag:
        """A step more for each partition. It gets the items, and for each of ``extras`` an argument."""
        bag = Bag._new(self.npartitions, label)
        bag._parent, bag._step, bag._extras = self, step, extras
        for used in (self, *[extra for extra in extras if isinstance(extra, Bag)]):
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

    def _calls(self, end, label: builtins.str, own=False, alone=False, count: int | None = None) -> list[Delayed]:
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
        return [leaf(*args) for args in itertools.islice(builtins.zip(sources, *columns, strict=False), count)]

    def __selion_wanted__(self) -> None:
        """Says that the items themselves will be asked for, together with other collections."""
        self._is_wanted = True

    def __selion_parts__(self):
        return self._lowered()

    @staticmethod
    def _finish(values):
        if values and isinstance(values[0], Iterable) and not isinstance(values[0], builtins.str):
            return list(itertools.chain.from_iterable(values))
        return values

    def __reduce__(self):
        return Bag._persisted, (self.__selion_parts__(),)

    @classmethod
    def _persisted(cls, natives) -> Bag:
        return cls._of_natives(natives, "persisted")

    def __iter__(self):
        return iter(self.compute())

    def __repr__(self) -> str:
        return f"selion.bag<{self._label}, npartitions={self.npartitions}>"

    @property
    def name(self) -> str:
        """What the bag is called, and a number that no other has."""
        return f"{self._label}-{id(self):x}"

    @property
    def str(self) -> StringAccessor:
        """The methods of strings, for each item.

        Examples
        --------
        >>> import selion.bag as db
        >>> b = db.from_sequence(["Alice Smith", "Bob Jones"])
        >>> b.str.upper().compute(), b.str.match("*Smith").compute()
        (['ALICE SMITH', 'BOB JONES'], ['Alice Smith'])
        """
        return StringAccessor(self)

    # ---- item by item ------------------------------------------------------------------------------------------------

    def map(self, func, *args, **kwargs) -> Bag:
        """``func`` of each item.

        Parameters
        ----------
        func : callable
        *args, **kwargs : Bag, Item, Delayed or object
            More arguments of ``func``, after the item. Of a bag, it gets the item at the same place; its partitions
            must have as many items. Anything else is the same for all items.

        Returns
        -------
        Bag

        Raises
        ------
        ValueError
            If the bags do not have the same number of partitions; when computed, if these do not have as many items.

        Examples
        --------
        >>> import selion.bag as db
        >>> b = db.range(5, npartitions=2)
        >>> b.map(lambda x: x + 1).compute()
        [1, 2, 3, 4, 5]
        >>> b.map(divmod, 2).compute()
        [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]
        >>> b.map(lambda x, top: x / top, top=b.max()).compute()
        [0.0, 0.25, 0.5, 0.75, 1.0]
        """
        return map(func, self, *args, **kwargs)

    def starmap(self, func, **kwargs) -> Bag:
        """``func(*item)`` of each item, which is a tuple of arguments.

        Parameters
        ----------
        func : callable
        **kwargs : Item, Delayed or object
            Keywords of ``func``, the same for all items.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.from_sequence([(1, 2), (3, 4)]).starmap(lambda x, y, z=0: x + y + z, z=10).compute()
        [13, 17]
        """
        label = f"starmap-{_function_name(func)}"
        if not kwargs:
            return self._then(partial(itertools.starmap, func), label=label)
        names = list(kwargs)

        def step(items, *values):
            return itertools.starmap(partial(func, **dict(builtins.zip(names, values, strict=True))), items)

        return self._then(step, *kwargs.values(), label=label)

    def filter(self, predicate) -> Bag:
        """The items for which ``predicate`` is true.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.range(5, npartitions=2).filter(lambda x: x % 2 == 0).compute()
        [0, 2, 4]
        """
        return self._then(partial(builtins.filter, predicate), label=f"filter-{_function_name(predicate)}")

    def remove(self, predicate) -> Bag:
        """The items for which ``predicate`` is not true.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.range(5, npartitions=2).remove(lambda x: x % 2 == 0).compute()
        [1, 3]
        """
        return self._then(partial(itertools.filterfalse, predicate), label=f"remove-{_function_name(predicate)}")

    def map_partitions(self, func, *args, **kwargs) -> Bag:
        """``func`` of each whole partition.

        Parameters
        ----------
        func : callable
            It gets an iterable, which may be an iterator, and returns one: the new partition.
        *args, **kwargs : Bag, Item, Delayed or object
            More arguments of ``func``. Of a bag, it gets the partition at the same place.

        Raises
        ------
        ValueError
            If the bags do not have the same number of partitions.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.range(6, npartitions=2).map_partitions(lambda items, by: [sum(items) * by], 10).compute()
        [30, 120]
        """
        return map_partitions(func, self, *args, **kwargs)

    def pluck(self, key, default=no_default) -> Bag:
        """What each item has at ``key``.

        Parameters
        ----------
        key : object
            A key or index; or a list of them, for a tuple of what is there.
        default : object, optional
            What to give where there is nothing.

        Examples
        --------
        >>> import selion.bag as db
        >>> b = db.from_sequence([{"name": "Alice", "age": 3}, {"name": "Bob"}])
        >>> b.pluck("name").compute(), b.pluck(["name", "age"], None).compute()
        (['Alice', 'Bob'], [('Alice', 3), ('Bob', None)])
        """
        pick = elementwise.taker(key) if default is no_default else elementwise.picked(key, default)
        return self._then(partial(builtins.map, pick), label="pluck")

    def unzip(self, n: int) -> tuple[Bag, ...]:
        """A bag of ``n``-tuples as ``n`` bags.

        Examples
        --------
        >>> import selion.bag as db
        >>> [part.compute() for part in db.from_sequence([(1, 2), (3, 4)]).unzip(2)]
        [[1, 3], [2, 4]]
        """
        return tuple([self.pluck(at) for at in builtins.range(n)])

    def flatten(self) -> Bag:
        """The items of the items.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.from_sequence([[1], [2, 3]]).flatten().compute()
        [1, 2, 3]
        """
        return self._then(itertools.chain.from_iterable, label="flatten")

    def random_sample(self, prob: float, random_state=None) -> Bag:
        """Each item with a probability.

        Parameters
        ----------
        prob : float
            From 0 to 1.
        random_state : int or random.Random, optional
            For an equal seed and equal partitions, the same items are taken.

        Raises
        ------
        ValueError
            If ``prob`` is not from 0 to 1.

        Examples
        --------
        >>> import selion.bag as db
        >>> b = db.range(100, npartitions=3)
        >>> b.random_sample(0.5, 42).compute() == b.random_sample(0.5, 42).compute()
        True
        """
        if not 0 <= prob <= 1:
            raise ValueError("prob must be a number in the interval [0, 1]")
        states = elementwise.random_states(self.npartitions, random_state)
        return self._then(partial(elementwise.sampled, prob), Each(states), label="random-sample")

    # ---- reductions --------------------------------------------------------------------------------------------------

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
        return self._reduced(part, aggregate, split_every, out_type, name or _function_name(perpartition))

    def _reduced(self, part, aggregate, split_every, out_type, name: builtins.str):
        """A reduction whose first step can tell empty partitions itself."""
        split_every = reductions.checked_split(split_every, self.npartitions)

        def make():
            return reductions.tree(self._calls(part, f"{name}-part"), aggregate, split_every, f"{name}-aggregate")

        if out_type is Item:
            made = Item(make, name)
            self._users.add(made)
            return made
        return Bag._later(1, lambda: [call(settle, make(), label=name)], name, self)

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
        return self.reduction(fold, join, split_every, out_type, f"fold-{_function_name(binop)}")

    def sum(self, split_every=None) -> Item:
        """The sum of all items.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.range(10, npartitions=3).sum().compute()
        45
        """
        return self._reduced(builtins.sum, builtins.sum, split_every, Item, "sum")

    def max(self, split_every=None) -> Item:
        """The largest item.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.range(10, npartitions=3).max().compute()
        9
        """
        part = builtins.max if self.npartitions == 1 else partial(builtins.max, default=NOTHING)
        return self._reduced(part, builtins.max, split_every, Item, "max")

    def min(self, split_every=None) -> Item:
        """The smallest item.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.range(10, npartitions=3).min().compute()
        0
        """
        part = builtins.min if self.npartitions == 1 else partial(builtins.min, default=NOTHING)
        return self._reduced(part, builtins.min, split_every, Item, "min")

    def any(self, split_every=None) -> Item:
        """Whether any item is true.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.from_sequence([False, True]).any().compute()
        True
        """
        return self._reduced(builtins.any, builtins.any, split_every, Item, "any")

    def all(self, split_every=None) -> Item:
        """Whether all items are true.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.from_sequence([False, True]).all().compute()
        False
        """
        return self._reduced(builtins.all, builtins.all, split_every, Item, "all")

    def count(self, split_every=None) -> Item:
        """How many items there are.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.range(10, npartitions=3).count().compute()
        10
        """
        return self._reduced(reductions.count_items, builtins.sum, split_every, Item, "count")

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
        args = reductions.frequencies_of, reductions.merge_frequencies, split_every, Bag, "frequencies"
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
        return self._reduced(part, _over_all(part), split_every, Bag, "topk")

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
        return self._reduced(part, _over_all(part), None, Bag, "distinct")

    # ---- what belongs together ---------------------------------------------------------------------------------------

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
        return Bag._later(n, lambda: shuffled(self._lowered()), "groupby", self)

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
        return self._reduced(part, join, split_every, Bag, "foldby")._then(dict.items, label="foldby")

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
        if isinstance(other, Bag) and other.npartitions > 1:
            raise NotImplementedError("join of bags that both have several partitions is not implemented")
        if not isinstance(other, (Bag, Delayed, Item, Iterable)):
            kind = type(other).__name__
            raise TypeError(f"join takes a bag of one partition, a delayed object or an iterable, not {kind}")
        group = partial(grouping.group, elementwise.getter(on_self if on_other is None else on_other))
        if not isinstance(other, (Bag, Delayed, Item)):
            other = list(other)
        groups = Item(lambda: Bag._calls_of(group, other), "join")
        if isinstance(other, Bag):
            other._users.add(groups)
        return self._then(partial(grouping.joined, elementwise.getter(on_self)), groups, label="join")

    @staticmethod
    def _calls_of(function, other) -> Delayed:
        """``function`` of the only partition of a bag, or of another collection or object."""
        if isinstance(other, Bag):
            return other._calls(function, "join-other")[0]
        return call(Chain((), function), broadcast(other), label="join-other")

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
        if not isinstance(other, Bag):
            raise TypeError(f"product takes a bag, not {type(other).__name__}")

        def make():
            pairs = itertools.product(self._lowered(), other._lowered())
            return [call(_product, left, right, label="product") for left, right in pairs]

        return Bag._later(self.npartitions * other.npartitions, make, "product", self, other)

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

        return Bag._later(self.npartitions, make, "accumulate", self)

    # ---- a part of the items, and other partitions -------------------------------------------------------------------

    def take(self, k: int, npartitions: int = 1, compute: bool = True, warn: bool = True):
        """The first ``k`` items.

        Parameters
        ----------
        k : int
        npartitions : int
            In how many of the first partitions to look for them; -1 for all.
        compute : bool
            Whether to compute them now.
        warn : bool
            Whether to warn if there are less.

        Returns
        -------
        tuple or Bag
            A tuple; a bag of one partition, if ``compute`` is false.

        Raises
        ------
        ValueError
            If the bag does not have as many partitions.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.range(1000, npartitions=3).take(3)
        (0, 1, 2)
        """
        if npartitions <= -1:
            npartitions = self.npartitions
        if npartitions > self.npartitions:
            raise ValueError(f"only {self.npartitions} partitions, take received {npartitions}")
        end = partial(_taken, k, warn and not compute)

        def make():
            if npartitions == 1:
                return self._calls(end, "take", alone=compute, count=1)
            parts = self._calls(partial(_first, k), "take-part", alone=compute, count=npartitions)
            return [call(Chain(((itertools.chain.from_iterable, 0),), end), parts, label="take")]

        taken = Bag._later(1, make, "take", self)
        if not compute:
            return taken
        items = tuple(taken.compute())
        if warn and len(items) < k:
            warnings.warn(_too_few(k, len(items)), stacklevel=2)
        return items

    def repartition(self, npartitions: int | None = None, partition_size=None) -> Bag:
        """The same items in other partitions.

        Parameters
        ----------
        npartitions : int, optional
            How many partitions to make, of whole ones or of parts of one.
        partition_size : int or str, optional
            How many bytes a partition may have in memory, such as ``"10MB"``. This computes the bag.

        Raises
        ------
        ValueError
            Unless exactly one of the two is given.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.range(10, npartitions=5).repartition(2)
        selion.bag<repartition, npartitions=2>
        """
        if (npartitions is None) == (partition_size is None):
            raise ValueError("Please provide exactly one ``npartitions`` or ``partition_size`` keyword arguments")
        if partition_size is not None:
            return self._repartitioned_by_size(files.number_of_bytes(partition_size))
        if npartitions < 1:
            raise ValueError(f"npartitions must be positive, got {npartitions}")
        if npartitions == self.npartitions:
            return self
        if npartitions < self.npartitions:
            return self._joined_at(grouping.boundaries(self.npartitions, npartitions))
        each, more = divmod(npartitions, self.npartitions)
        return self._split_into([each] * (self.npartitions - 1) + [each + more])

    def _repartitioned_by_size(self, limit: int) -> Bag:
        if limit < 1:
            raise ValueError(f"partition_size must be positive, got {limit}")
        bag = self
        sizes = self.map_partitions(lambda items: [grouping.size_of(settle(items))]).compute()
        counts = [1 + size // limit for size in sizes]
        if builtins.max(counts, default=1) > 1:
            bag = self._split_into(counts)
            sizes = [size / n for size, n in builtins.zip(sizes, counts, strict=True) for _ in builtins.range(n)]
        return bag._joined_at(grouping.sized_boundaries(sizes, limit))

    def _joined_at(self, cuts: list[int]) -> Bag:
        def make():
            parts = self._lowered()
            lists = [parts[start:stop] for start, stop in itertools.pairwise(cuts)]
            return [call(_joined, some, label="repartition") for some in lists]

        return Bag._later(len(cuts) - 1, make, "repartition", self)

    def _split_into(self, counts: list[int]) -> Bag:
        def make():
            return [
                part if n == 1 else call(partial(grouping.piece, at, n), part, label="repartition")
                for part, n in builtins.zip(self._lowered(), counts, strict=True)
                for at in builtins.range(n)
            ]

        return Bag._later(builtins.sum(counts), make, "repartition", self)

    # ---- to other things ---------------------------------------------------------------------------------------------

    def to_delayed(self, optimize_graph: bool = True) -> list[Delayed]:
        """For each partition, a delayed value: the list of its items.

        Examples
        --------
        >>> import selion, selion.bag as db
        >>> selion.compute(db.range(4, npartitions=2).map(str).to_delayed())
        ([['0', '1'], ['2', '3']],)
        """
        return list(self._lowered())

    def to_dataframe(self, meta=None, columns=None, optimize_graph: bool = True) -> Delayed:
        """The items as the rows of a table of pandas.

        Parameters
        ----------
        meta : pandas.DataFrame, dict or iterable of pairs, optional
            Names and types of the columns; by default, as pandas finds them.
        columns : list, optional
            Only the names: of the columns, if items are tuples; or of those to take, if they are dictionaries.

        Returns
        -------
        Delayed
            Of a ``pandas.DataFrame``.

        Raises
        ------
        ImportError
            If there is no pandas.
        ValueError
            If both ``meta`` and ``columns`` are given.

        Examples
        --------
        >>> import selion.bag as db
        >>> b = db.from_sequence([{"name": "Alice", "balance": 100}, {"name": "Bob", "balance": 200}])
        >>> b.to_dataframe()["balance"].sum().compute()  # doctest: +SKIP
        np.int64(300)
        """
        from selion.bag import frames

        frames.pandas()
        if meta is not None and columns is not None:
            raise ValueError("Can't specify both `meta` and `columns`")
        names, dtypes = frames.columns_of(meta) if meta is not None else (columns, None)
        parts = self._calls(partial(frames.frame, names, dtypes), "to_dataframe")
        return call(partial(frames.joined, names), parts, label="to_dataframe")

    def to_textfiles(
        self,
        path,
        name_function=None,
        compression: builtins.str | None = "infer",
        encoding: builtins.str | None = "utf-8",
        compute: bool = True,
        storage_options: dict | None = None,
        last_endline: bool = False,
        **kwargs,
    ):
        """Write each partition to a file, each item as a line.

        Parameters
        ----------
        path : str, os.PathLike or list
            A folder, a path with a star in it, for which the number of the partition is put, or one path for each
            partition.
        name_function : callable, optional
            Makes what is put for the star of the number of the partition.
        compression : str, optional
            "gzip", "bz2", "xz", "zstd"; None; or "infer": by the end of the path.
        encoding : str, optional
            None for items that are bytes.
        compute : bool
            Whether to write now.
        storage_options : dict, optional
            For paths with a protocol, which need fsspec.
        last_endline : bool
            Whether the last line is ended.
        **kwargs
            For `compute`.

        Returns
        -------
        list
            The paths; or, if ``compute`` is false, a delayed value for each.

        Raises
        ------
        ValueError
            If there are not as many paths as partitions, or the compression is not known.

        Examples
        --------
        >>> import os, tempfile, selion.bag as db
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     paths = db.range(4, npartitions=2).map(str).to_textfiles(f"{folder}/*.txt.gz")
        ...     [os.path.basename(path) for path in paths], db.read_text(paths).map(str.strip).compute()
        (['0.txt.gz', '1.txt.gz'], ['0', '1', '2', '3'])
        """
        found = files.named_files(path, self.npartitions, name_function, compression, storage_options)
        written = self._then(files.Written(encoding, last_endline), Each(found), label="to-textfiles")
        if not compute:
            return written.to_delayed()
        written.compute(**kwargs)
        return [file.path for file in found]

    def to_avro(self, *args, **kwargs):
        raise NotImplementedError("selion.bag.Bag.to_avro is not implemented")


def _column(extra):
    """An argument for each partition."""
    if isinstance(extra, Bag):
        return extra._lowered()
    if isinstance(extra, Each):
        return [Held(value) for value in extra.values]
    return itertools.repeat(broadcast(extra._lowered() if isinstance(extra, Item) else extra))


def _over_all(part):
    """The same of all parts as of one."""
    return lambda parts: part(itertools.chain.from_iterable(parts))


def _product(left, right) -> list:
    return list(itertools.product(left, right))


def _joined(parts) -> list:
    return list(itertools.chain.from_iterable(parts))


def _first(k, items) -> list:
    return list(itertools.islice(items, k))


def _taken(k, warn, items) -> list:
    taken = _first(k, items)
    if warn and len(taken) < k:
        warnings.warn(_too_few(k, len(taken)), stacklevel=2)
    return taken


def _too_few(k: int, n: int) -> str:
    return (
        f"Insufficient elements for `take`. {k} elements requested, only {n} elements available. "
        "Try passing larger `npartitions` to `take`."
    )


def map(func, *args, **kwargs) -> Bag:
    """``func`` of the items of one or several bags at once.

    See `Bag.map`; here, the first argument need not be a bag.

    Raises
    ------
    ValueError
        If no argument is a bag, or they do not have the same number of partitions.

    Examples
    --------
    >>> import selion.bag as db
    >>> b = db.range(4, npartitions=2)
    >>> db.map(lambda x, y, z: x + y * z, 100, b, b.map(lambda x: x + 1)).compute()
    [100, 102, 106, 112]
    """
    label = f"map-{_function_name(func)}"
    if len(args) == 1 and not kwargs and isinstance(args[0], Bag):
        return args[0]._then(partial(builtins.map, func), label=label)
    first, kinds, extras = _arguments(args, kwargs)
    return first._then(elementwise.mapped(func, kinds, list(kwargs)), *extras, label=label)


def map_partitions(func, *args, **kwargs) -> Bag:
    """``func`` of the partitions of one or several bags at once.

    See `Bag.map_partitions`; here, the first argument need not be a bag.

    Examples
    --------
    >>> import selion.bag as db
    >>> db.map_partitions(lambda k, items: [k * x for x in items], 2, db.range(4, npartitions=2)).compute()
    [0, 2, 4, 6]
    """
    label = kwargs.pop("token", None) or _function_name(func)
    first, kinds, extras = _arguments(args, kwargs)
    return first._then(elementwise.partitioned(func, kinds, list(kwargs)), *extras, label=label)


def _arguments(args, kwargs) -> tuple[Bag, list, list]:
    """The first bag among arguments; what each of them is; and all but that first bag."""
    arguments = [*args, *kwargs.values()]
    places = [at for at, argument in enumerate(arguments) if isinstance(argument, Bag)]
    if not places:
        raise ValueError("At least one argument must be a Bag.")
    first, *others = [arguments[at] for at in places]
    if builtins.any(bag.npartitions != first.npartitions for bag in others):
        raise ValueError("All bags must have the same number of partitions.")
    kinds = [elementwise.BAG if isinstance(a, Bag) else elementwise.SAME for a in arguments]
    kinds[places[0]] = elementwise.FIRST
    return first, kinds, [argument for at, argument in enumerate(arguments) if at != places[0]]


def to_textfiles(
    b: Bag,
    path,
    name_function=None,
    compression: str | None = "infer",
    encoding: str | None = "utf-8",
    compute: bool = True,
    storage_options: dict | None = None,
    last_endline: bool = False,
    **kwargs,
):
    """Write each partition of a bag to a file. See `Bag.to_textfiles`.

    Examples
    --------
    >>> import tempfile, selion.bag as db
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     len(db.to_textfiles(db.from_sequence(["a", "b"]), folder))
    2
    """
    return b.to_textfiles(path, name_function, compression, encoding, compute, storage_options, last_endline, **kwargs)


make_collection(Item)
make_collection(Bag)
