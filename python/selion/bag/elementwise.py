"""Steps of a partition that work item by item, made of the iterators of the standard library."""

from __future__ import annotations

import builtins
import operator
from functools import partial
from itertools import compress, repeat
from random import Random

import numpy as np

__all__ = ["getter", "mapped", "partitioned", "picked", "random_states", "sampled", "taker"]

# What an argument of a mapped function is.
FIRST, BAG, SAME = "the items at hand", "another bag's items", "the same for all"


def taker(key):
    """A function that takes `key` out of an item; several keys, as a tuple, if `key` is a list of them."""
    if not isinstance(key, builtins.list):
        return operator.itemgetter(key)
    if len(key) == 1:
        return lambda item, key=key[0]: (item[key],)
    return operator.itemgetter(*key) if key else lambda item: ()


def getter(key):
    """`key`, if it is a function; or one that takes it out of an item."""
    return key if callable(key) else taker(key)


def picked(key, default):
    """A function that takes `key` out of an item, or `default` where it has none."""

    def one(item, key):
        try:
            return item[key]
        except (KeyError, IndexError):
            return default

    if isinstance(key, builtins.list):
        return lambda item: tuple([one(item, k) for k in key])
    return partial(_swapped, one, key)


def _swapped(function, key, item):
    return function(item, key)


def mapped(function, kinds, names):
    """The step that calls ``function`` for each item, with items of other bags and constants.

    ``kinds`` says of each argument what it is; the last ones have ``names``.
    """
    if names and SAME not in kinds[: len(kinds) - len(names)] and all(kind == SAME for kind in kinds[-len(names) :]):
        return lambda items, *others: _mapped_with(function, kinds, names, items, others)
    if names:
        function = partial(_with_names, function, names)

    def step(items, *others):
        return builtins.map(function, *_columns(kinds, items, others))

    return step


def _mapped_with(function, kinds, names, items, others):
    """Keywords that are the same for all items are bound once."""
    count = len(others) - len(names)
    bound = partial(function, **dict(builtins.zip(names, others[count:], strict=True)))
    return builtins.map(bound, *_columns(kinds[: len(kinds) - len(names)] or [FIRST], items, others[:count]))


def _with_names(function, names, *args):
    count = len(args) - len(names)
    return function(*args[:count], **dict(builtins.zip(names, args[count:], strict=True)))


def _columns(kinds, items, others):
    if BAG in kinds:
        items = builtins.list(items)
        for other, kind in builtins.zip(others, [kind for kind in kinds if kind != FIRST], strict=True):
            if kind == BAG and len(other) != len(items):
                raise ValueError(
                    "map called with bags that are not partitioned alike: one has a partition of "
                    f"{len(items)} items where another has {len(other)}"
                )
    others = iter(others)
    for kind in kinds:
        yield items if kind == FIRST else next(others) if kind == BAG else repeat(next(others))


def partitioned(function, kinds, names):
    """The step that calls ``function`` with whole partitions."""

    def step(items, *others):
        others = iter(others)
        args = [items if kind == FIRST else next(others) for kind in kinds]
        count = len(args) - len(names)
        return function(*args[:count], **dict(builtins.zip(names, args[count:], strict=True)))

    return step


def random_states(n: int, seed) -> builtins.list:
    """For each of ``n`` partitions, the state of a generator of its own."""
    if not isinstance(seed, Random):
        seed = Random(seed)
    rng = np.random.default_rng(seed.randint(0, 2**32))
    return builtins.list(np.frombuffer(rng.bytes(n * 624 * 4), dtype=np.uint32).reshape(n, 624))


def sampled(prob: float, items, state):
    """Each item with a probability."""
    rng = Random()
    rng.setstate((3, (*state.tolist(), 624), None))
    return compress(items, builtins.map(float(prob).__gt__, iter(rng.random, None)))
