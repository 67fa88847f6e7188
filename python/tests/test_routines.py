"""Functions of NumPy that choose, insert, differ, count and index: as NumPy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import selion.array as da
from selion.testing import FLOATS, INTEGERS, arrays, assert_same, chunkings

# NumPy's functions warn of NaN and infinities in whichever thread they run.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

X = np.arange(24.0).reshape(4, 6)
LAZY = da.from_array(X, chunks=(3, 4))


def lazily(data, x):
    return da.from_array(x, chunks=data.draw(chunkings(x.shape)))


@pytest.mark.parametrize("name", ["i0", "sinc", "spacing"])
@given(data=st.data())
def test_functions_of_one(name, data):
    x = data.draw(arrays(["f4", "f8"], max_dims=2))
    with np.errstate(all="ignore"):
        assert_same(getattr(da, name)(lazily(data, x)).compute(), getattr(np, name)(x))


@given(st.data())
def test_functions_of_two(data):
    x = data.draw(arrays(["f8"]))
    y = data.draw(arrays(["f8"], shape=x.shape))
    with np.errstate(all="ignore"):
        assert_same(da.nextafter(lazily(data, x), lazily(data, y)).compute(), np.nextafter(x, y))
        assert_same(da.ldexp(lazily(data, x), 3).compute(), np.ldexp(x, 3))
        for name in ("frexp", "modf"):
            for got, want in zip(getattr(da, name)(lazily(data, x)), getattr(np, name)(x), strict=True):
                assert_same(got.compute(), want)
        for got, want in zip(np.modf(lazily(data, x)), np.modf(x), strict=True):
            assert_same(got.compute(), want)


@given(st.data())
def test_choose_and_select(data):
    x = data.draw(arrays(["i8"], max_dims=2))
    which = np.abs(x) % 3
    choices = [x, x.astype(float) / 2, np.float32(7)]
    assert_same(
        lazily(data, which).choose([lazily(data, x), choices[1], choices[2]]).compute(), np.choose(which, choices)
    )
    conditions = [x < 0, x > 3]
    got = da.select([lazily(data, c) for c in conditions], [lazily(data, x), choices[1]], 5)
    assert_same(got.compute(), np.select(conditions, choices[:2], 5))
    got = da.piecewise(lazily(data, x), [lazily(data, x < 0), x > 3], [lambda v: -v, 1, 7])
    assert_same(got.compute(), np.piecewise(x, [x < 0, x > 3], [lambda v: -v, 1, 7]))


def test_choose_and_select_errors():
    with pytest.raises(ValueError, match="invalid entry"):
        da.choose(da.asarray([2]), [da.zeros(1)]).compute()
    with pytest.raises(ValueError, match="same length"):
        da.select([LAZY > 1], [])
    with pytest.raises(ValueError, match="empty"):
        da.select([], [])
    with pytest.raises(TypeError, match="boolean"):
        da.select([LAZY], [LAZY])
    with pytest.raises(ValueError, match="condition"):
        da.piecewise(LAZY, [LAZY > 1], [1, 2, 3])


@given(st.data())
def test_insert_delete_append(data):
    x = data.draw(arrays(["i4"], min_side=1).filter(lambda x: x.ndim))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    n = x.shape[axis]
    places = data.draw(st.lists(st.integers(-n, n - 1), max_size=4))
    single = data.draw(st.integers(-n, n - 1))
    for obj in (single, places, slice(None, None, 2)):
        assert_same(da.delete(lazily(data, x), obj, axis).compute(), np.delete(x, obj, axis))
        values = np.int32(7)
        assert_same(da.insert(lazily(data, x), obj, values, axis).compute(), np.insert(x, obj, values, axis))
    assert_same(da.append(lazily(data, x), lazily(data, x), axis).compute(), np.append(x, x, axis))
    assert_same(da.append(lazily(data, x), [1.5]).compute(), np.append(x, [1.5]))


def test_insert_as_numpy_shapes_values():
    x = np.arange(6).reshape(2, 3)
    for obj, values, axis in [
        (1, [7, 8], 1),
        (1, [7, 8, 9], 0),
        ([1], [[7], [8]], 1),
        (1, [[7], [8]], 1),
        ([0, 2], 5, 1),
    ]:
        assert_same(da.insert(da.from_array(x, chunks=2), obj, values, axis).compute(), np.insert(x, obj, values, axis))
    assert_same(da.insert(da.arange(3), 1, [7, 8, 9], 0).compute(), np.insert(np.arange(3), 1, [7, 8, 9]))
    for function in (lambda: da.insert(LAZY, 9, 0, 0), lambda: da.delete(LAZY, 9, 0)):
        with pytest.raises(IndexError):
            function()
    with pytest.raises(np.exceptions.AxisError):
        da.delete(LAZY, 0, 2)


@given(st.data())
def test_shuffle(data):
    n = data.draw(st.integers(1, 12))
    x = np.arange(n * 2).reshape(n, 2)
    groups = data.draw(st.lists(st.lists(st.integers(0, n - 1), min_size=1, max_size=4), min_size=1, max_size=5))
    got = lazily(data, x).shuffle(groups, axis=0)
    assert_same(got.compute(), x[np.concatenate(groups)])
    ends = np.cumsum(got.chunks[0])
    assert set(ends) <= set(np.cumsum([len(group) for group in groups]))


def test_shuffle_errors():
    with pytest.raises(ValueError, match="list of lists"):
        LAZY.shuffle([0, 1], axis=0)
    with pytest.raises(IndexError):
        LAZY.shuffle([[9]], axis=0)
    with pytest.raises(np.exceptions.AxisError):
        LAZY.shuffle([[0]], axis=2)


@pytest.mark.parametrize("reduce", [np.sum, np.mean, np.max, np.median, da.min])
@pytest.mark.parametrize("axes", [{0: 2}, {0: 2, 1: 3}, {-1: 3}, {}])
def test_coarsen(reduce, axes):
    got = da.coarsen(reduce, LAZY, axes)
    blocks = X.reshape(
        4 // axes.get(0, 1), axes.get(0, 1), 6 // axes.get(1, axes.get(-1, 1)), axes.get(1, axes.get(-1, 1))
    )
    want = getattr(np, reduce.__name__)(blocks, axis=(1, 3))
    np.testing.assert_allclose(got.compute(), want)


def test_coarsen_excess():
    with pytest.raises(ValueError, match="do not align"):
        da.coarsen(np.sum, da.arange(7), {0: 2})
    got = da.coarsen(np.sum, da.arange(7, chunks=(1, 2, 4)), {0: 2}, trim_excess=True)
    assert_same(got.compute(), np.array([1, 5, 9]))


@given(st.data())
def test_gradient(data):
    x = data.draw(arrays(["f8", "i4"], min_side=3, max_side=6, max_dims=2).filter(lambda x: x.ndim))
    x = np.nan_to_num(x % 16)
    order = data.draw(st.sampled_from([1, 2]))
    places = np.cumsum(np.arange(1.0, x.shape[0] + 1))
    for varargs, axis in (((), None), ((0.5,), None), ((places,), 0), ((2.0,), -1)):
        got, want = (
            f(y, *varargs, axis=axis, edge_order=order) for f, y in ((da.gradient, lazily(data, x)), (np.gradient, x))
        )
        for a, b in zip(
            got if isinstance(got, list) else [got], want if isinstance(want, tuple) else [want], strict=True
        ):
            np.testing.assert_allclose(a.compute(), b, atol=1e-9)


def test_gradient_errors():
    for error, varargs in ((ValueError, (np.arange(3.0),)), (TypeError, (1.0, 2.0)), (ValueError, (np.ones((2, 2)),))):
        with pytest.raises(error):
            da.gradient(LAZY, *varargs, axis=0)
    with pytest.raises(ValueError, match="too small"):
        da.gradient(da.ones(1))


def test_ediff1d_and_union1d():
    assert_same(da.ediff1d(LAZY, to_begin=[-1, 0], to_end=9).compute(), np.ediff1d(X, to_begin=[-1, 0], to_end=9))
    assert_same(da.union1d(LAZY, [3, 99]).compute(), np.union1d(X, [3, 99]))


@given(st.data())
def test_moment(data):
    x = data.draw(arrays(["f8", "i4"], min_side=1, max_dims=2))
    x = np.nan_to_num(x % 16)
    order, ddof = data.draw(st.integers(0, 4)), data.draw(st.integers(0, 1))
    axis = data.draw(st.sampled_from([None, *range(x.ndim)]))
    n = x.size if axis is None else x.shape[axis]
    if ddof >= n:
        return
    powers = (x - x.mean(axis, keepdims=True)) ** order
    want = (powers * (order != 1)).sum(axis) / (n - (ddof if order > 1 else 0))
    np.testing.assert_allclose(lazily(data, x).moment(order, axis, ddof=ddof).compute(), want, atol=1e-9)
    with pytest.raises(ValueError, match="Order"):
        da.moment(LAZY, -1)


@given(st.data())
def test_scans_in_another_dtype(data):
    x = data.draw(arrays(["i2", "u1"]))
    dtype = data.draw(st.sampled_from([*INTEGERS, "f8"]))
    axis = data.draw(st.sampled_from([None, *range(x.ndim)]))
    for name in ("cumsum", "cumprod"):
        got = getattr(da, name)(lazily(data, x), axis, dtype).compute()
        assert_same(got, getattr(np, name)(x, axis, dtype))
    assert_same(da.nancumsum(lazily(data, x), axis, dtype=dtype).compute(), np.nancumsum(x, axis, dtype))


def test_scans_cast_before_they_add():
    x = np.array([0.6, 0.6, 1.5])
    assert_same(da.cumsum(da.from_array(x, chunks=2), dtype="i1").compute(), np.cumsum(x, dtype="i1"))
    with pytest.raises(ValueError, match="method"):
        da.cumsum(LAZY, 0, method="guess")


@given(st.data())
def test_bincount_is_as_long_as_it_must_be(data):
    x = np.abs(data.draw(arrays(["i8", "u1", "?"], shape=(data.draw(st.integers(0, 9)),))).astype("i8")) % 12
    x = x.astype(data.draw(st.sampled_from(["i8", "u1", "i2"])))
    minlength = data.draw(st.integers(0, 20))
    lazy = lazily(data, x)
    for each in (lazy, lazy + 0):
        assert_same(
            da.bincount(each, minlength=minlength).compute(),
            np.bincount(x, minlength=minlength),
        )
    weights = np.arange(1.0, len(x) + 1)
    if not len(x):
        return  # NumPy counts nothing in int64 whatever the weights
    got = da.bincount(lazy, weights=lazily(data, weights), minlength=minlength).compute()
    assert_same(got, np.bincount(x, weights, minlength))


def test_lengths_of_bincount():
    assert da.bincount(da.asarray([2, 1, 5]), minlength=6).shape == (6,)
    assert da.bincount(da.asarray(np.array([2], "u1")) + np.uint8(1), minlength=256).shape == (256,)
    assert np.isnan(da.bincount(da.asarray([2, 1, 5]) + 1, minlength=6).shape[0])
    with pytest.raises(ValueError, match="minlength"):
        da.bincount(da.asarray([1]), minlength=-1)


def test_histograms_of_several_dimensions():
    rng = np.random.default_rng(0)
    points, weights = rng.random((50, 2)), rng.random(50)
    lazy = da.from_array(points, chunks=(20, 2))
    ranges, edges = [(0, 1), (0.2, 0.9)], [[0, 0.5, 1], [0, 0.1, 0.4, 1]]
    for bins, range_ in ((4, ranges), ([3, 5], ranges), (edges, None)):
        for options in ({}, {"density": True}, {"weights": weights}):
            got, got_edges = da.histogramdd(lazy, bins, range_, **options)
            want, want_edges = np.histogramdd(points, bins, range_, **options)
            np.testing.assert_allclose(got.compute(), want)
            for a, b in zip(got_edges, want_edges, strict=True):
                np.testing.assert_allclose(a.compute(), b)
        got, x, y = da.histogram2d(lazy[:, 0], lazy[:, 1], bins, range_)
        want, wx, wy = np.histogram2d(points[:, 0], points[:, 1], bins, range_)
        assert_same(got.compute(), want)
        np.testing.assert_allclose(x.compute(), wx)
        np.testing.assert_allclose(y.compute(), wy)


@pytest.mark.parametrize(
    ("bins", "range_"),
    [(4, None), ([4, 5, 6], [(0, 1)] * 3), (4, [(0, 1)]), (4, [(0, 1, 2), (0, 1)]), ([[0, 1], [1, 0]], None)],
)
def test_histogramdd_errors(bins, range_):
    with pytest.raises(ValueError, match=r"range|bins"):
        da.histogramdd(da.ones((3, 2)), bins, range_)


@pytest.mark.parametrize("range_", [1, (1, 2, 3), [1], np.ones((2, 2))])
def test_histogram_ranges(range_):
    with pytest.raises(ValueError, match="range"):
        da.histogram(LAZY, bins=3, range=range_)


@given(st.data())
def test_indices_of_elements(data):
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    order = data.draw(st.sampled_from("CF"))
    x = data.draw(st.lists(st.integers(0, np.prod(shape) - 1), max_size=6))
    x = np.array(x, int)
    got = da.unravel_index(lazily(data, x), shape, order)
    for a, b in zip(got, np.unravel_index(x, shape, order), strict=True):
        assert_same(a.compute(), b)
    assert_same(da.ravel_multi_index(got, shape, order=order).compute(), x)


def test_indices_out_of_bounds():
    with pytest.raises(ValueError, match="out of bounds"):
        da.unravel_index(da.asarray([9]), (2, 3))[0].compute()
    with pytest.raises(ValueError, match="order"):
        da.unravel_index(da.asarray([1]), (2, 3), "A")
    with pytest.raises(TypeError, match="int"):
        da.unravel_index(da.ones(1), (2, 3))
    with pytest.raises(ValueError, match="invalid entry"):
        da.ravel_multi_index((da.asarray([5]),), (2,)).compute()
    assert da.ravel_multi_index((da.asarray([5]),), (2,), mode="clip").compute() == [1]
    with pytest.raises(ValueError, match="length 2"):
        da.ravel_multi_index((da.asarray([5]),), (2, 3))


@pytest.mark.parametrize("k", [-2, 0, 1])
@pytest.mark.parametrize("m", [None, 3, 6])
def test_triangles(k, m):
    for name in ("tril_indices", "triu_indices"):
        for got, want in zip(getattr(da, name)(4, k, m, chunks=2), getattr(np, name)(4, k, m), strict=True):
            assert_same(got.compute(), want)
        for got, want in zip(getattr(da, f"{name}_from")(LAZY, k), getattr(np, f"{name}_from")(X, k), strict=True):
            assert_same(got.compute(), want)
    with pytest.raises(ValueError, match="2-d"):
        da.tril_indices_from(da.ones(3))


def test_reshape_blockwise():
    x = da.from_array(X.reshape(2, 2, 6), chunks=(1, 2, 3))
    flat = da.reshape_blockwise(x, (2, 12))
    assert flat.chunks == ((1, 1), (6, 6))
    assert sorted(flat.compute().ravel()) == sorted(X.ravel())
    assert_same(da.reshape_blockwise(flat, x.shape, x.chunks).compute(), x.compute())
    assert da.reshape_blockwise(x, -1).shape == (24,)
    with pytest.raises(ValueError, match="size"):
        da.reshape_blockwise(x, (5, 5))
    with pytest.raises(ValueError, match="merged"):
        da.reshape_blockwise(x, (3, 8))
    with pytest.raises(TypeError, match="chunks"):
        da.reshape_blockwise(flat, (2, 2, 6))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["u8", "f4", "u1"])
def test_view(order, dtype):
    want = X.view(dtype) if order == "C" else X.T.copy().view(dtype).T
    assert_same(LAZY.view(dtype, order).compute(), want)
    assert LAZY.view(dtype, order).shape == want.shape


def test_view_errors():
    with pytest.raises(ValueError, match="Order"):
        LAZY.view("u1", "A")
    with pytest.raises(ValueError, match="whole elements"):
        da.ones(3, chunks=1, dtype="u1").view("u2")
    with pytest.raises(ValueError, match="0d"):
        da.asarray(1.0).view("u1")


@given(st.data())
def test_push(data):
    x = data.draw(arrays(["f8"], min_side=1).filter(lambda x: x.ndim))
    axis, n = data.draw(st.integers(0, x.ndim - 1)), data.draw(st.sampled_from([None, 1, 2]))
    want = np.moveaxis(x.copy(), axis, 0)
    for lane in (
        want.reshape(want.shape[0], -1).T
        if want.flags.c_contiguous
        else [want[(slice(None), *k)] for k in np.ndindex(want.shape[1:])]
    ):
        run = 0
        for k in range(1, len(lane)):
            run = run + 1 if np.isnan(lane[k]) else 0
            if run and (n is None or run <= n):
                lane[k] = lane[k - 1]
    assert_same(da.push(lazily(data, x), n, axis).compute(), np.moveaxis(want, 0, axis))


@given(st.data())
def test_linspace(data):
    start, stop = (data.draw(st.floats(-1e6, 1e6)) for _ in range(2))
    num, endpoint = data.draw(st.integers(0, 20)), data.draw(st.booleans())
    dtype = data.draw(st.sampled_from([None, *FLOATS[1:]]))
    got, step = da.linspace(start, stop, num, endpoint, retstep=True, chunks=7, dtype=dtype)
    want, want_step = np.linspace(start, stop, num, endpoint, retstep=True, dtype=dtype)
    np.testing.assert_allclose(got.compute(), want, rtol=1e-6)
    assert got.dtype == want.dtype
    np.testing.assert_allclose(step, want_step)


def test_linspace_of_complex_numbers_and_errors():
    np.testing.assert_allclose(da.linspace(0, 1 + 2j, 5).compute(), np.linspace(0, 1 + 2j, 5))
    with pytest.raises(ValueError, match="non-negative"):
        da.linspace(0, 1, -1)


def test_grids():
    assert_same(da.indices((2, 3), chunks=2).compute(), np.indices((2, 3)))
    assert da.indices(()).shape == (0,)
    for indexing in ("xy", "ij"):
        for sparse in (False, True):
            got = da.meshgrid([1, 2], da.arange(3), sparse=sparse, indexing=indexing)
            for a, b in zip(got, np.meshgrid([1, 2], np.arange(3), sparse=sparse, indexing=indexing), strict=True):
                assert_same(a.compute(), b)
    with pytest.raises(NotImplementedError, match="copy"):
        da.meshgrid([1], copy=False)
    with pytest.raises(ValueError, match="indexing"):
        da.meshgrid([1], indexing="yx")


@given(st.data())
def test_places_of_elements(data):
    x = data.draw(arrays(["i4", "f8", "?"], max_dims=3).filter(lambda x: x.ndim))
    lazy = lazily(data, x)
    for got, want in zip(lazy.nonzero(), x.nonzero(), strict=True):
        assert_same(got.compute(), want)
    for got, want in zip(da.where(lazy), np.where(x), strict=True):
        assert_same(got.compute(), want)
    assert_same(da.flatnonzero(lazy).compute(), np.flatnonzero(x))
    assert_same(da.argwhere(lazy).compute(), np.argwhere(x))


@pytest.mark.parametrize("rowvar", [True, False])
@pytest.mark.parametrize(
    "options",
    [{}, {"bias": True}, {"ddof": 0}, {"fweights": [1, 2, 1, 3, 1, 1]}, {"aweights": [1, 0.5, 2, 1, 1, 1]}],
)
def test_cov(rowvar, options):
    x = np.random.default_rng(1).random((3, 6) if rowvar else (6, 3))
    got = da.cov(da.from_array(x, chunks=2), rowvar=rowvar, **options)
    np.testing.assert_allclose(got.compute(), np.cov(x, rowvar=rowvar, **options))


def test_out_and_where():
    out = da.zeros((4, 6))
    assert np.add(LAZY, 1, out=out) is out
    assert_same(out.compute(), X + 1)
    assert da.sqrt(LAZY, out=out, where=LAZY > 3) is out
    assert_same(out.compute(), np.where(X > 3, np.sqrt(X), X + 1))
    total = da.zeros(6)
    assert LAZY.sum(0, out=total) is total
    assert_same(total.compute(), X.sum(0))
    with pytest.raises(ValueError, match="where"):
        da.sqrt(LAZY, where=LAZY > 3)
    with pytest.raises(ValueError, match="shapes"):
        LAZY.sum(0, out=da.zeros(5))
    with pytest.raises(NotImplementedError, match="out="):
        LAZY.sum(0, out=np.zeros(6))


@pytest.mark.parametrize("dtype", ["i1", "f4", "c8"])
def test_dtypes_of_reductions(dtype):
    for name in ("sum", "mean", "prod"):
        got, want = getattr(da, name)(LAZY[:2], 0, dtype), getattr(np, name)(X[:2], 0, dtype)
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got.compute(), want, rtol=1e-5)
    with pytest.raises(TypeError, match="axis"):
        da.argmax(LAZY, (0, 1))


def test_rechunk_balances():
    assert da.ones(20, chunks=6).rechunk(6, balance=True).chunks == ((7, 7, 6),)
    assert da.ones(1000).rechunk("auto", block_size_limit=800).chunksize == (100,)


def test_normalize_chunks():
    assert da.core.normalize_chunks(((2, 2), (3,))) == ((2, 2), (3,))
    assert da.core.normalize_chunks("auto", (100,), limit=80, dtype="f8") == ((10,) * 10,)
    assert da.core.normalize_chunks({0: 2}, (4, 5)) == ((2, 2), (5,))
    assert da.api.normalize_chunks is da.normalize_chunks
    with pytest.raises(ValueError, match="Shape"):
        da.core.normalize_chunks(5)


def test_asarray_stacks_lazy_parts():
    got = da.asarray([da.arange(2), [5, 6]])
    assert_same(got.compute(), np.array([[0, 1], [5, 6]]))
    assert_same(da.array(3, ndmin=2).compute(), np.array(3, ndmin=2))


def test_assert_eq():
    assert da.assert_eq(LAZY, X)
    assert da.assert_eq(LAZY[LAZY > 3], X[X > 3])
    for other in (X + 1, X[:3], X.astype("f4")):
        with pytest.raises(AssertionError):
            da.assert_eq(LAZY, other)


def test_einsum_with_lists():
    assert_same(da.einsum(LAZY, [0, 1], [1]).compute(), np.einsum(X, [0, 1], [1]))
    assert_same(da.einsum(LAZY, [0, 1], LAZY, [0, 1]).compute(), np.einsum(X, [0, 1], X, [0, 1]))


def test_outer_and_compress_and_take():
    assert_same(da.outer(LAZY, [1, 2]).compute(), np.outer(X, [1, 2]))
    keep = np.array([True, False, True])
    assert_same(da.compress(da.from_array(keep), LAZY, axis=0).compute(), np.compress(keep, X, axis=0))
    for function in (lambda: da.take(LAZY, 0, axis=2), lambda: da.compress([True], LAZY, axis=2)):
        with pytest.raises(np.exceptions.AxisError):
            function()


def test_random_parameters_are_checked_at_once():
    rng = da.random.default_rng(0)
    with pytest.raises(ValueError, match="scale"):
        rng.normal(0.0, np.array([1.0, -1.0]), size=2)
    with pytest.raises(ValueError, match="low"):
        rng.integers(np.array([1, 5]), np.array([[2], [3]]))
    with pytest.raises(ValueError, match="scale"):
        rng.normal(LAZY, np.array([1.0] * 5 + [-1.0]))
    assert rng.normal(np.zeros(3), LAZY[:, :3] + 1).compute().shape == (4, 3)
    assert da.random.Generator(np.random.PCG64(1)).normal(size=2).compute().shape == (2,)
