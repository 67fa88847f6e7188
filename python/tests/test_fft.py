"""Transforms are NumPy's, whatever the blocks of the other axes."""

import numpy as np
import pytest
import scipy.fft
import scipy.fftpack
from hypothesis import given
from hypothesis import strategies as st

import selion.array as da
from selion.testing import assert_same, chunkings

ONE = ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"]
SEVERAL = ["fft2", "ifft2", "fftn", "ifftn", "rfft2", "irfft2", "rfftn", "irfftn"]
REAL_ONLY = ("rfft", "rfft2", "rfftn", "ihfft")


def close(got, want):
    got, want = np.asarray(got), np.asarray(want)
    assert (got.dtype, got.shape) == (want.dtype, want.shape)
    np.testing.assert_allclose(got, want, rtol=1e-4 if want.dtype.itemsize <= 8 else 1e-12, atol=1e-4)


def numbers(shape, dtype):
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape) * 8
    return (x + 1j * rng.normal(size=shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


@given(st.data(), st.sampled_from(ONE), st.sampled_from(["i4", "f4", "f8", "c16"]))
def test_along_one_axis(data, name, dtype):
    x = numbers((4, 5, 6), "f8" if name in REAL_ONLY and dtype == "c16" else dtype)
    axis = data.draw(st.sampled_from([None, 0, 1, 2, -1, -3]))
    n = data.draw(st.sampled_from([None, 2, 5, 9]))
    norm = data.draw(st.sampled_from([None, "backward", "ortho", "forward"]))
    chunks = list(data.draw(chunkings(x.shape)))
    where = -1 if axis is None else axis
    chunks[where] = (x.shape[where],)
    lazy = getattr(da.fft, name)(da.from_array(x, tuple(chunks)), n, axis, norm)
    want = getattr(np.fft, name)(x, n, where, norm)
    assert (lazy.shape, lazy.dtype) == (want.shape, want.dtype)
    close(lazy.compute(), want)


@given(st.data(), st.sampled_from(SEVERAL), st.sampled_from(["i4", "f4", "c16"]))
def test_along_several_axes(data, name, dtype):
    x = numbers((4, 5, 6), "f8" if name in REAL_ONLY and dtype == "c16" else dtype)
    axes = data.draw(st.sampled_from([(0, 1), (1, 2), (-1, 0), (2, 1)]))
    s = data.draw(st.sampled_from([None, (4, 4), (3, -1), (7, 8)]))
    chunks = list(data.draw(chunkings(x.shape)))
    for axis in axes:
        chunks[axis] = (x.shape[axis],)
    lazy = getattr(da.fft, name)(da.from_array(x, tuple(chunks)), s, axes)
    want = getattr(np.fft, name)(x, s, axes)
    assert (lazy.shape, lazy.dtype) == (want.shape, want.dtype)
    close(lazy.compute(), want)


@pytest.mark.parametrize("name", SEVERAL)
def test_axes_by_default(name):
    x = numbers((3, 4, 6), "f8")
    close(getattr(da.fft, name)(da.from_array(x, chunks=-1)).compute(), getattr(np.fft, name)(x))
    lazy = da.from_array(x, chunks=(1, 4, 6))
    with pytest.warns(DeprecationWarning, match="axes"):
        want = np.fft.fftn(x, (4, 4))
    with pytest.warns(DeprecationWarning, match="axes"):
        close(da.fft.fftn(lazy, (4, 4)).compute(), want)


@given(st.integers(1, 30), st.floats(0.1, 10), st.integers(1, 31))
def test_frequencies(n, d, chunks):
    assert_same(da.fft.fftfreq(n, d, chunks=chunks).compute(), np.fft.fftfreq(n, d))
    assert_same(da.fft.rfftfreq(n, d, chunks=chunks).compute(), np.fft.rfftfreq(n, d))


@given(st.data(), st.sampled_from(["fftshift", "ifftshift"]))
def test_shifts(data, name):
    shape = data.draw(st.sampled_from([(0,), (1,), (5,), (4, 5), (3, 4, 5)]))
    x = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    axes = data.draw(st.sampled_from([None, *range(x.ndim), tuple(range(x.ndim))]))
    lazy = da.from_array(x, data.draw(chunkings(shape)))
    got = getattr(da.fft, name)(lazy, axes)
    assert_same(got.compute(), getattr(np.fft, name)(x, axes))
    pairs = zip(got.numblocks, lazy.numblocks, strict=True)
    assert [n for n in lazy.numblocks if n == 1] == [n for n, old in pairs if old == 1]


def test_numpy_functions_are_lazy():
    x = numbers((4, 6), "f8")
    lazy = da.from_array(x, chunks=(2, 6))
    for name in [*ONE, "fftshift"]:
        got = getattr(np.fft, name)(lazy)
        assert isinstance(got, da.Array)
        close(got.compute(), getattr(np.fft, name)(x))


def test_other_functions_are_wrapped():
    x = numbers((4, 6), "f4")
    lazy = da.from_array(x, chunks=(2, 6))
    close(da.fft.fft_wrap(scipy.fft.rfft)(lazy).compute(), scipy.fft.rfft(x))
    close(da.fft.fft_wrap(scipy.fft.ifftn, dtype="c8")(lazy, axes=(1,)).compute(), scipy.fft.ifftn(x, axes=(1,)))
    with pytest.warns(FutureWarning, match="fftpack"):
        da.fft.fft_wrap(scipy.fftpack.fft)
    close(da.fft.fft_wrap(scipy.fftpack.fft, allow_fftpack=True)(lazy).compute(), scipy.fftpack.fft(x))
    with pytest.raises(ValueError, match="unknown `kind`"):
        da.fft.fft_wrap(np.sin)


def test_errors():
    x = da.ones((4, 6), chunks=(2, 3))
    with pytest.raises(ValueError, match=r"axis 1, which has chunks \(3, 3\)"):
        da.fft.fft(x)
    with pytest.raises(ValueError, match="single chunk"):
        da.fft.fft2(x)
    x = da.ones((4, 6), chunks=-1)
    with pytest.raises(ValueError, match="Duplicate"):
        da.fft.fft2(x, axes=(1, 1))
    with pytest.raises(np.exceptions.AxisError):
        da.fft.fft(x, axis=2)
    with pytest.raises(ValueError, match=r"data points \(-1\)"):
        da.fft.fft(x, n=-1)
    with pytest.raises(ValueError, match=r"data points \(0\)"):
        da.fft.irfft(da.ones(1))
    with pytest.raises(ValueError, match="different lengths"):
        da.fft.fftn(x, s=(1, 2), axes=(0,))
    with pytest.raises(TypeError):
        da.fft.rfft(da.ones(3, dtype=complex))
