"""Lifting of Dask's tasks: the same values, dtypes, classes and errors as on Dask's own threads."""

from __future__ import annotations

import functools
import operator
import traceback
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import selion
import selion.dask

dask = pytest.importorskip("dask")
dda = pytest.importorskip("dask.array")


def both(x):
    """What a collection is on Dask's threads and on selion."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's about division; native programs have none
        return x.compute(scheduler="threads"), x.compute(scheduler=selion.get)


def same(x, rtol=1e-12):
    wanted, got = both(x)
    assert type(got) is type(wanted)
    if isinstance(wanted, (np.ndarray, np.generic)):
        assert got.dtype == wanted.dtype
        assert got.shape == wanted.shape
        if wanted.dtype.kind == "f" and wanted.dtype.itemsize < 8:
            rtol = {2: 1e-2, 4: 1e-5}[wanted.dtype.itemsize]
        if wanted.dtype.kind in "fc":
            np.testing.assert_allclose(got, wanted, rtol=rtol, atol=rtol)
        else:
            np.testing.assert_array_equal(got, wanted)
        if isinstance(wanted, np.ma.MaskedArray):
            np.testing.assert_array_equal(np.ma.getmaskarray(got), np.ma.getmaskarray(wanted))
    else:
        assert got == wanted


RNG = np.random.default_rng(0)
DATA = RNG.normal(size=(20, 30))
HOLES = np.where(RNG.random((20, 30)) < 0.3, np.nan, DATA)
INTS = RNG.integers(-50, 50, (20, 30))


def lazy(data=DATA, chunks=(6, 11)):
    return dda.from_array(data, chunks=chunks)


PROGRAMS = {
    "chain": lambda x: dda.sqrt(abs(x * 2 + 1)) - x / 3 + x**2,
    "standardize": lambda x: (x - x.mean(axis=0)) / x.std(axis=0),
    "all_statistics": lambda x: dda.stack([x.mean(0), x.var(0), x.std(0), x.sum(0), x.min(0), x.max(0)]),
    "totals": lambda x: x.sum() + x.mean() * x.std() + x.max() - x.min(),
    "keepdims": lambda x: x - x.mean(axis=1, keepdims=True) + x.var(axis=(0, 1), keepdims=True, ddof=1),
    "nan_statistics": lambda x: dda.stack([dda.nanmean(x, 0), dda.nanvar(x, 0), dda.nansum(x, 0), dda.nanstd(x, 0)]),
    "ddof": lambda x: x.std(axis=1, ddof=2),
    "ddof_too_many": lambda x: x[:2].var(axis=0, ddof=5),
    "where": lambda x: dda.where(x > 0, x, -x) + dda.where(x > 1, 0, 1),
    "comparisons": lambda x: ((x > 0) & (x < 1)) | ~(x != x),
    "any_all": lambda x: (x > 2).any(axis=0) ^ (x > -2).all(axis=0),
    "slices": lambda x: x[2:17:3, ::-1] + x[1:6, 0][:, None],
    "lists": lambda x: x[[3, 1, 15]][:, [2, 4, 6]] * 2,
    "newaxis": lambda x: x[:, None, :] * x[None, :, :],
    "transpose": lambda x: (x.T + 1).transpose(1, 0) * x,
    "broadcast": lambda x: dda.broadcast_to(x[0], (5, 30)) + 1,
    "rechunk": lambda x: x.rechunk((20, 4)).sum(axis=0) + x.rechunk((7, 30)).mean(axis=0),
    "concatenate": lambda x: dda.concatenate([x, x * 2], axis=0).mean(axis=1),
    "stack": lambda x: dda.stack([x, x + 1], axis=1).sum(axis=1),
    "astype": lambda x: x.astype("f4").mean(axis=0) + x.astype("i8").sum(axis=0),
    "diff": lambda x: dda.diff(x, axis=0) + x[1:],
    "cumsum": lambda x: x.cumsum(axis=0) + x.cumsum(axis=1, method="blelloch"),
    "argmax": lambda x: x.argmax(axis=1),
    "dot": lambda x: x.dot(x.T) + dda.tensordot(x, x, axes=((1,), (1,))),
    "map_blocks": lambda x: (x + 1).map_blocks(np.sort, axis=1) * 2,
    "map_overlap": lambda x: (x * 2).map_overlap(lambda b: b + b.mean(), depth=1, boundary="reflect") + 1,
    "masks": lambda x: x[x > 0],
    "take": lambda x: dda.take(x, [5, 2, 2, 19], axis=0).sum(axis=1),
    "shuffle": lambda x: x.shuffle([[3, 1], [0, 19, 4]], axis=0) + 1,
    "ones": lambda x: dda.ones((20, 30), chunks=7) * 3 + x,
    "arange": lambda x: dda.arange(30, chunks=11) + x,
    "nothing": lambda x: (x[:0] + 1).sum(axis=0),
    "scalars": lambda x: x[3, 4] + x[0, 0] * 2,
    "scalar_of_numpy": lambda x: x * np.float32(2) + np.int8(3),
    "percentile": lambda x: dda.percentile(x[0], 30),
    "histogram": lambda x: dda.histogram(x, bins=5, range=(-50, 50))[0],
    "moment": lambda x: dda.moment(x, 3, axis=0) if hasattr(dda, "moment") else x,
    "divmod": lambda x: x // 2 + x % 3,
    "nested": lambda x: ((x - x.mean()) / (x - x.mean()).std()).sum(axis=0).max(),
}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("kind", ["floats", "holes", "ints", "single"])
def test_programs(name, kind):
    data = {"floats": DATA, "holes": HOLES, "ints": INTS, "single": DATA.astype("f4")}[kind]
    if kind == "holes" and name in ("astype", "argmax", "percentile", "histogram"):
        pytest.skip("NaNs there have no meaning")
    try:
        x = PROGRAMS[name](lazy(data))
    except TypeError:
        pytest.skip("not a function of this dtype")
    same(x, 1e-6 if name == "astype" else 1e-12)


@given(data=st.data())
@settings(max_examples=60)
def test_random_programs(data):
    dtype = data.draw(st.sampled_from(["f8", "f4", "i8", "i4", "u1", "bool", "c16"]))
    values = (RNG.normal(size=(7, 9)) * 4).astype("i8" if dtype == "u1" else dtype)
    values = np.abs(values).astype(dtype) if dtype == "u1" else values
    chunks = data.draw(st.tuples(st.integers(1, 7), st.integers(1, 9)))
    pool = [lazy(values, chunks)]
    steps = {
        "add": lambda x, y: x + y,
        "multiply": lambda x, y: x * y,
        "scale": lambda x, y: x * 2 + 1,
        "where": lambda x, y: dda.where(abs(x) > 1, x, y),
        "astype": lambda x, y: x.astype("f8") if x.dtype.kind != "c" else x,
        "flip": lambda x, y: x[::-1, 1:][:, :4],
        "transpose": lambda x, y: x.T.T,
        "rechunk": lambda x, y: x.rechunk((3, 2)),
        "centre": lambda x, y: x - x.mean(axis=0),
        "sum": lambda x, y: x + x.sum(axis=1, keepdims=True),
        "largest": lambda x, y: x - abs(x).max(),
        "block": lambda x, y: x.map_blocks(np.negative if x.dtype != bool else np.logical_not),
        "abs": lambda x, y: np.abs(x),
    }
    for _ in range(data.draw(st.integers(1, 6))):
        name = data.draw(st.sampled_from(sorted(steps)))
        x = data.draw(st.sampled_from(pool))
        matching = [y for y in pool if y.shape == x.shape]
        y = data.draw(st.sampled_from(matching))
        try:
            pool.append(steps[name](x, y))
        except TypeError:
            continue
    same(pool[-1], rtol=1e-10)
    if pool[-1].size and pool[-1].dtype != bool:
        same(pool[-1].std(axis=0), rtol=1e-7)


OTHERS = {
    "masked": np.ma.masked_array(DATA, mask=DATA > 1),
    "objects": DATA.round(2).astype(object),
    "strings": np.array([["a", "bc"], ["d", ""]]),
    "big_endian": DATA.astype(">f8"),
    "datetimes": np.arange("2000-01-01", "2000-01-21", dtype="datetime64[D]").reshape(4, 5),
    "timedeltas": np.arange(20).astype("timedelta64[ns]").reshape(4, 5),
    "long": DATA.astype(np.longdouble),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_selion_has_no_arrays_of_stays_python(kind):
    data = OTHERS[kind]
    x = dda.from_array(np.arange(data.size).reshape(data.shape), chunks=2)
    number = dda.from_array(data, chunks=2)
    between = x.map_blocks(lambda b, block_info=None: b * 1, dtype=x.dtype)
    if kind in ("strings",):
        same((number == "a").sum(axis=0) + between[0] * 2)
    elif kind == "datetimes":
        same(number - number[0, 0] + (x * 2).astype("timedelta64[D]"))
        same(number.max(axis=0))
    elif kind == "timedeltas":
        same(number * 2 + number.max())
    else:
        same((number * 2 + between).sum(axis=0) / 3)
        same(number - number[0])


def test_masked_in_the_middle():
    x = lazy() * 2
    y = dda.ma.masked_greater(x, 1) + 1
    same(y.mean(axis=0))
    same(dda.ma.filled(y * 2, -1).sum())


def test_structured_in_the_middle():
    kind = np.dtype([("a", "f8"), ("b", "i4")])
    x = (lazy() + 1).map_blocks(lambda b: np.rec.fromarrays([b, b.astype("i4")], dtype=kind), dtype=kind)
    same(x["a"].sum(axis=0) + x["b"].mean(axis=0))


def test_functions_are_known_by_what_they_are():
    def add(x, y):
        return x - y

    add.__module__, add.__qualname__ = "operator", "add"
    operator_like = functools.partial(add, y=1)
    assert selion.get({"x": np.ones(3), "y": (add, "x", "x")}, "y").tolist() == [0, 0, 0]
    assert (dda.ones(3, chunks=3).map_blocks(operator_like)).compute(scheduler=selion.get).tolist() == [0, 0, 0]


def test_errors_are_the_same():
    def fail(block):
        raise LookupError("by the user")

    x = (lazy() * 2).map_blocks(fail, dtype=float, meta=np.zeros((0, 0))) + 1
    with pytest.raises(LookupError, match="by the user") as caught:
        x.sum().compute(scheduler=selion.get)
    assert traceback.extract_tb(caught.tb)[-1].name == "fail"
    for wrong in (
        {"x": np.ones(3), "z": (operator.add, "x", np.ones(4))},
        {"x": np.ones(3), "z": (operator.getitem, "x", 7)},
        {"x": np.ones(3), "z": (np.sum, "x", 5)},
        {"x": np.ones(3), "z": (operator.and_, "x", 1)},
        {"x": np.array(["a"]), "z": (operator.mul, "x", 1.5)},
    ):
        with pytest.raises(Exception) as wanted:
            dask.threaded.get(wrong, "z")
        with pytest.raises(type(wanted.value)) as got:
            selion.get(wrong, "z")
        assert str(got.value) == str(wanted.value)


def test_states_that_others_read():
    """A function of the user's that reads the state of a native mean."""
    seen = []

    def look(state):
        seen.append(state)
        return state["total"] / state["n"]

    from dask.array.reductions import mean_chunk, moment_chunk

    dsk = {
        "x": DATA,
        "mean": (functools.partial(mean_chunk, axis=(0,), keepdims=True), "x"),
        "var": (functools.partial(moment_chunk, axis=(0,), keepdims=True), "x"),
        "y": (look, "mean"),
        "z": (look, "var"),
    }
    for got, wanted in zip(selion.get(dsk, ["mean", "var"]), dask.threaded.get(dsk, ["mean", "var"]), strict=True):
        assert list(got) == list(wanted)
        for name in wanted:
            np.testing.assert_allclose(got[name], wanted[name])
            assert got[name].dtype == wanted[name].dtype
    np.testing.assert_allclose(selion.get(dsk, ["y", "z"])[0], DATA.mean(0, keepdims=True))
    assert all(type(state) is dict for state in seen)


def test_explain():
    x = lazy()
    told = selion.dask.explain(((x - x.mean(axis=0)) / x.std(axis=0)).map_blocks(np.sort).sum())
    assert told.lifted > 0.8 * told.tasks
    assert told.native < told.lifted
    assert ("numpy.sort", 12) in told.left
    assert "calls of numpy.sort stay in Python" in repr(told)
    assert selion.dask.explain(x + 1, x.sum()).lifted > 0


def test_zarr_sources_are_read_natively(tmp_path):
    zarr = pytest.importorskip("zarr")
    z = zarr.create_array(tmp_path / "x.zarr", shape=(20, 30), chunks=(7, 11), dtype="f8")
    z[:] = DATA
    x = dda.from_zarr(str(tmp_path / "x.zarr"))
    told = selion.dask.explain(x.mean(axis=0))
    assert not any("getter" in name for name, _ in told.left)
    same(x.mean(axis=0))
    same(x[3:15, ::2] + 1)


def test_a_graph_of_many_keys():
    n = 200_000
    dsk = {("x", k): (operator.add, k, 1) for k in range(n)} | {"sum": (sum, [("x", k) for k in range(n)])}
    assert selion.get(dsk, "sum") == n * (n + 1) // 2
