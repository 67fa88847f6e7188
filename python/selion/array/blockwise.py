"""Functions on blocks: the one mechanism by which Python functions, NumPy's included, work on lazy arrays."""

from __future__ import annotations

import inspect
import itertools
from dataclasses import dataclass
from functools import partial

import numpy as np

from selion import _selion
from selion.array.core import Array, asanyarray

__all__ = ["apply_along_axis", "apply_over_axes", "blockwise", "map_blocks", "unify_chunks"]

_tokens = itertools.count(1)


def _name_of(func) -> str:
    while isinstance(func, partial):
        func = func.func
    return getattr(func, "__name__", None) or type(func).__name__


def native_function(func, dtype, name=None, wants_info=False, is_users=False):
    """What the native layer calls for each block; ``dtype`` is a list for several arrays, and None for any objects.

    A user's function may be called in another process, and must not hold lazy arrays.
    """
    if dtype is not None:
        dtype = [np.dtype(each) for each in dtype] if isinstance(dtype, list) else np.dtype(dtype)
    return _selion.BlockFunction(func, name or _name_of(func), next(_tokens), dtype, wants_info, is_users)


def _run(func, labels, inputs, chunks, dtype, name=None, wants_info=False, align=True) -> Array:
    """Blockwise with labels that are numbers; ``chunks`` are the block lengths of labels that inputs lack or change."""
    known = {label for _, own in inputs for label in own}
    return Array(
        _selion.blockwise(
            native_function(func, dtype, name, wants_info),
            list(labels),
            [(x._native, list(own)) for x, own in inputs],
            [(label, tuple(lens)) for label, lens in chunks.items() if label not in known],
            [(label, tuple(lens)) for label, lens in chunks.items() if label in known],
            align_arrays=align,
        )
    )


def run_parts(func, labels, inputs, parts, name=None) -> list[Array]:
    """Several arrays from a function that gives a tuple of blocks for each block along ``labels``.

    ``parts`` are the arrays' dtypes and chunks: as many blocks as along the labels, in the same order. The function is
    called once per block, whichever of the arrays are computed.
    """
    made = _selion.blockwise_parts(
        native_function(func, [dtype for dtype, _ in parts], name),
        list(labels),
        [(x._native, list(own)) for x, own in inputs],
        [[tuple(lens) for lens in chunks] for _, chunks in parts],
    )
    return [Array(native) for native in made]


def _ones(x):
    return np.ones((1,) * x.ndim, x.dtype) if isinstance(x, Array) else x


def sample(func, args, kwargs, what, key="dtype"):
    """What the function makes of arrays with one element in place of lazy ones."""
    try:
        with np.errstate(all="ignore"):
            return func(*map(_ones, args), **kwargs)
    except Exception as error:
        raise ValueError(
            f"`dtype` inference failed in `{what}`.\n\nPlease specify the dtype explicitly using the `{key}` kwarg.\n\n"
            f"Original error is below:\n------------------------\n{error!r}"
        ) from error


def _infer(func, args, kwargs, what) -> np.dtype:
    return np.asarray(sample(func, args, kwargs, what)).dtype


@dataclass(frozen=True, slots=True)
class _Whole:
    """Stands for an array of which a function gets blocks."""

    shape: tuple
    numblocks: tuple


class _Call:
    """Calls a function with blocks in the places of arrays, and tells it which block it makes if it wants to know."""

    def __init__(self, func, args, kwargs, dtype, ndim=None):
        parameters = _parameters(func)
        self.func, self.kwargs, self.dtype, self.ndim = func, kwargs, dtype, ndim
        self.args = [_Whole(x.shape, x.numblocks) if isinstance(x, Array) else x for x in args]
        self.wants = [key for key in ("block_id", "block_info") if key in parameters and key not in kwargs]

    def __call__(self, *blocks):
        kwargs = self.kwargs
        if self.wants:
            info, *blocks = blocks
            kwargs = {**kwargs, **self._info(*info)}
        blocks = iter(blocks)
        result = self.func(*(next(blocks) if isinstance(x, _Whole) else x for x in self.args), **kwargs)
        if self.ndim is not None and np.ndim(result) != self.ndim:
            raise ValueError(
                f"Dimension mismatch: expected output of {_name_of(self.func)} to have dims = {self.ndim}, "
                f"got {np.ndim(result)} instead."
            )
        return result

    def _info(self, own, inputs) -> dict:
        block, numblocks, region, shape = own
        found = {}
        if "block_id" in self.wants:
            found["block_id"] = block
        if "block_info" in self.wants:
            lens = tuple(stop - start for start, stop in region)
            details = {None: _details(shape, numblocks, region, block)}
            details[None].update({"chunk-shape": lens, "dtype": np.dtype(self.dtype)})
            places = iter(inputs)
            for k, x in enumerate(self.args):
                if isinstance(x, _Whole):
                    at, place = next(places)
                    details[k] = _details(x.shape, x.numblocks, place, at)
            found["block_info"] = details
        return found


def _details(shape, numblocks, region, block) -> dict:
    return {"shape": shape, "num-chunks": numblocks, "array-location": region, "chunk-location": block}


def _parameters(func) -> frozenset:
    try:
        return frozenset(inspect.signature(func).parameters)
    except (TypeError, ValueError):
        return frozenset()


class Mapped:
    """What `map_blocks` and `map_overlap` have in common: a function of blocks, and the blocks that it gives."""

    def __init__(
        self, func, args, kwargs, what, name=None, token=None, dtype=None, chunks=None, drop_axis=None, new_axis=None,
        enforce_ndim=False, meta=None,
    ):  # fmt: skip
        if not callable(func):
            raise TypeError(f"First argument must be callable function, not {type(func).__name__}")
        self.arrays = [x for x in args if isinstance(x, Array)]
        ndim = max((x.ndim for x in self.arrays), default=0)
        self.drop = [] if drop_axis is None else [int(k) for k in np.atleast_1d(drop_axis)]
        self.new = None if new_axis is None else [int(k) for k in np.atleast_1d(new_axis)]
        result_ndim = ndim - len(self.drop) + len(self.new or ()) if chunks is None else len(chunks)
        if self.new is not None:
            self.new = [k + result_ndim if k < 0 else k for k in self.new]
        self.chunks = None if chunks is None else list(chunks)
        call = _Call(func, args, kwargs, dtype, result_ndim if enforce_ndim else None)
        if dtype is None and meta is not None:
            dtype = meta.dtype
        if dtype is None:
            untold = {"block_id": (0,) * ndim, "block_info": None}
            dtype = _infer(func, args, {**kwargs, **{key: untold[key] for key in call.wants}}, what)
        call.dtype = dtype
        self.function = native_function(call, dtype, name or _name_of(func), bool(call.wants), is_users=True)


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
    """Apply a function to blocks with the same numbers, counted from the last axis.

    Parameters
    ----------
    func : callable
        Gets a NumPy array for each array in ``args`` (read-only), everything else as it is, and gives a NumPy array. If
        it has a parameter ``block_id`` or ``block_info``, it is told which block it makes.
    args : Array or object
        Arrays need as many blocks along each axis, or one; they are not rechunked.
    name : str, optional
        What `Array.explain` calls the function.
    dtype : dtype, optional
        Of the result; found by trying the function on arrays with one element if it is missing.
    chunks : tuple, optional
        The result's block lengths, if they are not the inputs': a number for each axis, or a tuple of numbers.
    drop_axis : int or list of int, optional
        Axes that the function takes away; what it gets is whole along them.
    new_axis : int or list of int, optional
        Axes of the result that the function adds.
    enforce_ndim : bool
        Whether to fail when the function gives an array with another number of axes.
    meta : array, optional
        Something with the result's dtype.
    kwargs : object
        Passed to the function.

    Raises
    ------
    TypeError
        If ``func`` cannot be called.
    ValueError
        If the dtype cannot be found, or blocks do not match.

    Examples
    --------
    >>> import selion.array as da
    >>> da.arange(6, chunks=3).map_blocks(lambda x: x * 10).compute()
    array([ 0, 10, 20, 30, 40, 50])
    """
    mapped = Mapped(
        func, args, kwargs, "map_blocks", name, token, dtype, chunks, drop_axis, new_axis, enforce_ndim, meta
    )
    arrays = [x._native for x in mapped.arrays]
    return Array(_selion.map_blocks(mapped.function, arrays, mapped.chunks, mapped.drop, mapped.new))


def _label_names(pairs, out=()):
    """A number for each name of an axis, in the order in which they come."""
    numbers: dict = {}
    for names in [out, *(own for _, own in pairs if own is not None)]:
        for name in names:
            numbers.setdefault(name, len(numbers))
    return numbers


def _pairs(args) -> list:
    if len(args) % 2:
        raise ValueError("arrays and their indices must come in pairs")
    return [(x if own is None else asanyarray(x), own) for x, own in zip(args[::2], args[1::2], strict=True)]


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
    name : str, optional
        What `Array.explain` calls the function.
    dtype : dtype, optional
        Of the result; found by trying the function on arrays with one element if it is missing.
    new_axes : dict, optional
        Lengths of axes that no input has: a number, or a tuple of block lengths.
    adjust_chunks : dict, optional
        For axes whose block lengths the function changes: a number, a tuple, or a function of the old length.
    align_arrays : bool
        Whether arrays are rechunked to common blocks. If not, blocks with the same number go together.
    concatenate : bool
        Along an axis that the result does not have, the function gets all blocks: put together, or, by default, as a
        list of blocks, nested for several such axes.
    meta : array, optional
        Something with the result's dtype.

    Raises
    ------
    ValueError
        If a name of the result is nowhere else, or comes twice, or lengths do not match.

    Examples
    --------
    >>> import numpy as np, selion.array as da
    >>> x, y = da.arange(3, chunks=2), da.arange(2)
    >>> da.blockwise(np.multiply.outer, "ij", x, "i", y, "j", dtype=int).compute()
    array([[0, 0],
           [0, 1],
           [0, 2]])
    """
    pairs = _pairs(args)
    numbers = _label_names(pairs, out_ind)
    for axis in new_axes or {}:
        numbers.setdefault(axis, len(numbers))
    for axis in adjust_chunks or {}:
        if axis not in numbers:
            raise ValueError(f"adjust_chunks: there is no axis {axis!r}")
    if dtype is None and meta is not None:
        dtype = meta.dtype
    if dtype is None:

        def one(x, own):
            lists = 0 if own is None or concatenate else len(set(own) - set(out_ind))
            x = _ones(x) if own is not None else x
            for _ in range(lists):
                x = [x]
            return x

        dtype = _infer(func, [one(x, own) for x, own in pairs], kwargs, "blockwise")

    arguments = [(own is None, x if own is None else None) for x, own in pairs]

    def call(*blocks):
        values = iter(blocks)
        return func(*(x if is_given else next(values) for is_given, x in arguments), **kwargs)

    return Array(
        _selion.blockwise(
            native_function(call, dtype, name or _name_of(func), is_users=True),
            [numbers[axis] for axis in out_ind],
            [(x._native, [numbers[axis] for axis in own]) for x, own in pairs if own is not None],
            [(numbers[axis], lens) for axis, lens in (new_axes or {}).items()],
            [(numbers[axis], change) for axis, change in (adjust_chunks or {}).items()],
            bool(concatenate),
            align_arrays,
        )
    )


def unify_chunks(*args, **kwargs) -> tuple[dict, list]:
    """Rechunk arrays to common blocks along axes with the same name.

    Parameters
    ----------
    args : Array, names, Array, names, …
        Arrays with the names of their axes; ``None`` for something that is passed as it is.

    Returns
    -------
    chunks : dict
        The block lengths along each name.
    arrays : list
        The arrays, in those blocks.

    Examples
    --------
    >>> import selion.array as da
    >>> chunks, (x, y) = da.unify_chunks(da.ones(4, chunks=2), "i", da.ones(4, chunks=3), "i")
    >>> chunks, x.chunks
    ({'i': (2, 1, 1)}, ((2, 1, 1),))
    """
    kwargs.pop("warn", None)
    if kwargs:
        raise TypeError(f"unify_chunks() got an unexpected keyword argument {next(iter(kwargs))!r}")
    pairs = _pairs(args)
    numbers = _label_names(pairs)
    names = list(numbers)
    inputs = [(x._native, [numbers[axis] for axis in own]) for x, own in pairs if own is not None]
    chunks, arrays = _selion.unify_chunks(inputs)
    unified = iter(map(Array, arrays))
    return {names[label]: lens for label, lens in chunks}, [x if own is None else next(unified) for x, own in pairs]


def per_block(func, *args, dtype=None, name=None, **kwargs) -> Array:
    """NumPy's function on the blocks of arrays that broadcast together: for what has no native kernel."""
    args = [asanyarray(x) if isinstance(x, (np.ndarray, list, tuple)) else x for x in args]
    if dtype is None:
        dtype = _infer(func, args, kwargs, _name_of(func))
    inputs = [(x, range(x.ndim)[::-1]) for x in args if isinstance(x, Array)]
    shape = np.broadcast_shapes(*(x.shape for x, _ in inputs if not np.isnan(x.shape).any()))
    ndim = max([len(shape), *(x.ndim for x, _ in inputs)])
    return _run(_Call(func, args, kwargs, dtype), range(ndim)[::-1], inputs, {}, dtype, name or _name_of(func))


def elemwise(op, *args, out=None, where=True, dtype=None, name=None, **kwargs) -> Array:
    """Apply a function element by element to arrays that broadcast together.

    Parameters
    ----------
    op : callable
        Gets blocks of one shape, or that broadcast, and scalars.
    args : array-like or scalar
    out : Array, optional
        An array that becomes the result.
    where : bool or array-like
        Where to keep the result; elsewhere the elements are those of ``out``.
    dtype : dtype, optional
        Of the result.

    Raises
    ------
    TypeError
        For other keyword arguments.
    ValueError
        If shapes do not broadcast, or if there is no ``out`` and ``where`` is not everywhere true.

    Examples
    --------
    >>> import numpy as np
    >>> from selion.array.core import elemwise
    >>> import selion.array as da
    >>> elemwise(np.hypot, da.arange(3), 4).compute()
    array([4.        , 4.12310563, 4.47213595])
    """
    if kwargs:
        raise TypeError(f"{_name_of(op)} does not take the following keyword arguments {sorted(kwargs)}")
    from selion.array.ufuncs import finished

    return finished(per_block(op, *args, dtype=dtype, name=name), out, where)


def along_axis(func, x, axis, dtype=None, length=None, **kwargs) -> Array:
    """A function of NumPy that works along one axis, which becomes whole; ``length`` is the result's on that axis."""
    x = asanyarray(x)
    axis = axis % x.ndim
    x = x.rechunk({axis: -1})
    if dtype is None:
        dtype = _infer(func, [x], kwargs, _name_of(func))
    lens = {} if length is None else {axis: (length,)}
    labels = list(range(x.ndim))
    return _run(partial(func, **kwargs), labels, [(x, labels)], lens, dtype)


def apply_along_axis(func1d, axis, arr, *args, dtype=None, shape=None, **kwargs) -> Array:
    """Apply a function to one-dimensional slices along an axis, which becomes whole.

    Parameters
    ----------
    func1d : callable
        Gets a one-dimensional array.
    axis : int
    arr : Array
    args, kwargs : object
        Passed to the function.
    dtype, shape : optional
        Of what ``func1d`` gives; found by trying it on ones if missing.

    Raises
    ------
    AxisError
        If there is no such axis.

    Examples
    --------
    >>> import selion.array as da
    >>> x = da.arange(6, chunks=2).reshape(2, 3)
    >>> da.apply_along_axis(lambda row: row[::-1], 1, x, shape=(3,), dtype=int).compute()
    array([[2, 1, 0],
           [5, 4, 3]])
    """
    arr = asanyarray(arr)
    if shape is None or dtype is None:
        found = np.asarray(func1d(np.ones((1,), arr.dtype), *args, **kwargs))
        shape = found.shape if shape is None else shape
        dtype = found.dtype if dtype is None else dtype

    def call(block):
        return np.apply_along_axis(func1d, axis, block, *args, **kwargs)

    function = native_function(call, dtype, _name_of(func1d), is_users=True)
    return Array(_selion.apply_along_axis(function, axis, arr._native, [int(n) for n in np.atleast_1d(shape)]))


def apply_over_axes(func, a, axes) -> Array:
    """Apply a function of (array, axis) over several axes, one after the other.

    Examples
    --------
    >>> import selion.array as da
    >>> da.apply_over_axes(da.sum, da.ones((2, 3)), [0, 1]).compute()
    array([[6.]])
    """
    a = asanyarray(a)
    for axis in np.atleast_1d(axes):
        result = func(a, int(axis))
        a = result if result.ndim == a.ndim else result[(slice(None),) * (int(axis) % a.ndim) + (None,)]
    return a
