"""Bags: Python objects in partitions, with parallel versions of what is done with iterables.

Examples
--------
>>> import selion.bag as db
>>> b = db.from_sequence(["apple pie", "pear"]).str.split(" ").flatten()
>>> b.map(len).sum().compute()
12
"""

# ruff: noqa: F401

from selion._base import compute
from selion.bag import random
from selion.bag.core import Bag, to_textfiles
from selion.bag.creation import concat, from_delayed, from_sequence, from_url, range, zip
from selion.bag.item import Item
from selion.bag.mapping import map, map_partitions
from selion.bag.text import read_text


def read_avro(*args, **kwargs):
    """Not implemented: read files by a function of your own, in `from_delayed`, or `Bag.map_partitions` of paths."""
    raise NotImplementedError("selion.bag.read_avro is not implemented")
