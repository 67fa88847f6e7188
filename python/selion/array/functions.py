"""Functions made of others, and the dispatch of NumPy's own functions and ufuncs to selion's."""

from __future__ import annotations

import builtins

import numpy as np


from selion.array import manipulation, reductions, ufuncs
from selion.array.blockwise import per_block
from selion.array.core import Array, asanyarray, asarray

__all__ = [
    "allclose",
    "angle",
    "around",
    "average",
    "corrcoef",
    "count_nonzero",
    "cov",
    "divmod",
    "fix",
    "full_like",
    "empty_like",
    "isclose",
    "iscomplex",
    "iscomplexobj",
    "isnull",
    "isreal",
    "nan_to_num",
    "nanprod",
    "nansum",
    "ndim",
    "notnull",
    "ones_like",
    "ptp",
    "result_type",
    "round",
    "shape",
    "zeros_like",
]


def _like(name):
    def function(a, *args, dtype=None, order="C", chunks=None, name=None, shape=None, **kwargs):
        from selion.array import creation

        a = asanyarray(a)
        shape = a.shape if shape is None else shape
        if chunks is None:
            chunks = a.chunks if tuple(np.atleast_1d(shape)) == a.shape else "auto"
        make = getattr(creation, kind)
        return make(shape, *args, dtype=dtype or a.dtype, chunks=chunks)

    kind = name.removesuffix("_like")
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"As `{kind}`, with the shape, dtype and blocks of another array."
    return function


ones_like = _like("ones_like")
zeros_like = _like("zeros_like")
empty_like = _like("empty_like")
full_like = _like("full_like")


def round(a, decimals=0) -> Array:
    """The elements, rounded to the given number of decimals, halves to even."""
    a = asanyarray(a)
    if a.dtype.kind in "iu":
        if decimals >= 0:
            return a
        scale = 10**-decimals
        return (ufuncs.rint(a / scale) * scale).astype(a.dtype)
    if a.dtype.kind == "b":
        a = a.astype(np.float16)
    if decimals == 0:
        return ufuncs.rint(a)
    scale = 10.0 ** builtins.abs(decimals)
    return ufuncs.rint(a * scale) / scale if decimals > 0 else ufuncs.rint(a / scale) * scale


def around(x, decimals=0) -> Array:
    """As `round`."""
    return round(x, decimals)


def fix(x) -> Array:
    """The elements, rounded towards zero."""
    return ufuncs.trunc(x)


def angle(x, deg=False) -> Array:
    """The argument of complex numbers, in radians, or degrees if ``deg``."""
    x = asanyarray(x)
    result = ufuncs.arctan2(ufuncs.imag(x), ufuncs.real(x))
    return ufuncs.rad2deg(result) if deg else result


def divmod(x, y) -> tuple[Array, Array]:
    """Quotients and remainders."""
    return ufuncs.floor_divide(x, y), ufuncs.remainder(x, y)


def isclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False) -> Array:
    """Whether elements are equal within ``atol + rtol * |b|``."""
    a, b = asanyarray(a), asanyarray(b)
    near = ufuncs.abs(a - b) <= atol + rtol * ufuncs.abs(b)
    close = ufuncs.where(ufuncs.isfinite(b), near & ufuncs.isfinite(a), a == b)
    return close | (ufuncs.isnan(a) & ufuncs.isnan(b)) if equal_nan else close


def allclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False) -> Array:
    """Whether all elements are equal within ``atol + rtol * |b|``."""
    return reductions.all(isclose(a, b, rtol, atol, equal_nan))


def iscomplexobj(x) -> bool:
    """Whether the dtype is complex."""
    return np.dtype(x.dtype).kind == "c"


def iscomplex(x) -> Array:
    """Whether imaginary parts are not zero."""
    return ufuncs.imag(asanyarray(x)) != 0


def isreal(x) -> Array:
    """Whether imaginary parts are zero."""
    return ufuncs.imag(asanyarray(x)) == 0


def isnull(values) -> Array:
    """Whether elements are NaN or NaT."""
    return ufuncs.isnan(values)


def notnull(values) -> Array:
    """Whether elements are neither NaN nor NaT."""
    return ufuncs.logical_not(isnull(values))


def nan_to_num(x, copy=True, nan=0.0, posinf=None, neginf=None) -> Array:
    """NaN and infinities replaced by numbers; infinities by the largest of the dtype unless given."""
    x = asanyarray(x)
    if x.dtype.kind not in "fc":
        return x
    if x.dtype.kind == "c":
        return per_block(np.nan_to_num, x, dtype=x.dtype, nan=nan, posinf=posinf, neginf=neginf)
    info = np.finfo(x.dtype)
    x = ufuncs.where(ufuncs.isnan(x), x.dtype.type(nan), x)
    x = ufuncs.where(x == np.inf, x.dtype.type(info.max if posinf is None else posinf), x)
    return ufuncs.where(x == -np.inf, x.dtype.type(info.min if neginf is None else neginf), x)


def nansum(a, axis=None, dtype=None, keepdims=False, split_every=None, out=None) -> Array:
    """Sum along the given axes, NaN counting as zero."""
    a = asanyarray(a)
    a = ufuncs.where(ufuncs.isnan(a), a.dtype.type(0), a) if a.dtype.kind in "fc" else a
    return reductions.sum(a, axis, dtype, keepdims, split_every)


def nanprod(a, axis=None, dtype=None, keepdims=False, split_every=None, out=None) -> Array:
    """Product along the given axes, NaN counting as one."""
    a = asanyarray(a)
    a = ufuncs.where(ufuncs.isnan(a), a.dtype.type(1), a) if a.dtype.kind in "fc" else a
    return reductions.prod(a, axis, dtype, keepdims, split_every)


def count_nonzero(a, axis=None) -> Array:
    """The number of elements that are not zero."""
    return reductions.sum(asanyarray(a).astype(bool), axis)


def ptp(a, axis=None) -> Array:
    """The range from the smallest to the largest element."""
    return reductions.max(a, axis) - reductions.min(a, axis)


def average(a, axis=None, weights=None, returned=False, keepdims=False):
    """The mean, weighted if ``weights`` are given."""
    a = asanyarray(a)
    if weights is None:
        mean = reductions.mean(a, axis, keepdims=keepdims)
        scale = mean.dtype.type(a.size / builtins.max(mean.size, 1))
    else:
        weights = asanyarray(weights)
        if weights.shape != a.shape:
            if axis is None:
                raise TypeError("Axis must be specified when shapes of a and weights differ.")
            if weights.ndim != 1:
                raise TypeError("1D weights expected when shapes of a and weights differ.")
            if weights.shape[0] != a.shape[axis]:
                raise ValueError("Length of weights not compatible with specified axis.")
            shape = [None] * a.ndim
            shape[axis % a.ndim] = slice(None)
            weights = manipulation.broadcast_to(weights[tuple(shape)], a.shape)
        dtype = np.result_type(a.dtype, weights.dtype, "f8") if a.dtype.kind in "biu" else None
        scale = reductions.sum(weights, axis, dtype=dtype, keepdims=keepdims)
        mean = reductions.sum(a * weights, axis, dtype=dtype, keepdims=keepdims) / scale
    return (mean, manipulation.broadcast_to(asanyarray(scale), mean.shape)) if returned else mean


def cov(m, y=None, rowvar=True, bias=False, ddof=None) -> Array:
    """The covariance matrix of variables, one in each row."""
    from selion.array import vstack

    m = manipulation.atleast_2d(asanyarray(m))
    if not rowvar and m.shape[0] != 1:
        m = m.T
    if y is not None:
        y = manipulation.atleast_2d(asanyarray(y))
        m = vstack([m, y if rowvar else y.T])
    m = m.astype(np.result_type(m.dtype, np.float64))
    ddof = (0 if bias else 1) if ddof is None else ddof
    centred = m - reductions.mean(m, axis=1, keepdims=True)
    return (centred @ ufuncs.conj(centred.T) / (m.shape[1] - ddof)).squeeze()


def corrcoef(x, y=None, rowvar=True) -> Array:
    """The correlation matrix of variables, one in each row."""
    from selion.array import diag

    c = cov(x, y, rowvar)
    if c.ndim == 0:
        return c / c
    deviation = ufuncs.sqrt(diag(c))
    return c / deviation[:, None] / deviation[None, :]


def ndim(array) -> int:
    """The number of axes."""
    return asanyarray(array).ndim


def shape(array) -> tuple:
    """The lengths of the axes."""
    return asanyarray(array).shape


def result_type(*args):
    """The dtype that results from operations between the arguments."""
    return np.result_type(*(x.dtype if isinstance(x, Array) else x for x in args))


# ---- NumPy's own functions on lazy arrays -----------------------------------------------------------------------------

_REDUCTIONS = {
    np.add: "sum",
    np.multiply: "prod",
    np.maximum: "max",
    np.minimum: "min",
    np.logical_and: "all",
    np.logical_or: "any",
}


def dispatch_ufunc(numpy_ufunc, method, inputs, out, kwargs):
    """What ``numpy_ufunc(*inputs)`` is, for inputs of which one is an `Array`."""
    out = out[0] if isinstance(out, tuple) and len(out) == 1 else out
    if method == "reduce" and numpy_ufunc in _REDUCTIONS and out is None:
        kwargs.pop("initial", None)
        axis = kwargs.pop("axis", 0)
        return getattr(reductions, _REDUCTIONS[numpy_ufunc])(inputs[0], axis=axis, **kwargs)
    if method != "__call__":
        return NotImplemented
    for x in inputs:
        if not isinstance(x, (Array, np.ndarray, np.generic, bool, int, float, complex, list, tuple)):
            return NotImplemented
    function = getattr(ufuncs, numpy_ufunc.__name__, None)
    where = kwargs.pop("where", True)
    if where is not True:
        raise NotImplementedError("the where argument of ufuncs is not implemented; use selion.array.where")
    if function is not None and numpy_ufunc.nout == 1:
        result = function(*inputs, **kwargs)
    elif numpy_ufunc is np.divmod:
        return divmod(*inputs)
    elif numpy_ufunc.nout == 1 and numpy_ufunc.signature is None:
        result = per_block(numpy_ufunc, *(asarray(x) if isinstance(x, (list, tuple)) else x for x in inputs), **kwargs)
    else:
        return NotImplemented
    if out is None:
        return result
    if not isinstance(out, Array):
        raise NotImplementedError("out= must be an array of selion")
    out._native = result.astype(out.dtype)._native
    return out


def dispatch_function(function, types, args, kwargs):
    """What a function of NumPy is on lazy arrays: selion's of the same name, in the same submodule."""
    import selion.array as da

    module = da
    for part in function.__module__.split(".")[1:]:
        if not part.startswith("_"):
            module = getattr(module, part, None)
    ours = getattr(module, function.__name__, None) if module is not None else None
    if ours is None or ours is function:
        ours = getattr(da, function.__name__, None)
    if ours is None or not callable(ours):
        raise NotImplementedError(f"numpy.{function.__name__} is not implemented for arrays of selion")
    return ours(*args, **kwargs)


