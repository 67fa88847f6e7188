"""Elements chosen among arrays, put in other orders, added and taken away."""

from __future__ import annotations

import numpy as np

from selion import _selion
from selion.array.blockwise import per_block
from selion.array.core import Array, _ufunc, asanyarray, asarray
from selion.array.manipulation import broadcast_to, concatenate, moveaxis

__all__ = ["append", "choose", "coarsen", "delete", "insert", "piecewise", "select", "shuffle"]


def choose(a, choices) -> Array:
    """Elements of the array with the number that ``a`` has in their place.

    Parameters
    ----------
    a : array-like of int
    choices : sequence of array-like
        They broadcast with ``a``.

    Raises
    ------
    ValueError
        When computed, if a number is not that of an array.

    Examples
    --------
    >>> import selion.array as da
    >>> da.choose(da.asarray([1, 0, 1]), [da.arange(3), 10]).compute()
    array([10,  1, 10])
    """
    choices = [asanyarray(x) for x in choices]
    dtype = np.result_type(*(x.dtype for x in choices))
    return per_block(
        lambda index, *blocks: np.choose(index, blocks), asanyarray(a), *choices, dtype=dtype, name="choose"
    )


def select(condlist, choicelist, default=0) -> Array:
    """Elements of the first array of which the condition is true in their place.

    Parameters
    ----------
    condlist : list of array-like of bool
    choicelist : list of array-like
        As many.
    default : scalar
        Where no condition is true.

    Raises
    ------
    ValueError
        If there are not as many conditions as arrays, or none.
    TypeError
        If a condition is not boolean.

    Examples
    --------
    >>> import selion.array as da
    >>> x = da.arange(5)
    >>> da.select([x < 2, x > 3], [x, x * 10], -1).compute()
    array([ 0,  1, -1, -1, 40])
    """
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    if len(condlist) == 0:
        raise ValueError("select with an empty condition list is not possible")
    conditions, choices = [asanyarray(x) for x in condlist], [asanyarray(x) for x in choicelist]
    for k, condition in enumerate(conditions):
        if condition.dtype != bool:
            raise TypeError(f"invalid entry {k} in condlist: should be boolean ndarray")
    dtype = np.result_type(*(x.dtype for x in choices), default)
    result = default
    for condition, choice in zip(reversed(conditions), reversed(choices), strict=True):
        result = _ufunc("where", condition, choice.astype(dtype), result)
    return result.astype(dtype)


def piecewise(x, condlist, funclist, *args, **kw) -> Array:
    """Values of the function of which the condition is true in their place.

    Parameters
    ----------
    x : array-like
    condlist : list of array-like of bool
    funclist : list of callable or scalar
        As many; one more says what is where no condition is true.
    args, kw : object
        Passed to the functions.

    Raises
    ------
    ValueError
        If there are not as many functions as conditions.

    Examples
    --------
    >>> import selion.array as da
    >>> x = da.arange(-2, 3)
    >>> da.piecewise(x, [x < 0], [-1, 1]).compute()
    array([-1, -1,  1,  1,  1])
    """
    x = asanyarray(x)
    if np.ndim(condlist) == 0 or (isinstance(condlist, Array) and condlist.ndim == x.ndim):
        condlist = [condlist]
    conditions = [asanyarray(condition) for condition in condlist]
    if len(funclist) - len(conditions) not in (0, 1):
        raise ValueError(
            f"with {len(conditions)} condition(s), either {len(conditions)} or {len(conditions) + 1} functions are "
            "expected"
        )

    def call(block, *masks):
        return np.piecewise(block, list(masks), funclist, *args, **kw)

    return per_block(call, x, *conditions, dtype=x.dtype, name="piecewise")


def shuffle(x, indexer, axis, chunks="auto") -> Array:
    """The elements along an axis in another order, given as groups of indices that stay in one block each.

    Parameters
    ----------
    x : Array
    indexer : list of list of int
    axis : int
    chunks : "auto"
        Blocks have as many groups as make about a mean block of the axis.

    Raises
    ------
    ValueError
        If the groups are not lists of integers.
    IndexError
        For an index out of bounds.

    Examples
    --------
    >>> import selion.array as da
    >>> da.shuffle(da.arange(6, chunks=3), [[5, 0], [1], [2, 3, 4]], axis=0).compute()
    array([5, 0, 1, 2, 3, 4])
    """
    if chunks != "auto":
        raise NotImplementedError("shuffle(chunks=...) other than 'auto' is not implemented")
    if not isinstance(indexer, list) or not all(isinstance(group, list) for group in indexer):
        raise ValueError("indexer must be a list of lists of positional indices")
    x = asanyarray(x)
    return Array(_selion.shuffle(x._native, [[int(k) for k in group] for group in indexer], axis))


def coarsen(reduction, x, axes, trim_excess=False, **kwargs) -> Array:
    """Reduce groups of neighbours.

    Parameters
    ----------
    reduction : callable
        ``reduction(block, axis=)`` over several axes, as `numpy.mean`.
    x : array-like
    axes : dict
        How many elements along which axes become one.
    trim_excess : bool
        Whether elements at the end that make no whole group are left out.
    kwargs : object
        Passed to the function.

    Raises
    ------
    ValueError
        If the factors do not divide the lengths and ``trim_excess`` is false.

    Examples
    --------
    >>> import numpy as np, selion.array as da
    >>> da.coarsen(np.sum, da.arange(6, chunks=4), {0: 2}).compute()
    array([1, 5, 9])
    """
    x = asanyarray(x)
    factors = {k + x.ndim if k < 0 else k: int(n) for k, n in axes.items()}
    for k, n in factors.items():
        if not 0 <= k < x.ndim:
            raise np.exceptions.AxisError(k, x.ndim)
        if n < 1:
            raise ValueError(f"Coarsening factors must be positive, but that of axis {k} is {n}")
    if not trim_excess and any(x.shape[k] % n for k, n in factors.items()):
        raise ValueError(f"Coarsening factors {axes} do not align with array shape {x.shape}.")
    x = x[tuple(slice(n // factors.get(k, 1) * factors.get(k, 1)) for k, n in enumerate(x.shape))]
    shape, grouped, blocks = [], [], []
    for k, (n, lens) in enumerate(zip(x.shape, x.chunks, strict=True)):
        shape.append(n // factors.get(k, 1))
        blocks.append(_groups(lens, factors[k]) if k in factors else lens)
        if k in factors:
            grouped.append(len(shape))
            shape.append(factors[k])
    if not grouped:
        return x
    groups = x.rechunk(tuple(blocks)).reshape(shape)
    groups = groups.rechunk(dict.fromkeys(grouped, -1))
    native = _native_reduction(reduction)
    if native is not None:
        return native(groups, axis=tuple(grouped), **kwargs)
    chunks = [lens for k, lens in enumerate(groups.chunks) if k not in grouped]
    return groups.map_blocks(reduction, axis=tuple(grouped), drop_axis=grouped, chunks=chunks, name="coarsen", **kwargs)


def _groups(lens, factor) -> tuple:
    """Blocks that consist of whole groups, near the given ones."""
    ends = [round(end / factor) * factor for end in np.cumsum(lens)]
    return tuple(b - a for a, b in zip([0, *ends], ends, strict=False) if b > a) or (0,)


def _native_reduction(function):
    """Selion's reduction for NumPy's of the same name."""
    from selion.array import reductions, routines

    name = getattr(function, "__name__", None)
    for module in (reductions, routines):
        ours = getattr(module, name, None) if name in module.__all__ and name in _OVER_AXES else None
        if ours is not None and function in (ours, getattr(np, name, None)):
            return ours
    return None


_OVER_AXES = {
    "all", "any", "max", "mean", "min", "nanmax", "nanmean", "nanmin", "nanprod", "nanstd", "nansum", "nanvar", "prod",
    "std", "sum", "var",
}  # fmt: skip


def append(arr, values, axis=None) -> Array:
    """Values behind an array along an axis; of all elements in C order if it is None.

    Examples
    --------
    >>> import selion.array as da
    >>> da.append(da.arange(2), [7]).compute()
    array([0, 1, 7])
    """
    arr, values = asanyarray(arr), asanyarray(values)
    if axis is None:
        arr, values, axis = arr.ravel(), values.ravel(), 0
    return concatenate([arr, values], axis)


def _along(arr, axis) -> tuple[Array, int]:
    arr = asanyarray(arr)
    if not -arr.ndim <= axis < arr.ndim:
        raise np.exceptions.AxisError(axis, arr.ndim)
    return arr, axis % arr.ndim


def delete(arr, obj, axis) -> Array:
    """The array without some indices along an axis.

    Parameters
    ----------
    arr : array-like
    obj : int, slice, or sequence of int or bool
        What is left out.
    axis : int

    Raises
    ------
    IndexError
        For an index out of bounds.

    Examples
    --------
    >>> import selion.array as da
    >>> da.delete(da.arange(5), [1, 3], axis=0).compute()
    array([0, 2, 4])
    """
    arr, axis = _along(arr, axis)
    kept = np.delete(np.arange(arr.shape[axis]), obj)
    return arr[(slice(None),) * axis + (kept,)]


def insert(arr, obj, values, axis) -> Array:
    """The array with values before some indices along an axis.

    Parameters
    ----------
    arr : array-like
    obj : int, slice, or sequence of int
        Indices of ``arr``.
    values : array-like
        Broadcast to what is inserted.
    axis : int

    Raises
    ------
    IndexError
        For an index out of bounds.

    Examples
    --------
    >>> import selion.array as da
    >>> da.insert(da.arange(3), [1, 3], [7, 8], axis=0).compute()
    array([0, 7, 1, 2, 8])
    """
    arr, axis = _along(arr, axis)
    n = arr.shape[axis]
    places = np.arange(n)[obj] if isinstance(obj, slice) else np.asarray(obj)
    places = places if places.size else places.astype(np.intp)
    values = asarray(values).astype(arr.dtype)
    count = places.size
    if count == 1:
        values = values[(None,) * (arr.ndim - values.ndim)]
        values = moveaxis(values, 0, axis) if places.ndim == 0 else values
        count = values.shape[axis]
        places = places.item()
    # Where NumPy puts elements when it does the same with their numbers; those that are new count from n on.
    order = np.insert(np.arange(n), places, np.arange(n, n + count))
    new = broadcast_to(values, (*arr.shape[:axis], count, *arr.shape[axis + 1 :]))
    return concatenate([arr, new], axis)[(slice(None),) * axis + (order,)]
