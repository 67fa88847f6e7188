"""Bags of sequences, of delayed values and of other bags."""

from __future__ import annotations

import builtins
import math
from dataclasses import dataclass
from urllib.request import urlopen

from selion._selion import Delayed
from selion.bag.chain import Held, Source
from selion.bag.core import Bag
from selion.delayed import delayed

__all__ = ["concat", "from_delayed", "from_sequence", "from_url", "range", "zip"]


def from_sequence(seq, partition_size: int | None = None, npartitions: int | None = None) -> Bag:
    """A bag of the items of an iterable.

    Parameters
    ----------
    seq : iterable
    partition_size : int, optional
        How many items each partition has.
    npartitions : int, optional
        About how many partitions to make; about 100 by default, if there are that many items.

    Raises
    ------
    ValueError
        If a size is not positive.

    Examples
    --------
    >>> import selion.bag as db
    >>> db.from_sequence(["Alice", "Bob", "Chuck"], partition_size=2)
    selion.bag<from_sequence, npartitions=2>
    """
    seq = builtins.list(seq)
    for name, given in [("partition_size", partition_size), ("npartitions", npartitions)]:
        if given is not None and given < 1:
            raise ValueError(f"{name} must be positive, got {given}")
    n = len(seq)
    if partition_size is None and npartitions is not None:
        partition_size = max(math.ceil(n / npartitions) if n <= 100 else n // npartitions, 1)
    elif partition_size is None:
        partition_size = 1 if n <= 100 else max(1, math.ceil(math.sqrt(n / 100)))
    parts = [seq[at : at + partition_size] for at in builtins.range(0, n, partition_size)]
    return Bag._of_sources([Held(part) for part in parts or [[]]], "from_sequence")


def from_delayed(values) -> Bag:
    """A bag whose partitions are the iterables that delayed values give.

    Parameters
    ----------
    values : Delayed or iterable of Delayed

    Raises
    ------
    TypeError
        If a value is no lazy collection.

    Examples
    --------
    >>> import selion, selion.bag as db
    >>> db.from_delayed([selion.delayed(list)("ab"), selion.delayed(list)("c")]).compute()
    ['a', 'b', 'c']
    """
    if hasattr(type(values), "__selion_parts__") and not isinstance(values, (builtins.list, tuple)):
        values = [values]
    values = builtins.list(values)
    for value in values:
        if not hasattr(type(value), "__selion_parts__"):
            raise TypeError(f"from_delayed takes delayed values, not {type(value).__name__}")
    sources = [value if isinstance(value, Delayed) else delayed(value) for value in values]
    return Bag._of_sources(sources, "from_delayed")


def range(n: int, npartitions: int) -> Bag:
    """The numbers from 0 to ``n``.

    Parameters
    ----------
    n, npartitions : int

    Raises
    ------
    ValueError
        If ``npartitions`` is not positive.

    Examples
    --------
    >>> import selion.bag as db
    >>> db.range(5, npartitions=2).compute()
    [0, 1, 2, 3, 4]
    """
    if npartitions < 1:
        raise ValueError(f"npartitions must be positive, got {npartitions}")
    size = max(n // npartitions, 0)
    starts = [at * size for at in builtins.range(npartitions)]
    stops = [*starts[1:], n]
    sources = [builtins.range(start, stop) for start, stop in builtins.zip(starts, stops, strict=True)]
    return Bag._of_sources([Held(source) for source in sources], "range")


@dataclass(frozen=True)
class _Url(Source):
    url: str

    def open(self, stack):
        return iter(stack.enter_context(urlopen(self.url)))


def from_url(urls) -> Bag:
    """A bag of the lines, as bytes, of what is found at addresses: a partition for each.

    Parameters
    ----------
    urls : str or iterable of str

    Examples
    --------
    >>> import selion.bag as db
    >>> db.from_url("data:,one%0Atwo").compute()
    [b'one\\n', b'two']
    """
    urls = [urls] if isinstance(urls, str) else urls
    return Bag._of_sources([Held(_Url(url)) for url in urls], "from_url")


def concat(bags) -> Bag:
    """One bag of the partitions of several.

    Examples
    --------
    >>> import selion.bag as db
    >>> db.concat([db.from_sequence([1, 2]), db.from_sequence([3])]).compute()
    [1, 2, 3]
    """
    bags = builtins.list(bags)

    def parts() -> builtins.list:
        return [part for bag in bags for part in bag._lowered()]

    return Bag._later(sum(bag.npartitions for bag in bags), parts, "concat", *bags)


def zip(*bags: Bag) -> Bag:
    """Tuples of the items at the same places of bags, which must be partitioned alike.

    Raises
    ------
    ValueError
        If there is no bag, or they do not have the same number of partitions.

    Examples
    --------
    >>> import selion.bag as db
    >>> db.zip(db.range(4, npartitions=2), db.range(4, npartitions=2).map(str)).compute()
    [(0, '0'), (1, '1'), (2, '2'), (3, '3')]
    """
    if not bags:
        raise ValueError("zip takes at least one bag")
    if any(bag.npartitions != bags[0].npartitions for bag in bags):
        raise ValueError("All bags must have the same number of partitions.")
    return bags[0]._then(builtins.zip, *bags[1:], label="zip")
