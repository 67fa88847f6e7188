"""Random items of bags."""

from __future__ import annotations

import heapq
import math
import random
from functools import partial
from itertools import accumulate, islice, repeat

from selion.bag.core import Bag

__all__ = ["choices", "sample"]


def sample(population: Bag, k: int, split_every=None) -> Bag:
    """``k`` random items of a bag, each at most once, in one partition.

    Parameters
    ----------
    population : Bag
    k : int
    split_every : int or False, optional
        How many partitions' samples to bring together in one step; 8 by default.

    Raises
    ------
    ValueError
        If ``k`` is negative; when computed, if there are less than ``k`` items.

    Examples
    --------
    >>> import selion.bag as db
    >>> b = db.range(5, npartitions=2)
    >>> sorted(db.random.sample(b, 5).compute())
    [0, 1, 2, 3, 4]
    """
    if k < 0:
        raise ValueError("Cannot take a negative number of samples")
    return _drawn(population, _keyed, _largest, k, split_every)


def choices(population: Bag, k: int = 1, split_every=None) -> Bag:
    """``k`` random items of a bag, in one partition; the same may be chosen again.

    Parameters
    ----------
    population : Bag
    k : int
    split_every : int or False, optional
        How many partitions' choices to bring together in one step; 8 by default.

    Raises
    ------
    ValueError
        If ``k`` is negative; when computed, if there are no items.

    Examples
    --------
    >>> import selion.bag as db
    >>> len(db.random.choices(db.range(5, npartitions=2), 8).compute())
    8
    """
    if k < 0:
        raise ValueError("Cannot take a negative number of samples")
    return _drawn(population, _chosen, _chosen_of_parts, k, split_every)


def _drawn(population: Bag, draw, merge, k: int, split_every) -> Bag:
    part, join = partial(draw, k), partial(merge, k)
    return population._reduced(part, join, split_every, Bag, draw.__name__[1:])._then(
        partial(_checked, merge, k), label="sample"
    )


def _checked(merge, k: int, drawn):
    items = list(drawn)
    if len(items) < k:
        raise ValueError("Sample larger than population" if merge is _largest else "Cannot choose from an empty bag")
    return [item for _, item in items]


# ---- without replacement: each item gets a random number, and the k largest win --------------------------------------


def _keyed(k: int, items) -> list:
    """The winners of a partition, each with its number. Only items that win on their way are looked at in Python."""
    items = iter(items)
    heap = [(random.random(), at, item) for at, item in enumerate(islice(items, k))]
    if len(heap) < k or not k:
        return [(number, item) for number, _, item in heap]
    heapq.heapify(heap)
    at = k
    while True:
        # How many items lose before the next that wins, and the number of that one.
        bar = heap[0][0]
        losers = int(math.log(1 - random.random()) / math.log(bar)) if bar > 0 else 0
        item = next(islice(items, losers, None), _END)
        if item is _END:
            return [(number, item) for number, _, item in heap]
        heapq.heapreplace(heap, (bar + (1 - bar) * random.random(), at, item))
        at += 1


_END = object()


def _largest(k: int, parts: list) -> list:
    return heapq.nlargest(k, (entry for part in parts for entry in part), key=lambda entry: entry[0])


# ---- with replacement: k independent choices, each of the partitions by their lengths --------------------------------


def _chosen(k: int, items) -> list:
    items = list(items)
    return list(zip(repeat(len(items)), random.choices(items, k=k), strict=False)) if items else []


def _chosen_of_parts(k: int, parts: list) -> list:
    parts = [part for part in parts if part]
    if not parts:
        return []
    counts = list(accumulate(part[0][0] for part in parts))
    return [(counts[-1], part[at][1]) for at, part in enumerate(random.choices(parts, cum_weights=counts, k=k))]
