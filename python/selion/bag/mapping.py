"""What is done with each item or partition by itself."""

from __future__ import annotations

import builtins
import itertools
from functools import partial
from typing import TYPE_CHECKING

from selion.bag import elementwise
from selion.bag.base import Base, Each, no_default
from selion.bag.item import function_name

if TYPE_CHECKING:
    from selion.bag.core import Bag

__all__ = ["ItemByItem", "map", "map_partitions"]


class ItemByItem(Base):
    """The methods of bags that go on item by item, or partition by partition."""

    __slots__ = ()

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
        label = f"starmap-{function_name(func)}"
        if not kwargs:
            return self._then(partial(itertools.starmap, func), label=label)
        names = list(kwargs)

        def step(items, *values):
            return itertools.starmap(partial(func, **dict(zip(names, values, strict=True))), items)

        return self._then(step, *kwargs.values(), label=label)

    def filter(self, predicate) -> Bag:
        """The items for which ``predicate`` is true.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.range(5, npartitions=2).filter(lambda x: x % 2 == 0).compute()
        [0, 2, 4]
        """
        return self._then(partial(filter, predicate), label=f"filter-{function_name(predicate)}")

    def remove(self, predicate) -> Bag:
        """The items for which ``predicate`` is not true.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.range(5, npartitions=2).remove(lambda x: x % 2 == 0).compute()
        [1, 3]
        """
        return self._then(partial(itertools.filterfalse, predicate), label=f"remove-{function_name(predicate)}")

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
        return tuple([self.pluck(at) for at in range(n)])

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
    label = f"map-{function_name(func)}"
    if len(args) == 1 and not kwargs and isinstance(args[0], Base):
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
    label = kwargs.pop("token", None) or function_name(func)
    first, kinds, extras = _arguments(args, kwargs)
    return first._then(elementwise.partitioned(func, kinds, list(kwargs)), *extras, label=label)


def _arguments(args, kwargs) -> tuple[Bag, list, list]:
    """The first bag among arguments; what each of them is; and all but that first bag."""
    arguments = [*args, *kwargs.values()]
    places = [at for at, argument in enumerate(arguments) if isinstance(argument, Base)]
    if not places:
        raise ValueError("At least one argument must be a Bag.")
    first, *others = [arguments[at] for at in places]
    if any(bag.npartitions != first.npartitions for bag in others):
        raise ValueError("All bags must have the same number of partitions.")
    kinds = [elementwise.BAG if isinstance(a, Base) else elementwise.SAME for a in arguments]
    kinds[places[0]] = elementwise.FIRST
    return first, kinds, [argument for at, argument in enumerate(arguments) if at != places[0]]
