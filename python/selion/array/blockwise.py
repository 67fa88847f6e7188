"""Functions on blocks: the one mechanism by which Python functions, NumPy's included, work on lazy arrays."""

from __future__ import annotations

import inspect
import itertools
from functools import partial

import numpy as np

from selion import _selion
from selion.array.core import Array, asanyarray

__all__ = ["apply_along_axis", "apply_over_axes", "blockwise", "map_blocks", "reduction"]

_tokens = itertools.count(1)


def _name_of(func) -> str:
    while isinstance(func, partial):
        func = func.func
    return getattr(func, "__name__", None) or type(func).__name__


def _run(func, labels, inputs, chunks, dtype, name=None, wants_info=False, align=True) -> Array:
    """The array whose blocks ``func`` makes of blocks with the same labels; matched by number if not ``align``."""
    return Array(
        _selion.blockwise(
            func,
            name or _name_of(func),
            next(_tokens),
            list(labels),
            [(x._native, list(own)) for x, own in inputs],
            [(label, [float(n) for n in lens]) for label, lens in chunks.items()],
            np.dtype(dtype),
            wants_info,
            align,
        )
    )


def run_parts(func, labels, inputs, parts, name=None) -> list[Array]:
    """Several arrays from a function that gives a tuple of blocks for each block along ``labels``.

    ``parts`` are the arrays' dtypes and chunks: as many blocks as along the labels, in the same order. The function is
    called once per block, whichever of the arrays are computed.
    """
    made = _selion.blockwise_parts(
        func,
        name or _name_of(func),
        next(_tokens),
        list(labels),
        [(x._native, list(own)) for x, own in inputs],
        [(np.dtype(dtype), [[float(n) for n in lens] for lens in chunks]) for dtype, chunks in parts],
    )
    return [Array(native) for native in made]


def _infer(func, args, kwargs, what) -> np.ndarray:
    """What the function makes of arrays with one element."""
    args = [np.ones((1,) * x.ndim, x.dtype) if isinstance(x, Array) else x for x in args]
    try:
        with np.errstate(all="ignore"):
            return np.asarray(func(*args, **kwargs))
    except Exception as error:
        raise ValueError(
            f"`dtype` inference failed in `{what}`.\n\nPlease specify the dtype explicitly using the `dtype` kwarg.\n\n"
            f"Original error is below:\n------------------------\n{error!r}"
        ) from error


def map_blocks(
    func,
    *args,
    name=None,
    token=None,
    dtype=None,
    chunks=None,
    drop_axis=None,
    new_axis=None,
    enforce_ndim=False,
    meta=None,
    **kwargs,
) -> Array:
    """Apply a function to corresponding blocks of arrays.

    Parameters
    ----------
    func : callable
        Gets a NumPy array for each array in ``args`` (read-only), everything else as it is, and gives a NumPy array. If
        it has a parameter ``block_id`` or ``block_info``, it is told which block it makes.
    args : Array or object
    dtype : dtype, optional
        Of the result; found by trying the function on arrays with one element if it is missing.
    chunks : tuple, optional
        The result's block lengths, if they are not the inputs': a number for each axis, or a tuple of numbers.
    drop_axis : int or list of int, optional
        Axes that the function takes away.
    new_axis : int or list of int, optional
        Axes that the function adds.

    Raises
    ------
    ValueError
        If the dtype cannot be found.

    Examples
    --------
    >>> import selion.array as da
    >>> da.arange(6, chunks=3).map_blocks(lambda x: x * 10).compute()
    array([ 0, 10, 20, 30, 40, 50])
    """
    if not callable(func):
        raise TypeError(f"First argument must be callable function, not {type(func).__name__}")
    arrays = [x for x in args if isinstance(x, Array)]
    ndim = max((x.ndim for x in arrays), default=0)
    drop = sorted(k % ndim for k in np.atleast_1d(drop_axis)) if drop_axis is not None else []
    new = sorted(int(k) for k in np.atleast_1d(new_axis)) if new_axis is not None else []
    parameters = _parameters(func)
    wants = [key for key in ("block_id", "block_info") if key in parameters and key not in kwargs]
    if dtype is None and meta is not None:
        dtype = meta.dtype
    if dtype is None:
        extra = {"block_id": (0,) * ndim, "block_info": None}
        dtype = _infer(func, args, {**kwargs, **{key: extra[key] for key in wants}}, "map_blocks").dtype

    labels = [k for k in range(ndim) if k not in drop]
    lens: dict[int, tuple] = {}
    for at in new:
        label = ndim + len(lens)
        labels.insert(at, label)
        lens[label] = (1,)
    if chunks is not None:
        if len(chunks) != len(labels):
            raise ValueError(f"Provided chunks have {len(chunks)} dims; expected {len(labels)} dims")
        widest = max(arrays, key=lambda x: x.ndim, default=None)
        for label, given in zip(labels, chunks, strict=True):
            if isinstance(given, (tuple, list)):
                lens[label] = tuple(given)
            else:
                lens[label] = (given,) * (widest.numblocks[label] if label < ndim else 1)

    def call(*blocks):
        keywords = dict(kwargs)
        if wants:
            info, *blocks = blocks
            keywords.update(_info(info, wants, arrays, dtype))
        values = iter(blocks)
        return func(*(next(values) if isinstance(x, Array) else x for x in args), **keywords)

    inputs = [(x, range(ndim - x.ndim, ndim)) for x in arrays]
    return _run(call, labels, inputs, lens, dtype, name or _name_of(func), bool(wants))


def _parameters(func) -> frozenset:
    try:
        return frozenset(inspect.signature(func).parameters)
    except (TypeError, ValueError):
        return frozenset()


def _info(info, wants, arrays, dtype) -> dict:
    (block, region), inputs = info
    found = {}
    if "block_id" in wants:
        found["block_id"] = block
    if "block_info" in wants:
        details = {
            None: {
                "array-location": region,
                "chunk-location": block,
                "chunk-shape": tuple(stop - start for start, stop in region),
                "dtype": np.dtype(dtype),
            }
        }
        for k, (x, (own, place)) in enumerate(zip(arrays, inputs, strict=True)):
            details[k] = {
                "shape": x.shape,
                "num-chunks": x.numblocks,
                "array-location": place,
                "chunk-location": own,
            }
        found["block_info"] = details
    return found


def blockwise(
    func,
    out_ind,
    *args,
    name=None,
    token=None,
    dtype=None,
    adjust_chunks=None,
    new_axes=None,
    align_arrays=True,
    concatenate=None,
    meta=None,
    **kwargs,
) -> Array:
    """Apply a function to blocks whose axes are named, as in an Einstein sum.

    Parameters
    ----------
    func : callable
    out_ind : iterable
        Names of the result's axes.
    args : Array, names, Array, names, …
        Arrays with the names of their axes; ``None`` for something that is passed as it is.
    new_axes : dict, optional
        Lengths of axes that no input has.
    adjust_chunks : dict, optional
        For axes whose block lengths the function changes: a number, a list, or a function of the old length.

    Notes
    -----
    An axis of an input that the result does not have is whole when the function sees it.
    """
    if len(args) % 2:
        raise ValueError("arrays and their indices must come in pairs")
    names: dict = {}

    def label(axis):
        return names.setdefault(axis, len(names))

    out = [label(axis) for axis in out_ind]
    pairs = list(zip(args[::2], args[1::2], strict=True))
    inputs = [(asanyarray(x), [label(axis) for axis in own]) for x, own in pairs if own is not None]
    lens: dict[int, tuple] = {}
    for axis, length in (new_axes or {}).items():
        lens[label(axis)] = tuple(length) if isinstance(length, (tuple, list)) else (length,)
    for axis, change in (adjust_chunks or {}).items():
        old = next(x.chunks[own.index(names[axis])] for x, own in inputs if names[axis] in own)
        if callable(change):
            lens[names[axis]] = tuple(change(n) for n in old)
        elif isinstance(change, (tuple, list)):
            lens[names[axis]] = tuple(change)
        else:
            lens[names[axis]] = (change,) * len(old)
    if dtype is None and meta is not None:
        dtype = meta.dtype
    if dtype is None:
        sample = [x if own is None else asanyarray(x) for x, own in pairs]
        dtype = _infer(func, sample, kwargs, "blockwise").dtype

    def call(*blocks):
        values = iter(blocks)
        return func(*(x if own is None else next(values) for x, own in pairs), **kwargs)

    return _run(call, out, inputs, lens, dtype, name or _name_of(func))


def per_block(func, *args, dtype=None, **kwargs) -> Array:
    """NumPy's function on each block of arrays that broadcast together: for what has no native kernel."""
    return map_blocks(func, *(asanyarray(x) if isinstance(x, np.ndarray) else x for x in args), dtype=dtype, **kwargs)


def along_axis(func, x, axis, dtype=None, length=None, **kwargs) -> Array:
    """A function of NumPy that works along one axis, which becomes whole; ``length`` is the result's on that axis."""
    x = asanyarray(x)
    axis = axis % x.ndim
    x = x.rechunk({axis: -1})
    if dtype is None:
        dtype = _infer(func, [x], kwargs, _name_of(func)).dtype
    lens = {} if length is None else {axis: (length,)}
    labels = list(range(x.ndim))
    return _run(partial(func, **kwargs), labels, [(x, labels)], lens, dtype)


def apply_along_axis(func1d, axis, arr, *args, dtype=None, shape=None, **kwargs) -> Array:
    """Apply a function to one-dimensional slices along an axis.

    Parameters
    ----------
    func1d : callable
        Gets a one-dimensional array.
    axis : int
    arr : Array
    dtype, shape : optional
        Of what ``func1d`` gives; found by trying it on ones if missing.
    """
    arr = asanyarray(arr)
    axis = axis + arr.ndim if axis < 0 else axis
    if not 0 <= axis < arr.ndim:
        raise np.exceptions.AxisError(axis, arr.ndim)
    if shape is None or dtype is None:
        sample = np.asarray(func1d(np.ones((1,), arr.dtype), *args, **kwargs))
        shape = sample.shape if shape is None else shape
        dtype = sample.dtype if dtype is None else dtype
    arr = arr.rechunk({axis: -1})
    labels = [k for k in range(arr.ndim) if k != axis]
    lens = {}
    for k, n in enumerate(shape):
        labels.insert(axis + k, arr.ndim + k)
        lens[arr.ndim + k] = (n,)

    def call(block):
        return np.apply_along_axis(func1d, axis, block, *args, **kwargs)

    return _run(call, labels, [(arr, range(arr.ndim))], lens, dtype, _name_of(func1d))


def apply_over_axes(func, a, axes) -> Array:
    """Apply a function of (array, axis) over several axes, one after the other."""
    a = asanyarray(a)
    for axis in np.atleast_1d(axes):
        result = func(a, int(axis))
        a = result if result.ndim == a.ndim else result[(slice(None),) * (int(axis) % a.ndim) + (None,)]
    return a


def reduction(
    x,
    chunk,
    aggregate,
    axis=None,
    keepdims=False,
    combine=None,
    dtype=None,
    split_every=None,
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
        ``chunk(block, axis=, keepdims=True)`` reduces one block.
    aggregate : callable
        ``aggregate(partial results, axis=, keepdims=)`` reduces what the blocks gave, side by side.
    axis : int or tuple of int, optional
        The axes to reduce; all by default.
    dtype : dtype
        Of the result.

    Examples
    --------
    >>> import numpy as np, selion.array as da
    >>> x = da.arange(10, chunks=4)
    >>> da.reduction(x, np.sum, np.sum, dtype=x.dtype).compute()
    np.int64(45)
    """
    if weights is not None:
        raise NotImplementedError("reduction(weights=...) is not implemented")
    x = asanyarray(x)
    axes = tuple(range(x.ndim)) if axis is None else tuple(int(k) % x.ndim for k in np.atleast_1d(axis))
    if dtype is None:
        raise ValueError("Must specify dtype")
    labels = list(range(x.ndim))
    partial_dtype = _infer(partial(chunk, axis=axes, keepdims=True), [x], {}, "reduction").dtype
    lens = {k: (output_size,) * x.numblocks[k] for k in axes}
    parts = _run(partial(chunk, axis=axes, keepdims=True), labels, [(x, labels)], lens, partial_dtype, name)
    kept = labels if keepdims else [k for k in labels if k not in axes]
    final = dict.fromkeys(axes, (1,)) if keepdims else {}
    whole = parts.rechunk(dict.fromkeys(axes, -1))
    finish = partial(aggregate, axis=axes, keepdims=keepdims)
    return _run(finish, kept, [(whole, labels)], final, dtype, name or _name_of(aggregate))
