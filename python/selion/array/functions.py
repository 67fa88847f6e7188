"""The dispatch of NumPy's own functions and ufuncs to selion's, and statistics of several variables."""

from __future__ import annotations

import numpy as np

from selion.array import manipulation, reductions, ufuncs
from selion.array.blockwise import per_block
from selion.array.core import Array, asanyarray, asarray
from selion.array.gufunc import apply_gufunc

__all__ = ["corrcoef", "cov", "iscomplexobj"]


def iscomplexobj(x) -> bool:
    """Whether the dtype is complex."""
    return np.dtype(x.dtype).kind == "c"


def cov(m, y=None, rowvar=True, bias=False, ddof=None, fweights=None, aweights=None, *, dtype=None) -> Array:
    """The covariance matrix of variables, one in each row.

    Parameters
    ----------
    m, y : array-like
        Variables, with one axis or two.
    rowvar : bool
        Whether each row is a variable; else each column.
    bias : bool
        Whether to divide by the number of observations; else by one less.
    ddof : int, optional
        What to subtract from the number of observations, whatever ``bias``.
    fweights, aweights : array-like, optional
        How often observations occur, and how much they count.
    dtype : dtype, optional
        What to compute in; at least ``float64``.

    Raises
    ------
    ValueError
        If ``ddof`` is not an integer.
    RuntimeError
        If weights have not one axis, or another length than observations.

    Examples
    --------
    >>> import selion.array as da
    >>> da.cov(da.asarray([[0, 1, 2], [2, 1, 0]])).compute()
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    from selion.array import vstack

    if ddof is not None and ddof != int(ddof):
        raise ValueError("ddof must be integer")

    def rows(x):
        x = asanyarray(x)
        return x.T if not rowvar and x.ndim == 2 else manipulation.atleast_2d(x)

    m = rows(m) if y is None else vstack([rows(m), rows(y)])
    m = m.astype(np.result_type(m.dtype, np.float64) if dtype is None else dtype)
    ddof = (0 if bias else 1) if ddof is None else ddof
    weights = None
    for name, each in (("fweights", fweights), ("aweights", aweights)):
        if each is not None:
            each = asanyarray(each)
            if each.ndim != 1:
                raise RuntimeError(f"cannot handle multidimensional {name}")
            if each.shape[0] != m.shape[1]:
                raise RuntimeError(f"incompatible numbers of samples and {name}")
            weights = each.astype(float) if weights is None else weights * each
    if weights is None:
        centred = m - reductions.mean(m, axis=1, keepdims=True)
        return (centred @ ufuncs.conj(centred.T) / max(m.shape[1] - ddof, 0)).squeeze()
    total = reductions.sum(weights)
    centred = m - reductions.sum(m * weights, axis=1, keepdims=True) / total
    if ddof == 0 or aweights is None:
        count = total - ddof
    else:
        count = total - ddof * reductions.sum(weights * asanyarray(aweights)) / total
    return (centred @ ufuncs.conj((centred * weights).T) / count).squeeze()


def corrcoef(x, y=None, rowvar=1) -> Array:
    """The correlation matrix of variables, one in each row."""
    from selion.array import diag

    c = cov(x, y, rowvar)
    if c.ndim == 0:
        return c / c
    deviation = ufuncs.sqrt(diag(c))
    return c / deviation[:, None] / deviation[None, :]


# ---- NumPy's own functions on lazy arrays ----------------------------------------------------------------------------

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
    if function is not None and numpy_ufunc.nout == 1:
        result = function(*inputs, **kwargs)
    elif numpy_ufunc is np.divmod:
        return ufuncs.floor_divide(*inputs), ufuncs.remainder(*inputs)
    elif numpy_ufunc.signature is None:
        inputs = [asarray(x) if isinstance(x, (list, tuple)) else x for x in inputs]
        if numpy_ufunc.nout > 1:
            signature = f"{','.join(['()'] * numpy_ufunc.nin)}->{','.join(['()'] * numpy_ufunc.nout)}"
            return apply_gufunc(numpy_ufunc, signature, *inputs, allow_rechunk=True, **kwargs)
        result = per_block(numpy_ufunc, *inputs, **kwargs)
    elif "?" not in numpy_ufunc.signature and out is None and where is True:
        return apply_gufunc(numpy_ufunc, numpy_ufunc.signature, *inputs, allow_rechunk=True, **kwargs)
    else:
        return NotImplemented
    return ufuncs.finished(result, out, where)


def dispatch_function(function, types, args, kwargs):
    """What a function of NumPy is on lazy arrays: selion's of the same name, in the same submodule."""
    import selion.array as da

    if function in _OTHER_PARAMETERS:
        return _OTHER_PARAMETERS[function](*args, **kwargs)
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


def _cholesky(a, /, *, upper=False) -> Array:
    from selion.array import linalg

    return linalg.cholesky(a, lower=not upper)


def _lstsq(a, b, rcond=None) -> tuple:
    """Columns of ``b`` are independent of each other: where ``a`` is in memory, NumPy solves them block by block."""
    from selion.array import linalg

    if isinstance(a, Array):
        if rcond is not None:
            raise NotImplementedError("lstsq of a lazy matrix has no rcond=")
        return linalg.lstsq(a, b)
    _, _, rank, s = np.linalg.lstsq(a, np.zeros(len(a)), rcond)
    full = rank == a.shape[1] < a.shape[0]

    def solve(rows):
        x, residuals, _, _ = np.linalg.lstsq(a, rows.reshape(-1, rows.shape[-1]).T, rcond)
        residuals = residuals if full else np.zeros(x.shape[1])
        return x.T.reshape(*rows.shape[:-1], -1), residuals.reshape(rows.shape[:-1])

    dtype = np.result_type(a, b.dtype, np.float64)
    sizes = {"n": a.shape[1]}
    x, residuals = apply_gufunc(
        solve, "(m)->(n),()", b.T, output_dtypes=[dtype, dtype], output_sizes=sizes, allow_rechunk=True
    )
    residuals = np.atleast_1d(residuals) if full else asarray(np.zeros(0, dtype))
    return x.T, residuals, rank, s


# Functions of which NumPy's have other parameters than Dask's.
_OTHER_PARAMETERS = {np.linalg.cholesky: _cholesky, np.linalg.lstsq: _lstsq}
