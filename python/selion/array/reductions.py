"""Reductions of whole arrays or some of their axes."""

from __future__ import annotations

import inspect
from functools import partial

import numpy as np

from selion import _selion
from selion.array.blockwise import _name_of, along_axis, native_function
from selion.array.core import Array, asanyarray, into

__all__ = [
    "all", "any", "argmax", "argmin", "max", "mean", "min", "moment", "nanargmax", "nanargmin", "nanmax", "nanmean",
    "nanmin", "nanstd", "nanvar", "prod", "reduction", "std", "sum", "var",
]  # fmt: skip

_ABOUT = """{what} along the given axes.

    Parameters
    ----------
    a : array-like
    axis : int or tuple of int, optional
        The axes to reduce; all by default.
    keepdims : bool
        Whether reduced axes stay, with length 1.
    split_every : int, optional
        How many partial results merge at once.
    out : Array, optional
        An array that becomes the result.
    """


def _reduce(a, kind, axis, keepdims, split_every, out, dtype=None, ddof=0.0):
    a = asanyarray(a)
    if dtype is not None:
        a = a.astype(dtype)
    split = np.max(list(split_every.values())) if isinstance(split_every, dict) else split_every or 0
    if "arg" in kind and axis is not None and np.ndim(axis):
        raise TypeError(f"axis must be either `None` or int, got '{axis}'")
    result = Array(a._native.reduce(kind, axis, bool(keepdims), float(ddof), int(split)))
    return into(out, result if dtype is None else result.astype(dtype))


def _make(kind, what, *, with_dtype=False, with_ddof=False):
    """The function, which becomes a method of arrays too; Dask's methods of indices have keywords only."""
    if with_ddof:

        def function(a, axis=None, dtype=None, keepdims=False, ddof=0, split_every=None, out=None):
            return _reduce(a, kind, axis, keepdims, split_every, out, dtype, ddof)

        def method(self, axis=None, dtype=None, keepdims=False, ddof=0, split_every=None, out=None):
            return _reduce(self, kind, axis, keepdims, split_every, out, dtype, ddof)
    elif with_dtype:

        def function(a, axis=None, dtype=None, keepdims=False, split_every=None, out=None):
            return _reduce(a, kind, axis, keepdims, split_every, out, dtype)

        def method(self, axis=None, dtype=None, keepdims=False, split_every=None, out=None):
            return _reduce(self, kind, axis, keepdims, split_every, out, dtype)
    elif "arg" in kind:

        def function(a, axis=None, keepdims=False, split_every=None, out=None):
            return _reduce(a, kind, axis, keepdims, split_every, out)

        def method(self, axis=None, *, keepdims=False, split_every=None, out=None):
            return _reduce(self, kind, axis, keepdims, split_every, out)
    else:

        def function(a, axis=None, keepdims=False, split_every=None, out=None):
            return _reduce(a, kind, axis, keepdims, split_every, out)

        def method(self, axis=None, keepdims=False, split_every=None, out=None):
            return _reduce(self, kind, axis, keepdims, split_every, out)

    for f in (function, method):
        f.__name__ = f.__qualname__ = kind
        f.__doc__ = _ABOUT.format(what=what)
    if not kind.startswith("nan"):
        setattr(Array, kind, method)
    return function


sum = _make("sum", "Sum", with_dtype=True)
prod = _make("prod", "Product", with_dtype=True)
mean = _make("mean", "Mean", with_dtype=True)
var = _make("var", "Variance", with_ddof=True)
std = _make("std", "Standard deviation", with_ddof=True)
min = _make("min", "Minimum; NaN if there is one")
max = _make("max", "Maximum; NaN if there is one")
any = _make("any", "Whether any element is true")
all = _make("all", "Whether all elements are true")
argmin = _make("argmin", "Index of the first minimum")
argmax = _make("argmax", "Index of the first maximum")
nanmin = _make("nanmin", "Minimum without NaN")
nanmax = _make("nanmax", "Maximum without NaN")
nanmean = _make("nanmean", "Mean without NaN", with_dtype=True)
nanvar = _make("nanvar", "Variance without NaN", with_ddof=True)
nanstd = _make("nanstd", "Standard deviation without NaN", with_ddof=True)
nanargmin = _make("nanargmin", "Index of the first minimum without NaN")
nanargmax = _make("nanargmax", "Index of the first maximum without NaN")


def moment(a, order, axis=None, dtype=None, keepdims=False, ddof=0, split_every=None, out=None) -> Array:
    """The central moment of an order: the mean of the powers of what elements differ from the mean.

    Parameters
    ----------
    a : array-like
    order : int
        Not negative.
    axis : int or tuple of int, optional
        The axes to reduce; all by default.
    dtype : dtype, optional
        To compute in; ``float64`` for integers, else that of ``a``.
    keepdims : bool
        Whether reduced axes stay, with length 1.
    ddof : int
        The sum is divided by the number of elements less this.

    Raises
    ------
    ValueError
        If the order is not an integer, or is negative.

    Examples
    --------
    >>> import selion.array as da
    >>> da.moment(da.arange(5), 2).compute()
    np.float64(2.0)
    """
    if not isinstance(order, (int, np.integer)) or order < 0:
        raise ValueError("Order must be an integer >= 0")
    a = asanyarray(a)
    if dtype is None:
        dtype = a.dtype if a.dtype.kind in "fc" else np.float64
    a = a.astype(dtype)
    options = {"keepdims": keepdims, "split_every": split_every}
    powers = (a - mean(a, axis, keepdims=True)) ** int(order)
    if order == 1:  # nothing by definition, whatever rounding says
        powers = powers * 0
    if ddof == 0 or order < 2:
        return into(out, mean(powers, axis, **options))
    count = sum((a * 0 + 1).real, axis, **options)
    return into(out, sum(powers, axis, **options) / (count - ddof).astype(dtype))


_SPLIT_EVERY = 16


def _axes(x: Array, axis) -> tuple:
    if axis is None:
        return tuple(range(x.ndim))
    return tuple(sorted(np.lib.array_utils.normalize_axis_tuple(axis, x.ndim)))


def _join(nest, axes):
    """Arrays in lists in lists put together; of dicts, the arrays with the same key."""
    if not axes:
        return nest
    parts = [_join(part, axes[1:]) for part in nest]
    if len(parts) == 1:
        return parts[0]
    if isinstance(parts[0], dict):
        return {key: np.concatenate([part[key] for part in parts], axis=axes[0]) for key in parts[0]}
    return np.concatenate(parts, axis=axes[0])


def _unwrap(nest, axes):
    """Lists in lists without those that have one item."""
    if not axes:
        return nest
    parts = [_unwrap(part, axes[1:]) for part in nest]
    return parts[0] if len(parts) == 1 else parts


def _merge_tree(
    parts, combine, aggregate, axes, keepdims, dtype, split_every, concatenate=True, output_size=1, name=None
):
    """Reduces an array of partial results by merging some of its blocks at once."""

    def merged(parts, func, groups, keep, dtype):
        gather = _join if concatenate else _unwrap

        def call(nest):
            return func(gather(nest, axes), axis=axes, keepdims=keep)

        function = native_function(call, dtype, name or _name_of(func), is_users=True)
        return Array(_selion.merge_blocks(function, parts._native, groups, output_size, keep))

    if isinstance(split_every, dict):
        groups = [(k, split_every.get(k, 2)) for k in axes]
    else:
        each = int((split_every or _SPLIT_EVERY) ** (1 / (len(axes) or 1)))
        groups = [(k, 2 if each < 2 else each) for k in axes]
    while [k for k, group in groups if parts.numblocks[k] > group]:
        parts = merged(parts, combine or aggregate, groups, True, None)
    return merged(parts, aggregate, [(k, parts.numblocks[k]) for k in axes], keepdims, dtype)


def reduction(
    x,
    chunk,
    aggregate,
    axis=None,
    keepdims=False,
    dtype=None,
    split_every=None,
    combine=None,
    name=None,
    out=None,
    concatenate=True,
    output_size=1,
    meta=None,
    weights=None,
) -> Array:
    """A reduction from functions of your own.

    Parameters
    ----------
    x : Array
    chunk : callable
        ``chunk(block, axis=, keepdims=True)`` reduces one block, ``axis`` being a tuple. With weights it is
        ``chunk(block, weights, axis=, keepdims=True)``.
    aggregate : callable
        ``aggregate(partial results, axis=, keepdims=)`` makes the result of the last partial results, side by side.
    axis : int or tuple of int, optional
        The axes to reduce; all by default.
    keepdims : bool
        Whether reduced axes stay, with length ``output_size``.
    dtype : dtype
        Of the result.
    split_every : int or dict, optional
        How many partial results merge at once, in all or along each axis.
    combine : callable, optional
        ``combine(partial results, axis=, keepdims=True)`` merges some partial results; ``aggregate`` by default.
    name : str, optional
        What `Array.explain` calls it.
    out : Array, optional
        An array that becomes the result.
    concatenate : bool
        Whether partial results are put together. If not, functions get lists of them, nested for several axes, and
        they may be any objects.
    output_size : int
        The length of the result along reduced axes that stay.
    meta : array, optional
        Something with the result's dtype.
    weights : array-like, optional
        Broadcast to the shape of ``x``.

    Raises
    ------
    ValueError
        If there is no dtype.

    Examples
    --------
    >>> import numpy as np, selion.array as da
    >>> x = da.arange(10, chunks=4)
    >>> da.reduction(x, np.sum, np.sum, dtype=x.dtype).compute()
    np.int64(45)
    """
    from selion.array.manipulation import broadcast_to

    x = asanyarray(x)
    axes = _axes(x, axis)
    if dtype is None and meta is not None:
        dtype = meta.dtype
    if dtype is None:
        raise ValueError("Must specify dtype")
    inputs = [x] if weights is None else [x, broadcast_to(asanyarray(weights), x.shape)]
    labels = list(range(x.ndim))
    parts = Array(
        _selion.blockwise(
            native_function(partial(chunk, axis=axes, keepdims=True), None, name or _name_of(chunk), is_users=True),
            labels,
            [(each._native, labels) for each in inputs],
            [],
            [(k, output_size) for k in axes],
        )
    )
    return into(
        out,
        _merge_tree(parts, combine, aggregate, axes, keepdims, dtype, split_every, concatenate, output_size, name),
    )


def arg_reduction(x, chunk, combine, agg, axis=None, keepdims=False, split_every=None, out=None) -> Array:
    """A reduction to indices from functions of your own.

    Parameters
    ----------
    x : Array
    chunk : callable
        ``chunk(block, axis, offset)`` reduces one block. The offset is where the block starts along the axis; if all
        axes are reduced, or there is only one, it is the pair of where it starts along each, and the array's shape.
    combine, agg : callable
        ``combine(partial results, axis=, keepdims=True)`` merges some; ``agg`` makes the result of the last ones.
    axis : int, optional
        All by default.

    Raises
    ------
    TypeError
        For several axes.
    ValueError
        If a length is unknown.

    Examples
    --------
    >>> import numpy as np, selion.array as da
    >>> from selion.array.reductions import arg_reduction
    >>> def first(block, axis, offset):
    ...     return np.array([[block.max(), block.argmax() + offset[0][0]]])
    >>> def best(parts, axis, keepdims):
    ...     return parts[parts[:, 0].argmax()][None] if keepdims else parts[parts[:, 0].argmax(), 1]
    >>> arg_reduction(da.asarray([3, 7, 5, 1]).rechunk(2), first, best, best).compute()
    np.int64(1)
    """
    x = asanyarray(x)
    if axis is not None and not isinstance(axis, (int, np.integer)):
        raise TypeError(f"axis must be either `None` or int, got '{axis}'")
    axes = _axes(x, axis)
    if np.isnan(x.shape).any():
        raise ValueError(
            "Arg-reductions do not work with arrays that have unknown chunksizes; call compute_chunk_sizes()"
        )
    shape = x.shape
    together = axis is None or x.ndim == 1

    def call(info, block):
        starts = tuple(start for start, _ in info[1][0][1])
        return chunk(block, axes, (starts, shape) if together else starts[axes[0]])

    labels = list(range(x.ndim))
    function = native_function(call, None, _name_of(chunk), wants_info=True, is_users=True)
    parts = Array(_selion.blockwise(function, labels, [(x._native, labels)], [], [(k, 1) for k in axes]))
    return into(out, _merge_tree(parts, combine, agg, axes, keepdims, np.intp, split_every))


def cumreduction(func, binop, ident, x, axis=None, dtype=None, out=None, method="sequential", preop=None) -> Array:
    """A scan from functions of your own, along an axis, which becomes whole.

    Parameters
    ----------
    func : callable
        ``func(block, axis=)`` is the scan of a block, as `numpy.cumsum` is.
    binop, ident, preop : object
        What adds the end of one block to the next, its identity, and the reduction of a block. Accepted as Dask has
        them: blocks that are whole along the axis need none.
    x : Array
    axis : int, optional
        All elements in C order by default.
    dtype : dtype, optional
        Of the result; found by trying the function if it is missing.
    method : {"sequential", "blelloch"}

    Raises
    ------
    TypeError
        If the method is "blelloch" and there is no ``preop``.
    ValueError
        For another method.

    Examples
    --------
    >>> import numpy as np, selion.array as da
    >>> from selion.array.reductions import cumreduction
    >>> cumreduction(np.maximum.accumulate, np.maximum, 0, da.asarray([1, 3, 2]), axis=0).compute()
    array([1, 3, 3])
    """
    if method not in ("sequential", "blelloch"):
        raise ValueError(f'Invalid method for cumreduction.  Expected "sequential" or "blelloch".  Got: {method!r}')
    if method == "blelloch" and preop is None:
        raise TypeError('cumreduction with "blelloch" method required `preop=` argument')
    x = asanyarray(x)
    if axis is None:
        x, axis = x.ravel(), 0
    (axis,) = _axes(x, int(axis))
    try:
        takes_dtype = "dtype" in inspect.signature(func).parameters
    except ValueError:
        takes_dtype = isinstance(getattr(func, "__self__", None), np.ufunc)
    options = {"dtype": dtype} if takes_dtype and dtype is not None else {}
    return into(out, along_axis(partial(func, axis=axis, **options), x, axis, dtype))
