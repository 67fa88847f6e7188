"""Python functions on blocks: map_blocks, blockwise, elemwise, reductions by functions, generalised ufuncs."""

import operator
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import selion.array as da
from selion.array.core import elemwise
from selion.array.reductions import arg_reduction, cumreduction
from selion.testing import arrays, assert_same, chunkings

X = np.arange(24.0).reshape(4, 6)


@given(st.data())
def test_map_blocks_keeps_the_places(data):
    x = data.draw(arrays(["f8", "i4"]))
    lazy = da.from_array(x, chunks=data.draw(chunkings(x.shape)))
    with np.errstate(all="ignore"):
        assert_same(lazy.map_blocks(lambda block: block + 1).compute(), x + 1)


def test_map_blocks_tells_the_block():
    seen = {}

    def look(block, block_info=None, block_id=None):
        if block_info:
            seen[block_id] = block_info
        return block

    da.from_array(X, chunks=(2, 4)).map_blocks(look, dtype=float).compute()
    own = seen[1, 1][None]
    assert own["shape"] == (4, 6)
    assert own["num-chunks"] == (2, 2)
    assert own["array-location"] == [(2, 4), (4, 6)]
    assert own["chunk-location"] == (1, 1)
    assert own["chunk-shape"] == (2, 2)
    assert np.dtype(float) == own["dtype"]
    assert seen[1, 1][0]["array-location"] == [(2, 4), (4, 6)]


def test_map_blocks_changes_axes():
    x = da.from_array(X, chunks=(2, 6))
    assert_same(x.map_blocks(lambda b: b.sum(1), drop_axis=1).compute(), X.sum(1))
    assert_same(x.map_blocks(lambda b: b.sum(0), drop_axis=-2).compute(), X.sum(0))
    assert_same(x.map_blocks(lambda b: b[..., None], new_axis=2).compute(), X[..., None])
    assert_same(x.map_blocks(lambda b: b[..., None], new_axis=-1).compute(), X[..., None])
    assert_same(x.map_blocks(lambda b: b[:, :2], chunks=((2, 2), (2,))).compute(), X[:, :2])
    made = da.map_blocks(lambda block_id: np.full(2, block_id[0]), chunks=((2, 2),), dtype=int)
    assert_same(made.compute(), np.array([0, 0, 1, 1]))


def test_map_blocks_errors():
    x = da.from_array(X, chunks=2)
    with pytest.raises(TypeError, match="callable"):
        da.map_blocks(x, x)
    with pytest.raises(ValueError, match="inference failed"):
        x.map_blocks(lambda b: b.nothing)
    with pytest.raises(ValueError, match="Provided chunks have 1 dims"):
        x.map_blocks(lambda b: b, chunks=(2,), dtype=float)
    with pytest.raises(ValueError, match="do not align"):
        da.map_blocks(np.add, x, x.rechunk(3), dtype=float)
    with pytest.raises(ValueError, match="Dimension mismatch"):
        x.map_blocks(lambda b: b[0], dtype=float, enforce_ndim=True).compute()
    with pytest.raises(ValueError, match="shape"):
        x.map_blocks(lambda b: b[:1], dtype=float).compute()


def test_blockwise_contracts_as_lists_or_put_together():
    x = da.from_array(X, chunks=(2, 2))
    lists = da.blockwise(lambda rows: sum(block.sum(1) for block in rows), "i", x, "ij", dtype=float)
    assert_same(lists.compute(), X.sum(1))
    whole = da.blockwise(lambda block: block.sum(1), "i", x, "ij", dtype=float, concatenate=True)
    assert_same(whole.compute(), X.sum(1))
    nested = da.blockwise(lambda b: np.array(len(b) * 10 + len(b[0])), "", x, "ij", dtype=int)
    assert nested.compute() == 23


def test_blockwise_lengths():
    x = da.arange(6, chunks=(4, 2))
    twice = da.blockwise(lambda b: np.repeat(b, 2), "i", x, "i", adjust_chunks={"i": lambda n: 2 * n}, dtype=int)
    assert twice.chunks == ((8, 4),)
    assert_same(twice.compute(), np.repeat(np.arange(6), 2))
    tens = da.blockwise(lambda b: b[:, None] + np.zeros(3, int), "iz", x, "i", new_axes={"z": 3}, dtype=int)
    assert tens.shape == (6, 3)
    assert_same(tens.compute(), np.repeat(np.arange(6)[:, None], 3, 1))
    with pytest.raises(ValueError, match="pairs"):
        da.blockwise(np.add, "i", x)
    with pytest.raises(ValueError, match="Repeated"):
        da.blockwise(np.add, "ii", x, "i", dtype=int)
    with pytest.raises(ValueError, match="different lengths"):
        da.blockwise(np.add, "i", x, "i", da.arange(5), "i", dtype=int)


def test_unify_chunks():
    x, y = da.ones((4, 6), chunks=(4, 3)), da.ones(6, chunks=4)
    chunks, (a, b, c) = da.unify_chunks(x, "ij", y, "j", 7, None)
    assert chunks == {"i": (4,), "j": (3, 1, 2)}
    assert (a.chunks, b.chunks, c) == (((4,), (3, 1, 2)), ((3, 1, 2),), 7)
    assert da.unify_chunks() == ({}, [])


def test_elemwise():
    x, y = da.from_array(X, chunks=2), da.arange(6, chunks=4)
    assert_same(elemwise(np.hypot, x, y).compute(), np.hypot(X, np.arange(6)))
    out = da.zeros((4, 6))
    assert elemwise(np.add, x, 1, out=out, where=x > 3) is out
    assert_same(out.compute(), np.where(X > 3, X + 1, 0))
    with pytest.raises(TypeError, match="keyword"):
        elemwise(np.add, x, 1, colour="red")
    with pytest.raises(ValueError, match=r"broadcast|shape"):
        elemwise(np.add, x, da.ones(5))
    with pytest.raises(ValueError, match="where"):
        elemwise(np.add, x, 1, where=x > 3)


@given(st.data())
def test_reduction_by_functions(data):
    x = data.draw(arrays(["i4"], max_dims=3))
    chunks = data.draw(chunkings(x.shape))
    axis = data.draw(st.sampled_from([None, *range(x.ndim), tuple(range(x.ndim))]))
    keepdims, split = data.draw(st.booleans()), data.draw(st.sampled_from([None, 2, 3]))
    got = da.reduction(
        da.from_array(x, chunks=chunks), np.sum, np.sum, axis, keepdims, dtype="i8", split_every=split
    ).compute()
    assert_same(got, np.sum(x, axis=axis, keepdims=keepdims, dtype="i8"))


def test_reduction_of_objects():
    def chunk(block, axis, keepdims):
        return {"n": block.size, "total": block.sum()}

    def combine(parts, axis, keepdims):
        parts = parts if isinstance(parts, list) else [parts]
        return {key: sum(part[key] for part in parts) for key in ("n", "total")}

    def aggregate(parts, axis, keepdims):
        found = combine(parts, axis, keepdims)
        return np.asarray(found["total"] / found["n"])

    x = da.arange(100, chunks=3)
    mean = da.reduction(x, chunk, aggregate, dtype=float, combine=combine, concatenate=False, split_every=4)
    assert mean.compute() == 49.5


def test_reduction_with_weights_and_size():
    x = da.from_array(X, chunks=(3, 4))

    def chunk(block, weights=None, axis=None, keepdims=None):
        return (block * weights).sum(axis, keepdims=keepdims)

    weights = np.linspace(1, 2, 6)
    np.testing.assert_allclose(
        da.reduction(x, chunk, np.sum, dtype=float, weights=weights).compute(), (X * weights).sum()
    )
    with pytest.raises(ValueError, match="dtype"):
        da.reduction(x, np.sum, np.sum)

    def both(block, axis, keepdims):
        return np.stack([block.min(axis[0]), block.max(axis[0])], axis[0])

    ends = da.reduction(x, both, both, axis=0, keepdims=True, dtype=float, output_size=2)
    assert_same(ends.compute(), np.stack([X.min(0), X.max(0)]))


def test_arg_reduction_and_cumreduction():
    x = da.from_array(X[::-1].copy(), chunks=(2, 3))

    def chunk(block, axis, offset):
        (axis,) = axis
        return {"v": block.max(axis, keepdims=True), "i": block.argmax(axis, keepdims=True) + offset}

    def combine(parts, axis, keepdims):
        best = parts["v"].argmax(axis[0])
        best = np.expand_dims(best, axis[0])
        return {key: np.take_along_axis(part, best, axis[0]) for key, part in parts.items()}

    def agg(parts, axis, keepdims):
        return combine(parts, axis, True)["i"].squeeze(axis[0])

    for axis in (0, 1):
        assert_same(arg_reduction(x, chunk, combine, agg, axis=axis).compute(), X[::-1].argmax(axis))
    with pytest.raises(TypeError, match="axis"):
        arg_reduction(x, chunk, combine, agg, axis=(0, 1))
    assert_same(cumreduction(np.cumsum, np.add, 0, x, axis=1).compute(), X[::-1].cumsum(1))
    assert_same(cumreduction(np.cumsum, np.add, 0, x).compute(), X[::-1].cumsum())
    with pytest.raises(ValueError, match="method"):
        cumreduction(np.cumsum, np.add, 0, x, axis=0, method="guess")
    with pytest.raises(TypeError, match="preop"):
        cumreduction(np.cumsum, np.add, 0, x, axis=0, method="blelloch")


def test_gufunc_outputs():
    x = da.from_array(X, chunks=(2, 6))
    low, high = da.apply_gufunc(lambda b: (b.min(-1), b.max(-1)), "(i)->(),()", x, output_dtypes=[float, float])
    assert_same(low.compute(), X.min(1))
    assert_same(high.compute(), X.max(1))
    (only,) = da.apply_gufunc(lambda b: (b.min(-1),), "(i)->(),", x, output_dtypes=[float])
    assert_same(only.compute(), X.min(1))
    pairs = da.apply_gufunc(lambda b: b[..., :2], "(i)->(two)", x, output_sizes={"two": 2}, output_dtypes=float)
    assert_same(pairs.compute(), X[:, :2])
    shorter = da.apply_gufunc(lambda b: np.diff(b), "(i)->(i)", x, output_sizes={"i": 5}, output_dtypes=float)
    assert_same(shorter.compute(), np.diff(X))


def test_gufunc_axes():
    x = da.from_array(X, chunks=(4, 3))
    total = partial(np.sum, axis=-1)
    assert_same(da.apply_gufunc(total, "(i)->()", x, axis=0, output_dtypes=float).compute(), X.sum(0))
    kept = da.apply_gufunc(total, "(i)->()", x, axes=[(0,), ()], keepdims=False, output_dtypes=float)
    assert_same(kept.compute(), X.sum(0))
    kept = da.apply_gufunc(total, "(i)->()", x, axis=0, keepdims=True, output_dtypes=float)
    assert_same(kept.compute(), X.sum(0, keepdims=True))
    y = da.from_array(X.reshape(2, 2, 6), chunks=(1, 2, 6))
    product = da.apply_gufunc(
        lambda a, b: a @ b,
        "(i,j),(j,k)->(i,k)",
        y,
        y.transpose(0, 2, 1),
        output_dtypes=float,
        axes=[(1, 2), (1, 2), (2, 1)],
    )
    want = X.reshape(2, 2, 6) @ X.reshape(2, 2, 6).transpose(0, 2, 1)
    assert_same(product.compute(), want.transpose(0, 2, 1))


def test_gufunc_vectorized_with_repeated_names():
    x = np.stack([np.eye(3) * k for k in range(1, 5)])
    inverse = da.as_gufunc("(n, n)->(n, n)", output_dtypes=float, vectorize=True)(np.linalg.inv)
    assert_same(inverse(da.from_array(x, chunks=(2, 3, 3))).compute(), np.linalg.inv(x))


def test_gufunc_errors():
    x, one = da.from_array(X, chunks=(2, 3)), (lambda b: b.sum(-1))
    with pytest.raises(ValueError, match="multiple chunks"):
        da.apply_gufunc(one, "(i)->()", x, output_dtypes=float)
    assert_same(da.apply_gufunc(one, "(i)->()", x, output_dtypes=float, allow_rechunk=True).compute(), X.sum(1))
    with pytest.raises(ValueError, match="signature"):
        da.apply_gufunc(one, "(i->)", x)
    with pytest.raises(TypeError, match="string"):
        da.apply_gufunc(one, None, x)
    with pytest.raises(ValueError, match="requires 2 arguments"):
        da.apply_gufunc(one, "(i),(i)->()", x, output_dtypes=float)
    with pytest.raises(ValueError, match="different chunksize"):
        da.apply_gufunc(np.add, "(),()->()", da.ones(4, chunks=2), da.ones(4, chunks=3), output_dtypes=float)
    with pytest.raises(ValueError, match="different lengths"):
        da.apply_gufunc(np.add, "(),()->()", da.ones(4), da.ones(3), output_dtypes=float)
    with pytest.raises(ValueError, match="2 outputs"):
        da.apply_gufunc(one, "(i)->(),()", x, output_dtypes=float)
    with pytest.raises(ValueError, match="output_dtypes"):
        da.apply_gufunc(lambda b: b.nothing, "()->()", x)
    with pytest.raises(ValueError, match="gave 1 results instead of 2"):
        da.apply_gufunc(lambda b: (b,), "()->(),()", x, output_dtypes=[float, float])[0].compute()
    with pytest.raises(TypeError, match="Unsupported"):
        da.as_gufunc("()->()", colour="red")


def test_apply_along_axis():
    x = da.from_array(X, chunks=(2, 3))
    for axis in (0, 1, -1):
        ends = operator.itemgetter([0, -1])
        got = da.apply_along_axis(ends, axis, x, dtype=float, shape=(2,))
        assert_same(got.compute(), np.apply_along_axis(ends, axis, X))
        assert_same(da.apply_along_axis(np.sum, axis, x).compute(), np.apply_along_axis(np.sum, axis, X))
    with pytest.raises(np.exceptions.AxisError):
        da.apply_along_axis(np.sum, 2, x)


def test_frompyfunc():
    add = da.frompyfunc(lambda a, b: a + b, 2, 1)
    x, y = da.arange(5, chunks=2), da.arange(5, chunks=3)
    assert_same(add(x, y).compute(), np.arange(5) * 2)
    both = da.frompyfunc(divmod, 2, 2)(x, 2)
    assert_same(both[0].compute(), np.arange(5) // 2)
    assert_same(both[1].compute(), np.arange(5) % 2)
    with pytest.raises(TypeError, match="2 positional"):
        add(x)
