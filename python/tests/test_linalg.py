"""Factors multiply to the matrix and have the shapes, dtypes and properties of NumPy's, whatever the blocks."""

import re
import sys
import warnings

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

import selion
import selion.array as da
from selion.testing import chunkings

DTYPES = ["f4", "f8", "c8", "c16"]


def matrix(shape, dtype="f8", seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    return (x + 1j * rng.normal(size=shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


def positive(n, dtype="f8"):
    x = matrix((n, n), dtype)
    return (x @ x.conj().T + n * np.eye(n)).astype(dtype)


def close(got, want, scale=1.0):
    """Whether values agree up to rounding, and dtypes and shapes exactly."""
    got, want = np.asarray(got), np.asarray(want)
    assert (got.dtype, got.shape) == (want.dtype, want.shape)
    single = want.dtype.char in "fF"
    np.testing.assert_allclose(got, want, rtol=0, atol=scale * (2e-4 if single else 1e-10))


def same_blocks(draw, n):
    (lens,) = draw(chunkings((n,)))
    return (lens, lens)


# ---- QR and singular values ------------------------------------------------------------------------------------------


@st.composite
def stripes(draw):
    """A matrix, and blocks of it that are a column or a row."""
    shape = draw(st.sampled_from([(1, 1), (12, 3), (30, 5), (5, 5), (3, 12), (4, 30), (6, 4), (20, 1), (1, 7)]))
    chunks = list(draw(chunkings(shape)))
    whole = draw(st.sampled_from([0, 1]))
    chunks[whole] = (shape[whole],)
    return matrix(shape, draw(st.sampled_from(DTYPES)), draw(st.integers(0, 9))), tuple(chunks)


def check_qr(x, q, r):
    rank = min(x.shape)
    assert (q.shape, r.shape) == ((x.shape[0], rank), (rank, x.shape[1]))
    assert q.dtype == r.dtype == x.dtype
    q, r = selion.compute(q, r)
    close(q @ r, x, 10)
    close(q.conj().T @ q, np.eye(rank, dtype=x.dtype))
    close(np.triu(r), r)


@given(stripes())
def test_qr(case):
    x, chunks = case
    check_qr(x, *da.linalg.qr(da.from_array(x, chunks)))


@pytest.mark.parametrize("rows", [None, 1, 10, 1000])
@pytest.mark.parametrize("lens", [(1,) * 100, (7,) * 14 + (2,), (2, 50, 1, 40, 7), (100,), (0, 60, 0, 40)])
def test_tsqr_of_many_blocks(lens, rows):
    x = matrix((100, 4))
    lazy = da.from_array(x, (lens, 4))
    check_qr(x, *da.linalg.tsqr(lazy, _max_vchunk_size=rows))
    u, s, v = da.linalg.tsqr(lazy, compute_svd=True, _max_vchunk_size=rows)
    close(s.compute(), np.linalg.svd(x)[1])
    close((u * s @ v).compute(), x)


def test_sfqr_takes_narrow_first_blocks():
    x = matrix((5, 20))
    check_qr(x, *da.linalg.sfqr(da.from_array(x, (5, (2, 2, 8, 8)))))


def test_qr_of_a_matrix_without_full_rank():
    x = matrix((20, 2)) @ matrix((2, 5))
    check_qr(x, *da.linalg.qr(da.from_array(x, (4, 5))))


def test_no_elements():
    for shape in [(0, 3), (3, 0)]:
        q, r = da.linalg.qr(da.ones(shape))
        assert (q @ r).compute().shape == shape


def test_integers_become_floats():
    x = np.arange(12).reshape(6, 2)
    q, r = da.linalg.qr(da.from_array(x, (2, 2)))
    assert q.dtype == r.dtype == np.float64
    close((q @ r).compute(), x.astype(float))
    with pytest.raises(TypeError, match="float16 is unsupported in linalg"):
        da.linalg.qr(da.ones((3, 2), dtype="f2"))


@given(stripes())
def test_svd(case):
    x, chunks = case
    u, s, v = da.linalg.svd(da.from_array(x, chunks))
    rank = min(x.shape)
    assert (u.shape, s.shape, v.shape) == ((x.shape[0], rank), (rank,), (rank, x.shape[1]))
    values = np.linalg.svd(x, compute_uv=False)
    assert (u.dtype, s.dtype, v.dtype) == (x.dtype, values.dtype, x.dtype)
    u, s, v = selion.compute(u, s, v)
    close(s, values, 10)
    close(u * s @ v, x, 10)
    close(u.conj().T @ u, np.eye(rank, dtype=x.dtype))
    close(v @ v.conj().T, np.eye(rank, dtype=x.dtype))
    assert (v.sum(axis=1).real >= -1e-3).all()


def test_signs_do_not_depend_on_blocks():
    x = matrix((24, 3))
    want = selion.compute(*da.linalg.svd(da.from_array(x, chunks=-1)))
    for chunks in [(8, 3), (5, 3), ((1, 20, 3), 3)]:
        for got, part in zip(selion.compute(*da.linalg.svd(da.from_array(x, chunks))), want, strict=True):
            close(got, part)
    plain = da.linalg.svd(da.from_array(x, (8, 3)), coerce_signs=False)
    close((plain[0] * plain[1] @ plain[2]).compute(), x)


def test_a_factorisation_runs_once(monkeypatch):
    calls = []
    qr = np.linalg.qr
    monkeypatch.setattr(np.linalg, "qr", lambda block: (calls.append(1), qr(block))[1])
    q, r = da.linalg.tsqr(da.from_array(matrix((40, 2)), (10, 2)))
    selion.compute(q, r, r.T, scheduler="synchronous")
    assert len(calls) == 5


@pytest.mark.parametrize("iterator", ["power", "QR"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(100, 60), (60, 100)])
def test_compressed_svd(shape, dtype, iterator):
    x = (matrix((shape[0], 6), dtype) @ matrix((6, shape[1]), dtype, 1)).astype(dtype)
    u, s, v = da.linalg.svd_compressed(da.from_array(x, (40, 30)), 6, iterator, n_power_iter=1, seed=0)
    assert (u.shape, s.shape, v.shape) == ((shape[0], 6), (6,), (6, shape[1]))
    want = np.linalg.svd(x, compute_uv=False)[:6]
    u, s, v = selion.compute(u, s, v)
    close(s, want, 100)
    close(u * s @ v, x, 20)


def test_power_iterations_help_with_slow_spectra():
    u, s, v = np.linalg.svd(matrix((200, 150)), full_matrices=False)
    x = da.from_array((u * np.linspace(2, 1, 150)) @ v, chunks=70)
    errors = []
    for n in (0, 4):
        u, s, v = da.linalg.svd_compressed(x, 10, n_power_iter=n, iterator="QR", seed=1, compute=True)
        errors.append(float(abs(s - np.linspace(2, 1, 150)[:10]).max()))
    assert errors[1] < errors[0] / 2


def test_compression():
    assert da.linalg.compression_level(100, 50) == 60
    assert da.linalg.compression_level(30, 50) == 30
    x = da.from_array(matrix((60, 40)), chunks=20)
    q = da.linalg.compression_matrix(x, 15, seed=da.random.RandomState(3))
    assert q.shape == (25, 60)
    close((q @ q.T).compute(), np.eye(25))
    with pytest.raises(ValueError, match="Iterator 'x'"):
        da.linalg.compression_matrix(x, 2, iterator="x")


def test_errors_of_qr_and_svd():
    x = da.ones((8, 8), chunks=4)
    for f in (da.linalg.tsqr, da.linalg.sfqr):
        with pytest.raises(ValueError, match="Input must have only one"):
            f(x)
    with pytest.raises(NotImplementedError, match="rechunk"):
        da.linalg.qr(x)
    with pytest.raises(NotImplementedError, match="svd_compressed"):
        da.linalg.svd(x)
    with pytest.raises(NotImplementedError, match="full_matrices"):
        da.linalg.svd(x, full_matrices=True)
    for f in (da.linalg.tsqr, da.linalg.qr, da.linalg.svd):
        with pytest.raises(ValueError, match="2D"):
            f(da.ones(3))
    y = da.ones((9, 2), chunks=(3, 2))
    with pytest.raises(ValueError, match="compute_chunk_sizes"):
        da.linalg.tsqr(y[da.arange(9, chunks=3) > 2])


# ---- Triangular factors and systems ----------------------------------------------------------------------------------


@given(st.data(), st.sampled_from(DTYPES), st.sampled_from([1, 2, 7, 12]), st.integers(0, 99))
def test_lu(data, dtype, n, seed):
    x = matrix((n, n), dtype, seed)
    lazy = da.linalg.lu(da.from_array(x, same_blocks(data.draw, n)))
    p, lower, upper = scipy.linalg.lu(x)
    for got, part in zip(selion.compute(*lazy), (p.real, lower, upper), strict=True):
        close(got, part, 10)


@pytest.mark.parametrize("n", [6, 7])
def test_lu_pivots_among_all_rows(n):
    x = np.fliplr(np.eye(n)) * 3
    lazy = da.from_array(x, chunks=2)
    p, lower, upper = da.linalg.lu(lazy)
    close((p @ lower @ upper).compute(), x)
    close(da.linalg.solve(lazy, da.ones(n)).compute(), np.full(n, 1 / 3))


@given(st.data(), st.sampled_from(DTYPES), st.sampled_from([1, 5, 9]), st.booleans())
def test_triangular_systems(data, dtype, n, lower):
    a = matrix((n, n), dtype) + 3 * np.eye(n, dtype=dtype)
    b = matrix(data.draw(st.sampled_from([(n,), (n, 1), (n, 4)])), dtype, 1)
    chunks = same_blocks(data.draw, n)
    columns = data.draw(chunkings(b.shape))[1:]
    x = da.linalg.solve_triangular(da.from_array(a, chunks), da.from_array(b, (chunks[0], *columns)), lower)
    assert x.shape == b.shape
    close(x.compute(), scipy.linalg.solve_triangular(a, b, lower=lower), 100)


@given(st.data(), st.sampled_from(DTYPES), st.sampled_from([1, 5, 9]), st.sampled_from(["gen", "pos"]))
def test_systems(data, dtype, n, structure):
    a = positive(n, dtype)
    b = matrix(data.draw(st.sampled_from([(n,), (n, 3)])), dtype, 1)
    lazy = da.from_array(a, same_blocks(data.draw, n))
    x = da.linalg.solve(lazy, da.from_array(b, data.draw(chunkings(b.shape))), assume_a=structure)
    close(x.compute(), np.linalg.solve(a, b))
    close(da.linalg.inv(lazy).compute(), np.linalg.inv(a))


@given(st.data(), st.sampled_from(DTYPES), st.sampled_from([1, 2, 7, 12]), st.booleans())
def test_cholesky(data, dtype, n, lower):
    a = positive(n, dtype)
    got = da.linalg.cholesky(da.from_array(a, same_blocks(data.draw, n)), lower)
    want = np.linalg.cholesky(a)
    close(got.compute(), want if lower else want.conj().T, 10)


def test_cholesky_makes_half_of_the_blocks():
    text = da.linalg.cholesky(da.from_array(positive(40), chunks=10)).explain()
    # Below the first block: 6 blocks of the 9 that remain, then 3 of 4, then 1 of 1.
    counts = [int(n) for n in re.findall(r"_minus_product-\w+: (\d+) task", text)]
    assert sorted(counts) == [1, 3, 6]


def test_singular_matrices():
    zero = da.zeros((4, 4), chunks=2)
    one = da.ones(4, chunks=2)
    for lazy in (
        da.linalg.solve(zero, one),
        da.linalg.solve(zero.rechunk(4), one),
        da.linalg.inv(zero),
        da.linalg.cholesky(zero),
        da.linalg.solve_triangular(zero, one),
    ):
        with pytest.raises(np.linalg.LinAlgError):
            lazy.compute()


def test_errors_of_factors_and_systems():
    for f in (da.linalg.lu, da.linalg.cholesky, da.linalg.inv):
        with pytest.raises(ValueError, match="Dimension must be 2"):
            f(da.ones((2, 2, 2)))
        with pytest.raises(ValueError, match="square"):
            f(da.ones((4, 6), chunks=2))
        with pytest.raises(ValueError, match=r"rechunk.*\(2, 2\), \(4,\)"):
            f(da.ones((4, 4), chunks=(2, 4)))
    x, b = da.ones((4, 4), chunks=2), da.ones(4, chunks=2)
    with pytest.raises(ValueError, match="a must be 2 dimensional"):
        da.linalg.solve_triangular(b, b)
    with pytest.raises(ValueError, match="b must be 1 or 2 dimensional"):
        da.linalg.solve_triangular(x, da.ones((4, 1, 1)))
    with pytest.raises(ValueError, match="must be equal"):
        da.linalg.solve_triangular(x, da.ones(5, chunks=2))
    with pytest.raises(ValueError, match="rechunk"):
        da.linalg.solve_triangular(x, b.rechunk(3))
    with pytest.raises(ValueError, match="must be equal"):
        da.linalg.solve(x, da.ones(5))
    with pytest.raises(ValueError, match="not a recognized matrix structure"):
        da.linalg.solve(x, b, assume_a="her")
    with pytest.warns(FutureWarning, match="sym_pos"):
        da.linalg.solve(x, b, sym_pos=True)


def test_without_scipy(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.linalg", None)
    x = da.from_array(positive(4), chunks=2)
    for f in (da.linalg.lu, da.linalg.inv, da.linalg.cholesky):
        with pytest.raises(ImportError, match=r"needs SciPy \(scipy.linalg"):
            f(x)
    whole = x.rechunk(4)
    close(da.linalg.inv(whole).compute(), np.linalg.inv(positive(4)))
    close(da.linalg.cholesky(whole, lower=True).compute(), np.linalg.cholesky(positive(4)))


@given(st.data(), st.sampled_from(DTYPES), st.sampled_from([(12, 3), (6, 6), (9, 1)]))
def test_least_squares(data, dtype, shape):
    a = matrix(shape, dtype)
    b = matrix(data.draw(st.sampled_from([(shape[0],), (shape[0], 2)])), dtype, 1)
    lazy = da.from_array(a, (data.draw(chunkings(shape))[0], shape[1]))
    x, residuals, rank, s = da.linalg.lstsq(lazy, da.from_array(b, data.draw(chunkings(b.shape))))
    want = np.linalg.lstsq(a, b)
    assert (x.shape, s.shape, rank.shape, rank.dtype) == (want[0].shape, want[3].shape, (), np.int64)
    close(x.compute(), want[0], 100)
    if want[1].size:
        close(residuals.compute(), want[1], 10)
    assert rank.compute() == want[2]
    close(s.compute(), want[3])


def test_errors_of_least_squares():
    with pytest.raises(ValueError, match="as many rows as columns"):
        da.linalg.lstsq(da.ones((2, 3)), da.ones(2))


# ---- Norms -----------------------------------------------------------------------------------------------------------


@given(st.data(), st.sampled_from(["i1", *DTYPES]), st.booleans())
def test_norms(data, dtype, keepdims):
    shape = data.draw(st.sampled_from([(5,), (4, 6), (3, 4, 5)]))
    x = matrix(shape, "f8" if dtype == "i1" else dtype)
    x = (x * 5).astype(dtype) if dtype == "i1" else x
    axis = data.draw(st.sampled_from([None, 0, -1, *([(0, 1), (1, 0)] if x.ndim > 1 else [])]))
    matrices = isinstance(axis, tuple) or (axis is None and x.ndim == 2)
    orders = [None, 1, -1, 2, -2, np.inf, -np.inf, *(["fro", "nuc"] if matrices else [0, 3, 0.5])]
    ord = data.draw(st.sampled_from([None] if axis is None and x.ndim > 2 else orders))
    chunks = data.draw(chunkings(shape))
    if matrices and x.ndim == 2 and ord in (2, -2, "nuc"):
        chunks = (chunks[0], shape[1])
    got = da.linalg.norm(da.from_array(x, chunks), ord, axis, keepdims)
    want = np.linalg.norm(x, ord, axis, keepdims)
    assert (got.shape, got.dtype) == (np.shape(want), want.dtype)
    np.testing.assert_allclose(got.compute(), want, rtol=1e-3 if want.dtype == "f4" else 1e-10)


def test_errors_of_norms():
    x = da.ones((2, 2, 2))
    with pytest.raises(ValueError, match="Improper number of dimensions"):
        da.linalg.norm(x, 1)
    for ord, axis in [("fro", 0), ("nuc", 0), ("x", 0), ("x", (0, 1)), (3, (0, 1)), (0, (0, 1))]:
        with pytest.raises(ValueError, match="Invalid norm order"):
            da.linalg.norm(x, ord, axis)
    with pytest.raises(ValueError, match="Duplicate"):
        da.linalg.norm(x, axis=(1, 1))
    with pytest.raises(np.exceptions.AxisError):
        da.linalg.norm(x, axis=3)


def test_numpy_functions_are_lazy():
    a = positive(6)
    lazy, tall = da.from_array(a, chunks=3), da.from_array(a, chunks=(3, 6))
    pairs = [
        (np.linalg.norm(lazy), np.linalg.norm(a)),
        (np.linalg.inv(lazy), np.linalg.inv(a)),
        (np.linalg.solve(lazy, a[0]), np.linalg.solve(a, a[0])),
        (np.linalg.cholesky(lazy), np.linalg.cholesky(a)),
        (np.linalg.cholesky(lazy, upper=True), np.linalg.cholesky(a, upper=True)),
        (np.linalg.svd(tall)[1], np.linalg.svd(a)[1]),
        (np.linalg.lstsq(tall, a[0])[0], np.linalg.lstsq(a, a[0])[0]),
    ]
    for got, want in pairs:
        assert isinstance(got, da.Array)
        close(got.compute(), want, 10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        q, r = np.linalg.qr(tall)
    close((q @ r).compute(), a, 10)


@pytest.mark.parametrize("shape", [(20,), (20, 7)])
@pytest.mark.parametrize("rank", [3, 2])
def test_numpys_lstsq_of_lazy_right_hand_sides(shape, rank):
    rng = np.random.default_rng(3)
    a, b = rng.random((20, 3)), rng.random(shape)
    if rank == 2:
        a[:, 2] = a[:, 0]
    lazy = da.from_array(b, chunks=(6, 3)[: b.ndim])
    for got, wanted in zip(np.linalg.lstsq(a, lazy, rcond=1e-10), np.linalg.lstsq(a, b, rcond=1e-10), strict=True):
        np.testing.assert_allclose(np.asarray(got), wanted, atol=1e-12)
        assert np.shape(got) == np.shape(wanted)
