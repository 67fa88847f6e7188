"""Values of whole bags: what is made of each partition, and a tree that brings these together."""

from __future__ import annotations

import inspect
import itertools
from collections import Counter, deque
from collections.abc import Iterator, Sized
from functools import partial, reduce
from heapq import nlargest

from selion.bag.chain import NOTHING, call

__all__ = [
    "aggregated",
    "checked_split",
    "count_items",
    "distinct_items",
    "folded",
    "folded_totals",
    "frequencies_of",
    "key_of_one",
    "mean_aggregate",
    "mean_part",
    "merge_frequencies",
    "or_nothing",
    "top",
    "tree",
    "var_aggregate",
    "var_part",
]

BLOCK = 4096  # items that are added up at a time


def checked_split(split_every, npartitions: int) -> int:
    """How many parts to bring together in one step."""
    if split_every is None:
        return 8
    if split_every is False:
        return max(npartitions, 2)
    if split_every < 2:
        raise ValueError(f"split_every must be at least 2, got {split_every}")
    return split_every


def tree(parts: list, aggregate, split_every: int, label: str):
    """One value of many: a call for every ``split_every`` of them, until one is left."""
    while len(parts) > split_every:
        groups = [parts[at : at + split_every] for at in range(0, len(parts), split_every)]
        parts = [call(partial(aggregated, aggregate, False), group, label=label) for group in groups]
    return call(partial(aggregated, aggregate, True), parts, label=label)


def aggregated(aggregate, is_last: bool, parts: list):
    """What ``aggregate`` makes of the parts that are not of empty partitions."""
    parts = [part for part in parts if part is not NOTHING]
    return aggregate(parts) if parts or is_last else NOTHING


def or_nothing(function, items):
    """``function(items)``, or nothing if there are none."""
    if isinstance(items, Sized):
        return function(items) if len(items) else NOTHING
    items = iter(items)
    for first in items:
        return function(itertools.chain((first,), items))
    return NOTHING


def folded(binop, initial, items):
    return reduce(binop, items) if initial is NOTHING else reduce(binop, items, initial)


def folded_totals(combine, initial, totals: list):
    """One total of those of partitions that have items; the initial one if there is none."""
    return reduce(combine, totals) if totals or initial is NOTHING else initial


def count_items(items) -> int:
    if isinstance(items, Sized):
        return len(items)
    counter = itertools.count()
    deque(zip(items, counter, strict=False), maxlen=0)
    return next(counter)


def _blocks(items) -> Iterator[list]:
    items = iter(items)
    while block := list(itertools.islice(items, BLOCK)):
        yield block


def mean_part(items) -> tuple[float, int]:
    total, n = 0.0, 0
    for block in _blocks(items):
        total += sum(block)
        n += len(block)
    return total, n


def mean_aggregate(parts):
    return sum(total for total, _ in parts) / sum(n for _, n in parts)


def var_part(items):
    """How many items there are, their mean, and the sum of the squares of their distances from it."""
    return reduce(_merge_moments, map(_moments, _blocks(items)), (0, 0.0, 0.0))


def _moments(block: list):
    mean = sum(block, 0.0) / len(block)
    return len(block), mean, sum([(x - mean) ** 2 for x in block])


def _merge_moments(a, b):
    (n, mean_a, squares_a), (m, mean_b, squares_b) = a, b
    if not n or not m:
        return a if n else b
    step = mean_b - mean_a
    return n + m, mean_a + step * (m / (n + m)), squares_a + squares_b + step * step * (n / (n + m) * m)


def var_aggregate(ddof, parts):
    n, _, squares = reduce(_merge_moments, parts, (0, 0.0, 0.0))
    return squares / (n - ddof)


def frequencies_of(items) -> dict:
    return dict(Counter(items))


def merge_frequencies(parts: list) -> dict:
    counts = Counter()
    for part in parts:
        counts.update(part)
    return dict(counts)


def distinct_items(key, items) -> list:
    """The first item of each key."""
    if key is None:
        return list(dict.fromkeys(items))
    firsts: dict = {}
    items = list(items)
    deque(map(firsts.setdefault, map(key, items), items), maxlen=0)
    return list(firsts.values())


def top(k, key, items) -> list:
    return nlargest(k, items, key=key)


def key_of_one(key):
    """The key as a function of one argument: the parts of an item go to a function that takes several."""
    try:
        parameters = inspect.signature(key).parameters.values()
    except (TypeError, ValueError):
        return key
    several = any(parameter.kind == parameter.VAR_POSITIONAL for parameter in parameters)
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = [p for p in positional if p.default is p.empty]
    if isinstance(key, type) or not (several or len(required) > 1):
        return key
    return lambda item: key(*item)
