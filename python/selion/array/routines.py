"""Functions that are compositions of ufuncs and reductions."""

from __future__ import annotations

import builtins

import numpy as np

from selion.array import reductions
from selion.array.core import Array, _ufunc, asanyarray

__all__ = [
    "allclose", "angle", "around", "average", "count_nonzero", "divmod", "fix", "iscomplex", "isclose", "isneginf",
    "isnull", "isposinf", "isreal", "nan_to_num", "nanprod", "nansum", "ndim", "notnull", "ptp", "result_type",
    "round", "shape",
]  # fmt: skip


def _any(x):
    return x if isinstance(x, (Array, bool, int, float, complex, np.generic)) else asanyarray(x)


def isclose(arr1, arr2, rtol=1e-05, atol=1e-08, equal_nan=False) -> Array:
    """Whether elements are equal within a tolerance, relative to ``arr2``.

    Examples
    --------
    >>> import selion.array as da
    >>> da.isclose(da.ones(2), 1 + 1e-9).compute()
    array([ True,  True])
    """
    a, b = asanyarray(arr1), asanyarray(arr2)
    if b.dtype.kind in "biu":
        b = b.astype(np.result_type(b.dtype, 1.0))
    near = (abs(a - b) <= atol + rtol * abs(b)) & _ufunc("isfinite", b) | (a == b)
    return near | (_ufunc("isnan", a) & _ufunc("isnan", b)) if equal_nan else near


def allclose(arr1, arr2, rtol=1e-05, atol=1e-08, equal_nan=False) -> Array:
    """Whether all elements are equal within a tolerance."""
    return reductions.all(isclose(arr1, arr2, rtol, atol, equal_nan))


def around(x, decimals=0) -> Array:
    """The elements rounded to ``decimals`` decimals; half goes to even."""
    a = asanyarray(x)
    if a.dtype.kind == "b":
        return a.astype(np.float16) if decimals == 0 else _ufunc("rint", a.astype(np.float16))
    if a.dtype.kind in "iu":
        if decimals >= 0:
            return a
        scale = a.dtype.type(10**-decimals)
        return (_ufunc("rint", a / scale) * scale).astype(a.dtype)
    if decimals == 0:
        return _ufunc("rint", a)
    scale = 10.0 ** builtins.abs(decimals)
    return _ufunc("rint", a * scale) / scale if decimals > 0 else _ufunc("rint", a / scale) * scale


def round(a, decimals=0) -> Array:
    """As `around`."""
    return around(a, decimals)


def fix(x) -> Array:
    """The elements rounded towards zero."""
    return _ufunc("trunc", _any(x))


def angle(x, deg=0) -> Array:
    """The angles of complex numbers, in radians, or in degrees."""
    x = asanyarray(x)
    result = _ufunc("arctan2", x.imag, x.real) if x.dtype.kind == "c" else _ufunc("arctan2", x * 0, x)
    return result * (180 / np.pi) if deg else result


def iscomplex(x) -> Array:
    """Whether the imaginary part is not zero."""
    return asanyarray(x).imag != 0


def isreal(x) -> Array:
    """Whether the imaginary part is zero."""
    return asanyarray(x).imag == 0


def isposinf(x) -> Array:
    """Whether elements are positive infinity."""
    x = asanyarray(x)
    return _ufunc("isinf", x) & ~_ufunc("signbit", x)


def isneginf(x) -> Array:
    """Whether elements are negative infinity."""
    x = asanyarray(x)
    return _ufunc("isinf", x) & _ufunc("signbit", x)


def isnull(values) -> Array:
    """Whether elements are NaN or NaT."""
    values = asanyarray(values)
    return _ufunc("isnat" if values.dtype.kind in "mM" else "isnan", values)


def notnull(values) -> Array:
    """Whether elements are neither NaN nor NaT."""
    return ~isnull(values)


def nan_to_num(x, copy=True, nan=0.0, posinf=None, neginf=None) -> Array:
    """The elements with finite numbers in place of NaN and infinities."""
    x = asanyarray(x)
    if x.dtype.kind == "c":
        parts = [nan_to_num(part, copy, nan, posinf, neginf) for part in (x.real, x.imag)]
        return (parts[0] + parts[1] * 1j).astype(x.dtype)
    if x.dtype.kind != "f":
        return x
    info = np.finfo(x.dtype)
    high = float(info.max) if posinf is None else posinf
    low = float(info.min) if neginf is None else neginf
    x = _ufunc("where", isposinf(x), high, _ufunc("where", isneginf(x), low, x))
    return _ufunc("where", _ufunc("isnan", x), nan, x)


def divmod(x, y) -> tuple:
    """Quotients rounded down, and remainders."""
    x, y = _any(x), _any(y)
    return _ufunc("floor_divide", x, y), _ufunc("remainder", x, y)


def _without_nan(a, fill):
    a = asanyarray(a)
    return _ufunc("where", _ufunc("isnan", a), fill, a) if a.dtype.kind in "fc" else a


def nansum(a, axis=None, dtype=None, keepdims=False, split_every=None, out=None) -> Array:
    """Sum without NaN."""
    return reductions.sum(_without_nan(a, 0), axis, dtype, keepdims, split_every, out)


def nanprod(a, axis=None, dtype=None, keepdims=False, split_every=None, out=None) -> Array:
    """Product without NaN."""
    return reductions.prod(_without_nan(a, 1), axis, dtype, keepdims, split_every, out)


def count_nonzero(a, axis=None) -> Array:
    """The number of elements that are not zero.

    Examples
    --------
    >>> import selion.array as da
    >>> da.count_nonzero(da.arange(5)).compute()
    np.int64(4)
    """
    return reductions.sum(asanyarray(a) != 0, axis)


def ptp(a, axis=None) -> Array:
    """The largest element minus the smallest."""
    a = asanyarray(a)
    return reductions.max(a, axis) - reductions.min(a, axis)


def average(a, axis=None, weights=None, returned=False, keepdims=False):
    """The mean, weighted by ``weights`` of the same shape as ``a``, or of the length of the axis if that is last.

    Raises
    ------
    TypeError
        If the shapes differ and there is no axis.
    """
    a = asanyarray(a)
    if weights is None:
        mean = reductions.mean(a, axis, keepdims=keepdims)
        if not returned:
            return mean
        ones = (a.astype(mean.dtype) * 0 + 1) if a.ndim else mean * 0 + 1
        return mean, reductions.sum(ones, axis, keepdims=keepdims)
    weights = asanyarray(weights)
    if weights.shape != a.shape:
        if axis is None:
            raise TypeError("Axis must be specified when shapes of a and weights differ.")
        if weights.ndim != 1 or np.ndim(axis) != 0:
            raise TypeError("1D weights expected when shapes of a and weights differ.")
        if weights.shape[0] != a.shape[axis]:
            raise ValueError("Length of weights not compatible with specified axis.")
        if axis % a.ndim != a.ndim - 1:
            raise NotImplementedError("average with 1-d weights along an axis that is not the last is not implemented")
    dtype = np.result_type(a.dtype, weights.dtype, *(["f8"] if a.dtype.kind in "biu" else []))
    total = reductions.sum(weights.astype(dtype) + (a * 0).astype(dtype), axis, keepdims=keepdims)
    mean = reductions.sum(a.astype(dtype) * weights.astype(dtype), axis, keepdims=keepdims) / total
    return (mean, total) if returned else mean


def result_type(*args) -> np.dtype:
    """NumPy's common dtype of arrays, scalars and dtypes."""
    return np.result_type(*(arg.dtype if isinstance(arg, Array) else arg for arg in args))


def ndim(a) -> int:
    """The number of axes."""
    return asanyarray(a).ndim


def shape(array) -> tuple:
    """The lengths of the axes."""
    return asanyarray(array).shape
