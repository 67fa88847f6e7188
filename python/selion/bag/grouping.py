"""Items that belong together: groups, folds by key, joins; and partitions of other sizes."""

from __future__ import annotations

import hashlib
import itertools
import numbers
import os
import pickle
import shutil
import sys
import tempfile
import weakref
from collections import defaultdict
from functools import partial, reduce
from types import SimpleNamespace

import numpy as np

from selion._processes import called_here
from selion._tokenize import tokenize
from selion.bag.chain import NOTHING, call

__all__ = [
    "accumulated",
    "boundaries",
    "combined",
    "fold_by",
    "group",
    "joined",
    "piece",
    "shuffle_disk",
    "shuffle_tasks",
    "size_of",
    "sized_boundaries",
    "stages_of",
]


def group(key, items) -> dict:
    """The items of each key, in their order."""
    groups: dict = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return dict(groups)


def stable_hash(key) -> int:
    """A hash that is the same in every process, and for equal keys."""
    if isinstance(key, (numbers.Number, np.bool_)):
        return hash(key)
    if type(key) is tuple:
        return hash(tuple([stable_hash(part) for part in key]))
    text = key.encode("utf-8", "surrogatepass") if isinstance(key, str) else tokenize(key).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


# ---- shuffling -------------------------------------------------------------------------------------------------------


def stages_of(n: int, max_branch: int | None) -> tuple[int, int]:
    """Into how many parts to split in one stage, and how many stages there are, for ``n`` partitions."""
    max_branch = max_branch or 32
    if max_branch < 2:
        raise ValueError(f"max_branch must be at least 2, got {max_branch}")
    k, stages = max(n, 1), 1
    while k > max_branch:
        stages += 1
        k = next(k for k in itertools.count(1) if k**stages >= n)
    return k, stages


def shuffle_tasks(partitions: list, grouper, k: int, stages: int) -> list:
    """Groups, by stages in each of which ``k`` partitions are exchanged with ``k`` others."""
    n, count = len(partitions), k**stages
    start = partial(_keyed, grouper)
    values = [call(start, partition, label="groupby-key") for partition in partitions]
    values += [[] for _ in range(count - n)]
    for stage in range(stages):
        step = k**stage
        split = partial(_split_groups, k, step)
        values = [call(split, value, label="groupby-split") for value in values]
        values = [
            call(
                partial(_join_groups, at // step % k),
                [values[at + (i - at // step % k) * step] for i in range(k)],
                label="groupby-join",
            )
            for at in range(count)
        ]
    return [call(_pairs, value, label="groupby") for value in values]


def _keyed(grouper, items) -> list:
    """For each key: its hash, itself and its items."""
    return [(stable_hash(key), key, own) for key, own in group(grouper, items).items()]


def _split_groups(k: int, step: int, groups) -> list:
    parts: list = [[] for _ in range(k)]
    for entry in groups:
        parts[entry[0] // step % k].append(entry)
    return parts


def _join_groups(digit: int, parts: list) -> list:
    return list(itertools.chain.from_iterable(part[digit] for part in parts))


def _pairs(groups) -> list:
    found: dict = defaultdict(list)
    for _, key, items in groups:
        found[key].extend(items)
    return list(found.items())


@called_here
class _Folder:
    """A folder that is there as long as this is. In other processes it is only a path."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="selion-groupby-")
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    def __reduce__(self):
        return SimpleNamespace, (), {"path": self.path}


def shuffle_disk(partitions: list, grouper, npartitions: int, blocksize: int) -> list:
    """Groups, by way of files: one for each partition, with a piece for each of the new ones per block of items."""
    folder = call(_Folder, label="groupby-folder")
    write = partial(_write_groups, grouper, npartitions, blocksize)
    written = [call(write, folder, at, items, label="groupby-write") for at, items in enumerate(partitions)]
    return [call(partial(_read_groups, at), folder, written, label="groupby-read") for at in range(npartitions)]


def _write_groups(grouper, npartitions: int, blocksize: int, folder: _Folder, at: int, items):
    """Where in the file the pieces of each new partition are."""
    places: list = [[] for _ in range(npartitions)]
    items = iter(items)
    path = os.path.join(folder.path, str(at))
    with open(path, "wb") as file:
        while block := list(itertools.islice(items, blocksize)):
            pieces: dict = defaultdict(list)
            for entry in _keyed(grouper, block):
                pieces[entry[0] % npartitions].append(entry)
            for to, piece_ in pieces.items():
                places[to].append(file.tell())
                file.write(_pickled(piece_))
    return path, places


def _pickled(x) -> bytes:
    try:
        return pickle.dumps(x, protocol=5)
    except Exception as error:  # functions made in functions, classes of the main module
        try:
            import cloudpickle
        except ImportError:
            raise error from None
        return cloudpickle.dumps(x, protocol=5)


def _read_groups(at: int, folder: _Folder, written: list) -> list:
    groups: list = []
    for path, places in written:
        if places[at]:
            with open(path, "rb") as file:
                for place in places[at]:
                    file.seek(place)
                    groups += pickle.load(file)
    return _pairs(groups)


# ---- folds by key ----------------------------------------------------------------------------------------------------


def fold_by(key, binop, initial, items) -> dict:
    """A fold of the items of each key."""
    start = initial if callable(initial) else lambda: initial
    folds: dict = {}
    for item in items:
        k = key(item)
        if k in folds:
            folds[k] = binop(folds[k], item)
        else:
            folds[k] = item if initial is NOTHING else binop(start(), item)
    return folds


def combined(combine, initial, parts: list) -> dict:
    """The folds of several partitions as one."""
    if initial is not NOTHING:
        pairs = itertools.chain.from_iterable(part.items() for part in parts)
        return fold_by(lambda pair: pair[0], lambda total, pair: combine(total, pair[1]), initial, pairs)
    values: dict = defaultdict(list)
    for part in parts:
        for key, value in part.items():
            values[key].append(value)
    return {key: reduce(combine, own) for key, own in values.items()}


# ---- other steps -----------------------------------------------------------------------------------------------------


def joined(key, items, groups: dict):
    """Pairs of what has the same key: of the other side, and of this."""
    return ((other, item) for item in items for other in groups.get(key(item), ()))


def accumulated(binop, initial, is_first: bool, items, total):
    """The running totals of a partition, and the last of them."""
    start = initial if is_first else total
    if start is NOTHING:
        totals = list(itertools.accumulate(items, binop))
    else:
        totals = list(itertools.accumulate(items, binop, initial=start))
    last = totals[-1] if totals else NOTHING
    if not is_first and start is not NOTHING:
        del totals[0]
    return totals, last


# ---- partitions of other sizes ---------------------------------------------------------------------------------------


def boundaries(n: int, npartitions: int) -> list[int]:
    """Where to cut ``n`` partitions so that ``npartitions`` come out."""
    return [int(at * (n / npartitions)) for at in range(npartitions)] + [n]


def piece(at: int, n: int, items):
    """The part number ``at`` of ``n`` about equal ones."""
    items = items if isinstance(items, (list, tuple)) else list(items)
    length = len(items) / n
    return items[int(length * at) : None if at == n - 1 else int(length * (at + 1))]


def sized_boundaries(sizes: list, limit: int) -> list[int]:
    """Where to cut partitions of these sizes so that none is larger than ``limit``."""
    cuts, total = [0], 0
    for at, size in enumerate(sizes):
        if total and total + size > limit:
            cuts.append(at)
            total = 0
        total += size
    return [*cuts, len(sizes)]


def size_of(x) -> int:
    """About how many bytes an object takes, with what is in it."""
    if isinstance(x, np.ndarray):
        return x.nbytes + 100
    size = sys.getsizeof(x)
    if isinstance(x, (list, tuple, set, frozenset)):
        return size + sum(map(size_of, x))
    if isinstance(x, dict):
        return size + sum(map(size_of, x.keys())) + sum(map(size_of, x.values()))
    return size
