"""Bags: against plain Python on drawn sequences, and against dask.bag where it says what is expected."""

import functools
import itertools
import math
import operator
import random
import statistics
import subprocess
import sys
from collections import Counter

import cloudpickle
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import selion
import selion.array as da
import selion.bag as db
from selion import delayed
from selion.bag import grouping

# The module of these tests is not known in other processes.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


def dask_bag():
    """dask.bag, which says what is expected, where it is installed."""
    return pytest.importorskip("dask.bag")


def inc(x):
    return x + 1


def add(x, y):
    return x + y


def even(x):
    return x % 2 == 0


def both(b):
    """The values of selion's bag or item, and of what dask makes of the same."""
    return b(db).compute(), b(dask_bag()).compute(scheduler="sync")


NUMBERS = st.lists(st.integers(-50, 50), max_size=40)
PARTS = st.integers(1, 7)


# ---- any chain of steps gives what plain Python gives ----------------------------------------------------------------

STEPS = {
    "map": (lambda b: b.map(inc), lambda x: list(map(inc, x))),
    "map_more": (lambda b: b.map(add, 3), lambda x: [i + 3 for i in x]),
    "map_itself": (lambda b: b.map(add, b), lambda x: [i + i for i in x]),
    "filter": (lambda b: b.filter(even), lambda x: list(filter(even, x))),
    "remove": (lambda b: b.remove(even), lambda x: [i for i in x if not even(i)]),
    "flatten": (lambda b: b.map(lambda i: [i, -i]).flatten(), lambda x: [j for i in x for j in (i, -i)]),
    "starmap": (lambda b: b.map(lambda i: (i, 1)).starmap(add), lambda x: [i + 1 for i in x]),
    "pluck": (lambda b: b.map(lambda i: [i]).pluck(0), lambda x: x),
    "parts": (lambda b: b.map_partitions(lambda items: (2 * i for i in items)), lambda x: [2 * i for i in x]),
    "repartition": (lambda b: b.repartition(3), lambda x: x),
    "accumulate": (lambda b: b.accumulate(add), lambda x: list(itertools.accumulate(x))),
    "zip": (lambda b: db.zip(b, b.map(inc)).starmap(operator.mul), lambda x: [i * (i + 1) for i in x]),
}
ENDS = {
    "list": (lambda b: b, lambda x: x),
    "sum": (lambda b: b.sum(split_every=2), sum),
    "count": (lambda b: b.count(), len),
    "any": (lambda b: b.any(), any),
    "all": (lambda b: b.all(), all),
    "fold": (lambda b: b.fold(add, initial=0), sum),
    "frequencies": (lambda b: b.frequencies(), lambda x: list(Counter(x).items())),
    "distinct": (lambda b: b.distinct(), lambda x: list(dict.fromkeys(x))),
    "topk": (lambda b: b.topk(3), lambda x: sorted(x, reverse=True)[:3]),
}


SCHEDULERS = st.sampled_from(["threads", "synchronous", "processes"])


@given(NUMBERS, PARTS, st.lists(st.sampled_from(sorted(STEPS)), max_size=5), st.sampled_from(sorted(ENDS)), SCHEDULERS)
@settings(max_examples=300, deadline=None)
def test_any_chain(numbers, n, steps, end, scheduler):
    bag, want = db.from_sequence(numbers, npartitions=n), numbers
    kept = []
    for name in steps:
        lazy, plain = STEPS[name]
        kept.append((bag, want))
        bag, want = lazy(bag), plain(want)
    lazy, plain = ENDS[end]
    assert lazy(bag).compute() == plain(want)
    results = selion.compute(lazy(bag), *[bag for bag, _ in kept], scheduler=scheduler)
    assert list(results) == [plain(want), *[want for _, want in kept]]


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=40), PARTS)
def test_statistics(numbers, n):
    b = db.from_sequence(numbers, npartitions=n).filter(lambda x: True)
    got = selion.compute(b.min(), b.max(), b.mean(), b.var(), b.std(ddof=1))
    want = min(numbers), max(numbers), statistics.fmean(numbers), np.var(numbers), np.std(numbers, ddof=1)
    assert got == pytest.approx(want)


@given(NUMBERS, PARTS, st.sampled_from(["disk", "tasks"]), st.sampled_from([None, 2, 3]), SCHEDULERS)
@settings(max_examples=60, deadline=None)
def test_groupby(numbers, n, shuffle, max_branch, scheduler):
    grouped = db.from_sequence(numbers, npartitions=n).groupby(lambda x: x % 7, shuffle=shuffle, max_branch=max_branch)
    want = {}
    for x in numbers:
        want.setdefault(x % 7, []).append(x)
    pairs = grouped.compute(scheduler=scheduler)
    assert len(pairs) == len(want)
    assert {key: sorted(items) for key, items in pairs} == {key: sorted(items) for key, items in want.items()}


@given(NUMBERS, PARTS, st.booleans(), st.booleans(), st.sampled_from([None, False, 2]))
def test_foldby(numbers, n, with_initial, with_combine, split_every):
    more = {"initial": 0} if with_initial else {}
    more |= {"combine": add, "combine_initial": 0} if with_combine else {}
    b = db.from_sequence(numbers, npartitions=n)
    want = {}
    for x in numbers:
        want[x % 3] = want.get(x % 3, 0) + x
    assert dict(b.foldby(lambda x: x % 3, add, split_every=split_every, **more).compute()) == want


@given(NUMBERS, PARTS, st.integers(1, 9))
def test_repartition(numbers, n, m):
    b = db.from_sequence(numbers, npartitions=n).repartition(npartitions=m)
    assert b.npartitions == m
    assert b.compute() == numbers
    parts = selion.compute(*b.to_delayed())
    assert [x for part in parts for x in part] == numbers


@given(NUMBERS, PARTS, st.integers(0, 45))
def test_take(numbers, n, k):
    b = db.from_sequence(numbers, npartitions=n).map(inc)
    assert b.take(k, npartitions=-1, warn=False) == tuple([x + 1 for x in numbers][:k])


# ---- as dask.bag -----------------------------------------------------------------------------------------------------

PEOPLE = [{"name": name, "age": age} for age, name in enumerate(["Alice", "Bob", "Chuck", "Dan", "Edith", "Frank"])]

AS_DASK = {
    "from_sequence": lambda db: db.from_sequence(range(7), npartitions=3),
    "range": lambda db: db.range(10, npartitions=4),
    "map keywords": lambda db: db.range(6, 2).map(lambda x, by=1: x * by, by=3),
    "map bag keyword": lambda db: db.range(6, 2).map(lambda x, by: x * by, by=db.range(6, 2)),
    "map both keywords": lambda db: db.range(6, 2).map(lambda x, a, b: (x, a, b), b=2, a=db.range(6, 2)),
    "map item": lambda db: db.range(6, 2).map(lambda x, top: x - top, db.range(6, 2).max()),
    "map item keyword": lambda db: db.range(6, 2).map(lambda x, top: x - top, top=db.range(6, 2).max()),
    "db.map": lambda db: db.map(lambda a, x, y: (a, x, y), [1], db.range(6, 2), db.range(6, 2)),
    "starmap": lambda db: db.range(6, 2).map(lambda x: (x, 1)).starmap(lambda x, y, z: x + y + z, z=10),
    "starmap item": lambda db: db.range(6, 2).map(lambda x: [x]).starmap(lambda x, z: x + z, z=db.range(4, 1).sum()),
    "map_partitions": lambda db: db.range(6, 2).map_partitions(lambda items, k: [sum(items) * k], 2),
    "map_partitions value": lambda db: db.range(6, 2).map_partitions(sum),
    "map_partitions bags": lambda db: db.map_partitions(
        lambda a, b, c: map(add, a, b), db.range(6, 2), db.range(6, 2), c=1
    ),
    "map_partitions keyword": lambda db: db.range(6, 2).map_partitions(lambda a, b: map(add, a, b), b=db.range(6, 2)),
    "dicts": lambda db: db.range(6, 2).map_partitions(lambda items: dict.fromkeys(items, 0)),
    "iterators": lambda db: db.range(6, 2).map(lambda x: iter([x])),
    "pluck": lambda db: db.from_sequence(PEOPLE, npartitions=2).pluck("name"),
    "pluck list": lambda db: db.from_sequence(PEOPLE, npartitions=2).pluck(["name", "age"]),
    "pluck one": lambda db: db.from_sequence(PEOPLE, npartitions=2).pluck(["name"]),
    "pluck none": lambda db: db.from_sequence(PEOPLE, npartitions=2).pluck([]),
    "pluck default": lambda db: db.from_sequence([[1], [1, 2]]).pluck(1, 0),
    "pluck default list": lambda db: db.from_sequence([[1], [1, 2]]).pluck([0, 1], None),
    "filter none": lambda db: db.range(6, 2).filter(None),
    "fold": lambda db: db.range(6, 3).fold(add, combine=lambda a, b: a * b),
    "fold initial": lambda db: db.range(6, 3).fold(add, initial=10),
    "fold empty": lambda db: db.range(6, 6).filter(lambda x: x == 5).fold(add),
    "max of some": lambda db: db.range(6, 6).filter(lambda x: x == 2).max(),
    "reduction bag": lambda db: db.range(6, 3).reduction(list, lambda parts: [len(list(parts))], out_type=db.Bag),
    "reduction deep": lambda db: db.range(40, 20).reduction(sum, max, split_every=3),
    "sorted frequencies": lambda db: db.from_sequence("abracadabra", npartitions=3).frequencies(sort=True),
    "topk": lambda db: db.range(10, 4).topk(3),
    "topk key": lambda db: db.range(10, 4).topk(3, key=lambda x: -x),
    "topk index": lambda db: db.from_sequence([(1, 5), (2, 4), (3, 9)], npartitions=2).topk(2, key=1),
    "topk two": lambda db: db.from_sequence([(1, 5), (2, 4)], npartitions=2).topk(1, key=lambda a, b: b),
    "distinct": lambda db: db.from_sequence("abracadabra", npartitions=3).distinct(),
    "distinct key": lambda db: db.from_sequence(PEOPLE, npartitions=3).distinct(key=lambda p: len(p["name"])),
    "distinct name": lambda db: db.from_sequence(PEOPLE * 2, npartitions=3).distinct(key="name"),
    "join": lambda db: db.range(9, 3).join([1, 2, 4], on_self=even, on_other=even),
    "join bag": lambda db: db.from_sequence(PEOPLE, 2).join(db.from_sequence(PEOPLE, npartitions=1), "age"),
    "product": lambda db: db.range(4, 2).product(db.range(6, 3)),
    "accumulate": lambda db: db.range(9, 3).accumulate(add),
    "accumulate initial": lambda db: db.range(9, 3).accumulate(add, initial=-1),
    "take lazily": lambda db: db.range(9, 3).take(2, npartitions=2, compute=False),
    "concat": lambda db: db.concat([db.range(4, 2), db.from_sequence("abc")]),
    "zip": lambda db: db.zip(db.range(6, 2), db.range(6, 2).map(inc)),
    "random_sample": lambda db: db.range(200, 4).random_sample(0.3, 42),
    "random_sample object": lambda db: db.range(200, 4).random_sample(0.3, random.Random(7)),
    "str": lambda db: db.from_sequence(["Alice Smith", "Bob Jones"]).str.split(" ").flatten().str.upper(),
    "match": lambda db: db.from_sequence(["Alice Smith", "Bob Jones"]).str.match("*Smith"),
    "apply": lambda db: db.range(6, 2).sum().apply(str),
    "empty": lambda db: db.from_sequence([]),
    "empty sum": lambda db: db.from_sequence([]).sum(),
    "fewer": lambda db: db.range(20, 7).repartition(3),
    "more": lambda db: db.range(20, 3).repartition(7),
    "by size": lambda db: db.range(2000, 3).repartition(partition_size="10 kB"),
    "unzip": lambda db: db.from_sequence([(1, 2), (3, 4)]).unzip(2)[1],
}


@pytest.mark.parametrize("name", AS_DASK)
def test_as_dask(name):
    got, want = both(AS_DASK[name])
    assert got == want
    assert type(got) is type(want)
    got = AS_DASK[name](db).compute(scheduler="processes")
    assert got == want


@pytest.mark.parametrize("name", ["from_sequence", "range", "reduction bag", "join", "product", "fewer", "more"])
def test_partitions_as_dask(name):
    got, want = AS_DASK[name](db), AS_DASK[name](dask_bag())
    assert got.npartitions == want.npartitions
    got = selion.compute(*got.to_delayed())
    assert [list(part) for part in got] == [list(part.compute(scheduler="sync")) for part in want.to_delayed()]


@pytest.mark.parametrize("n", [0, 1, 5, 99, 100, 101, 1000, 12345])
@pytest.mark.parametrize("how", [{}, {"npartitions": 4}, {"partition_size": 3}, {"npartitions": 150}])
def test_from_sequence_cuts_as_dask(n, how):
    if n == 0 and "npartitions" in how:
        assert db.from_sequence([], **how).npartitions == 1
    else:
        assert db.from_sequence(range(n), **how).npartitions == dask_bag().from_sequence(range(n), **how).npartitions


# ---- what is computed, and how often ---------------------------------------------------------------------------------


def test_steps_of_a_partition_are_one_call():
    running = []
    most = 0

    def count(x):
        nonlocal most
        most = max(most, len(running))
        running.append(x)
        return x

    b = db.range(10, npartitions=1).map(count).filter(even).map(lambda x: running.pop() and x)
    assert b.sum().compute() == 20
    assert most <= 5  # an item goes through all steps before the next


@pytest.mark.parametrize("order", [0, 1])
def test_what_several_need_is_computed_once(order):
    calls = []
    b = db.range(10, npartitions=2).map(lambda x: calls.append(x) or x)
    wanted = [b.sum(), b.max()] if order else [b.sum(), b]
    assert selion.compute(*wanted)[0] == 45
    assert sorted(calls) == list(range(10))


def test_take_computes_no_more_than_it_gives():
    calls = []
    b = db.range(1000, npartitions=2).map(lambda x: calls.append(x) or x)
    other = b.map(inc)
    assert b.take(3) == (0, 1, 2)
    assert calls == [0, 1, 2]
    assert other.take(1) == (1,)


def test_iterators_of_users_are_shared_as_lists():
    b = db.range(6, npartitions=2).map_partitions(lambda items: (x for x in items))
    assert selion.compute(b.sum(), b.count(), b) == (15, 6, list(range(6)))
    d = delayed(iter)([1, 2, 3])
    c = db.from_delayed([d])
    assert selion.compute(c.sum(), c.max()) == (6, 3)


def test_long_chains():
    b = db.range(10, npartitions=2)
    for _ in range(1000):
        b = b.map(inc)
    assert b.sum().compute() == 45 + 10 * 1000


def test_persist():
    calls = []
    b = db.range(6, npartitions=2).map(lambda x: calls.append(x) or x).persist()
    assert (b.sum().compute(), b.count().compute(), len(calls)) == (15, 6, 6)
    assert db.range(6, npartitions=2).sum().persist().compute() == 15


def test_delayed_values_in_items_are_items():
    d = delayed(3)
    assert db.from_sequence([d]).compute() == [d]


# ---- together with other collections ---------------------------------------------------------------------------------


def test_arguments_of_other_collections():
    b = db.range(4, npartitions=2)
    assert b.map(add, delayed(10)).compute() == [10, 11, 12, 13]
    assert b.map(add, delayed(inc)(10)).compute() == [11, 12, 13, 14]
    assert b.map(add, da.arange(4, chunks=2).sum()).compute() == [6, 7, 8, 9]
    assert b.map(lambda x, pair: x + pair[1], [0, b.max()]).compute() == [3, 4, 5, 6]
    assert delayed(sorted)(b.map(operator.neg)).compute() == [-3, -2, -1, 0]
    assert delayed(add)(b.sum(), b.max()).compute() == 9
    assert b.join(delayed(list)([2, 3]), inc, inc).compute() == [(2, 2), (3, 3)]
    assert b.map_partitions(lambda items, x: [sum(items) + x], x=b.count()).compute() == [5, 9]


def test_delayed_and_back():
    b = db.range(4, npartitions=2).map(inc)
    assert db.from_delayed(b.to_delayed()).compute() == [1, 2, 3, 4]
    assert db.from_delayed(delayed([1, 2])).compute() == [1, 2]
    assert db.from_delayed([]).compute() == []
    item = db.Item.from_delayed(delayed(inc)(1))
    assert (item.apply(inc).compute(), item.to_delayed().compute()) == (3, 2)
    assert selion.compute({"a": [b, item]}) == ({"a": [[1, 2, 3, 4], 2]},)


def test_items_are_numbers():
    total = db.range(4, npartitions=2).sum()
    assert (int(total), float(total), complex(total), bool(total)) == (6, 6.0, 6 + 0j, True)
    assert list(db.range(3, npartitions=2)) == [0, 1, 2]
    assert repr(db.range(3, npartitions=2).map(inc)) == "selion.bag<map-inc, npartitions=2>"


def test_dataframes():
    pd = pytest.importorskip("pandas")
    b = db.from_sequence(PEOPLE, npartitions=2)
    pd.testing.assert_frame_equal(b.to_dataframe().compute(), pd.DataFrame(PEOPLE))
    pd.testing.assert_frame_equal(b.to_dataframe(columns=["age"]).compute(), pd.DataFrame(PEOPLE, columns=["age"]))
    meta = {"age": "float64"}
    got = b.filter(lambda p: p["age"] > 4).to_dataframe(meta=meta).compute()
    pd.testing.assert_frame_equal(got, pd.DataFrame({"age": [5.0]}))
    with pytest.raises(ValueError, match="columns"):
        b.to_dataframe(meta=meta, columns=["age"])


def test_no_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pandas"):
        db.from_sequence(PEOPLE).to_dataframe()


# ---- groups ----------------------------------------------------------------------------------------------------------


def test_equal_keys_of_different_types_are_one_group():
    keys = [1, 1.0, True, np.int64(1), np.bool_(True), "1", (1, "a"), (1.0, "a"), None, b"1"]
    for shuffle in ("disk", "tasks"):
        pairs = db.from_sequence(keys, partition_size=1).groupby(lambda x: x, shuffle=shuffle).compute()
        assert sorted(len(items) for _, items in pairs) == [1, 1, 1, 2, 5]


def test_hashes_are_the_same_in_other_processes():
    code = "from selion.bag.grouping import stable_hash as h; print(h('a'), h(('a', 2)), h(None), h(-1.5))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == [str(grouping.stable_hash(key)) for key in ["a", ("a", 2), None, -1.5]]


def test_groups_in_several_blocks_and_partitions():
    b = db.range(1000, npartitions=3)
    grouped = b.groupby(lambda x: x % 10, npartitions=5, blocksize=7)
    assert grouped.npartitions == 5
    assert sorted((key, len(items)) for key, items in grouped.compute()) == [(key, 100) for key in range(10)]
    assert b.map(lambda x: (x % 2, x)).groupby(0, shuffle="tasks").map(lambda kv: len(kv[1])).compute() == [500, 500]


@pytest.mark.parametrize(("n", "max_branch"), [(5, 2), (9, 3), (10, 3), (33, 32), (1, 2)])
def test_stages_are_enough(n, max_branch):
    k, stages = grouping.stages_of(n, max_branch)
    assert k <= max_branch
    assert k**stages >= n


# ---- random items ----------------------------------------------------------------------------------------------------


def test_random_samples():
    b = db.range(100, npartitions=7)
    for k in (0, 1, 5, 100):
        found = db.random.sample(b, k).compute()
        assert len(set(found)) == k
        assert set(found) <= set(range(100))
        assert set(db.random.choices(b, k).compute()) <= set(range(100))
    assert b.random_sample(0).compute() == []
    assert b.random_sample(1).compute() == list(range(100))


def test_random_samples_are_uniform():
    random.seed(5)
    b = db.from_sequence([range(5), range(5, 10), [], range(10, 40)], partition_size=1).flatten()
    for draw, k in [(db.random.sample, 3), (db.random.choices, 3)]:
        counts = Counter()
        for _ in range(3000):
            counts.update(draw(b, k).compute(scheduler="synchronous"))
        expected = 3000 * k / 40
        chi2 = sum((counts[x] - expected) ** 2 / expected for x in range(40))
        assert chi2 < 39 + 5 * math.sqrt(2 * 39)


# ---- errors ----------------------------------------------------------------------------------------------------------


def test_errors():
    b = db.range(6, npartitions=2)
    with pytest.raises(ValueError, match="same number of partitions"):
        b.map(add, db.range(6, npartitions=3))
    with pytest.raises(ValueError, match="same number of partitions"):
        db.zip(b, db.range(6, npartitions=3))
    with pytest.raises(ValueError, match="not partitioned alike"):
        b.map(add, db.range(7, npartitions=2)).compute()
    with pytest.raises(ValueError, match="must be a Bag"):
        db.map(add, 1, 2)
    with pytest.raises(ValueError, match="interval"):
        b.random_sample(1.5)
    with pytest.raises(ValueError, match="only 2 partitions"):
        b.take(1, npartitions=3)
    with pytest.raises(ValueError, match="exactly one"):
        b.repartition()
    with pytest.raises(ValueError, match="split_every"):
        b.sum(split_every=1)
    with pytest.raises(ValueError, match="Sample larger"):
        db.random.sample(b, 7).compute()
    with pytest.raises(ValueError, match="negative"):
        db.random.sample(b, -1)
    with pytest.raises(ValueError, match="empty"):
        db.random.choices(db.from_sequence([]), 1).compute()
    with pytest.raises(TypeError, match="join"):
        b.join(5, inc)
    with pytest.raises(NotImplementedError, match="join"):
        b.join(b, inc)
    with pytest.raises(NotImplementedError, match="p3p"):
        b.groupby(even, shuffle="p3p")
    with pytest.raises(TypeError, match="product"):
        b.product([1])
    with pytest.raises(TypeError, match="int"):
        db.from_delayed([1])
    with pytest.raises(ValueError, match="npartitions"):
        db.range(5, npartitions=0)
    with pytest.raises(AttributeError):
        _ = b.str.no_method
    for name, missing in [("read_avro", db.read_avro), ("to_avro", b.to_avro)]:
        with pytest.raises(NotImplementedError, match=name):
            missing()


def test_too_few_items_warn():
    b = db.range(4, npartitions=2)
    with pytest.warns(UserWarning, match="only 2 elements"):
        assert b.take(3) == (0, 1)
    with pytest.warns(UserWarning, match="only 4 elements"):
        assert b.take(5, npartitions=-1, compute=False).compute() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match=r"max|iterable"):
        db.from_sequence([]).max().compute()


def test_pictures():
    assert b"map-inc" in db.range(4, npartitions=2).map(inc).visualize(filename=None, format="svg").data
    assert b"sum" in db.range(4, npartitions=2).sum().visualize(filename=None, format="dot").data


def test_graphs_by_hand():
    graph = {("x", 0): (range, 3), ("x", 1): [1, "n"], "n": (add, 4, (inc, "one")), "one": 1}
    assert db.Bag(graph, "x", npartitions=2).map(inc).compute() == [1, 2, 3, 2, 7]
    with pytest.raises(KeyError, match="2"):
        db.Bag(graph, "x", npartitions=3).compute()


def test_errors_of_functions_come_through():
    with pytest.raises(ZeroDivisionError):
        db.range(4, npartitions=2).map(lambda x: 1 // x).compute()
    with pytest.raises(ZeroDivisionError):
        db.from_sequence([]).mean().compute()
    with pytest.raises(TypeError):
        functools.reduce(add, db.from_sequence(["a"]).map(inc).compute())


def test_bags_are_imported_when_they_are_used():
    code = "import sys, selion; assert 'selion.bag' not in sys.modules; print(selion.bag.range(2, 1).compute())"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[0, 1]"
