"""The class `Array`, and arrays from and to memory and storage."""

from __future__ import annotations

import math
import operator
import uuid

import numpy as np

from selion import _selion
from selion._base import compute, persist
from selion._visualize import visualize
from selion.array import _html, _recipes  # noqa: F401: calls are noted from here on


def _operand(x):
    """What the native layer takes for an argument of a ufunc."""
    return x._native if isinstance(x, Array) else x


def _ufunc(name: str, *args) -> Array:
    return Array(_selion.ufunc(name, tuple(_operand(arg) for arg in args)))


def into(out, result: Array) -> Array:
    """The result, or the array ``out`` that has become it.

    Raises
    ------
    NotImplementedError
        If ``out`` is not an array of selion.
    ValueError
        If it has another shape or dtype.
    """
    if isinstance(out, tuple):
        (out,) = out
    if out is None:
        return result
    if not isinstance(out, Array):
        raise NotImplementedError(f"out= must be an array of selion, not {type(out).__name__}")
    if out.shape != result.shape:
        raise ValueError(f"Mismatched shapes between result and out parameter. out={out.shape}, result={result.shape}")
    if out.dtype != result.dtype:
        raise ValueError(f"Mismatched dtypes between result and out parameter. out={out.dtype}, result={result.dtype}")
    out._native = result._native
    return out


def _binary(name: str):
    def method(self, other):
        try:
            return _ufunc(name, self, other)
        except TypeError:
            if isinstance(other, (Array, np.ndarray, np.generic, bool, int, float, complex)):
                raise
            return NotImplemented

    def reflected(self, other):
        return _ufunc(name, other, self)

    return method, reflected


class Array:
    """A lazy chunked array that looks like a NumPy array and may be larger than memory.

    Made by functions such as `from_array`, `from_zarr` and `ones`, and by operations on other arrays; nothing is
    computed before `compute` is called.

    Examples
    --------
    >>> import selion.array as da
    >>> x = da.ones((1000, 1000), chunks=(100, 1000))
    >>> x.chunksize, x.npartitions
    ((100, 1000), 10)
    >>> (x + 1).mean().compute()
    np.float64(2.0)
    """

    __slots__ = ("_native",)
    __array_priority__ = 11

    def __init__(self, native):
        self._native = native

    # What it is.

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the elements."""
        return self._native.dtype

    @property
    def shape(self) -> tuple:
        """The lengths of the axes; ``nan`` where only computing will tell."""
        return self._native.shape

    @property
    def chunks(self) -> tuple:
        """The block lengths along each axis."""
        return self._native.chunks

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._native.ndim

    @property
    def size(self):
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self._native.itemsize

    @property
    def nbytes(self):
        """Bytes of all elements."""
        return self.size * self.itemsize

    @property
    def numblocks(self) -> tuple:
        """The number of blocks along each axis."""
        return self._native.numblocks

    @property
    def npartitions(self) -> int:
        """The number of blocks."""
        return math.prod(self.numblocks)

    @property
    def chunksize(self) -> tuple:
        """The largest block length along each axis."""
        return tuple(max(lens) for lens in self.chunks)

    @property
    def name(self) -> str:
        """The name: what the array is, and a hash of how it is made."""
        return self._native.name

    def __len__(self):
        if not self.shape:
            raise TypeError("len() of unsized object")
        if math.isnan(self.shape[0]):
            raise ValueError("Cannot call len() on object with unknown chunk size; call compute_chunk_sizes() first")
        return self.shape[0]

    def __repr__(self):
        size = ", ".join(str(s) for s in self.chunksize) + ("," if self.ndim == 1 else "")
        return f"selion.array<{self._native.kind}, shape={self.shape}, dtype={self.dtype}, chunksize=({size})>"

    _repr_html_, to_svg, explain = _html._repr_html_, _html.to_svg, _html.explain

    # Computing.

    def __selion_parts__(self):
        return (self._native,)

    @staticmethod
    def _finish(values):
        (value,) = values
        return value[()] if np.ndim(value) == 0 else value

    @classmethod
    def _persisted(cls, natives) -> Array:
        return cls(natives[0])

    def compute(self, **kwargs):
        """The elements, as a NumPy array; a NumPy scalar for a 0-d array. See `selion.compute`."""
        return compute(self, traverse=False, **kwargs)[0]

    def persist(self, **kwargs) -> Array:
        """The same array with its elements computed and kept in memory, block by block. See `selion.persist`."""
        return persist(self, traverse=False, **kwargs)[0]

    def visualize(self, filename="mydask", format=None, optimize_graph=False, **kwargs):
        """Draw what computing the array will do. See `selion.visualize`."""
        return visualize(self, filename=filename, format=format, optimize_graph=optimize_graph, **kwargs)

    def to_delayed(self, optimize_graph: bool = True) -> np.ndarray:
        """The blocks as delayed values, each a NumPy array when computed.

        Returns
        -------
        numpy.ndarray
            Of `Delayed` objects, of shape ``numblocks``.

        Examples
        --------
        >>> import selion.array as da
        >>> blocks = da.arange(6, chunks=2).to_delayed()
        >>> blocks.shape, blocks[1].compute()
        ((3,), array([2, 3]))
        """
        blocks = np.empty(self.npartitions, dtype=object)
        blocks[:] = _selion.delayed_blocks(self._native)
        return blocks.reshape(self.numblocks)

    def __array__(self, dtype=None, copy=None, **kwargs):
        if copy is False:
            raise ValueError("a lazy array cannot be converted to a NumPy array without computing and copying")
        x = np.asarray(self.compute())
        return x if dtype is None or x.dtype == dtype else x.astype(dtype)

    def __bool__(self):
        if self.size > 1:
            raise ValueError(f"The truth value of a {type(self).__name__} is ambiguous. Use a.any() or a.all().")
        return bool(self.compute())

    def _scalar(self, kind):
        if self.size != 1:
            raise TypeError("Only length-1 arrays can be converted to Python scalars")
        return kind(self.compute().reshape(())[()])

    def __int__(self):
        return self._scalar(int)

    def __float__(self):
        return self._scalar(float)

    def __complex__(self):
        return self._scalar(complex)

    def __index__(self):
        return self._scalar(operator.index)

    # Operators.

    __add__, __radd__ = _binary("add")
    __sub__, __rsub__ = _binary("subtract")
    __mul__, __rmul__ = _binary("multiply")
    __truediv__, __rtruediv__ = _binary("divide")
    __floordiv__, __rfloordiv__ = _binary("floor_divide")
    __mod__, __rmod__ = _binary("remainder")
    __pow__, __rpow__ = _binary("power")
    __and__, __rand__ = _binary("bitwise_and")
    __or__, __ror__ = _binary("bitwise_or")
    __xor__, __rxor__ = _binary("bitwise_xor")
    __lshift__, __rlshift__ = _binary("left_shift")
    __rshift__, __rrshift__ = _binary("right_shift")
    __eq__, _ = _binary("equal")
    __ne__, _ = _binary("not_equal")
    __lt__, _ = _binary("less")
    __le__, _ = _binary("less_equal")
    __gt__, _ = _binary("greater")
    __ge__, _ = _binary("greater_equal")
    __hash__ = None

    def __neg__(self):
        return _ufunc("negative", self)

    def __pos__(self):
        return _ufunc("positive", self)

    def __abs__(self):
        return _ufunc("absolute", self)

    def __invert__(self):
        return _ufunc("invert", self)

    # NumPy's protocols.

    def __array_ufunc__(self, numpy_ufunc, method, *inputs, out=None, **kwargs):
        from selion.array import functions

        return functions.dispatch_ufunc(numpy_ufunc, method, inputs, out, kwargs)

    def __array_function__(self, function, types, args, kwargs):
        from selion.array import functions

        return functions.dispatch_function(function, types, args, kwargs)

    # Parts.

    def __getitem__(self, index) -> Array:
        if isinstance(index, str) or (isinstance(index, list) and index and isinstance(index[0], str)):
            raise NotImplementedError("fields of structured dtypes are not implemented")
        if isinstance(index, tuple):
            index = tuple(_operand(part) for part in index)
        return Array(_selion.getitem(self._native, _operand(index)))

    def __setitem__(self, index, value):
        from selion.array.indexing import assigned

        self._native = assigned(self, index, value)._native

    def __iter__(self):
        if not self.shape:
            raise TypeError("iteration over a 0-d array")
        return (self[k] for k in range(len(self)))

    @property
    def vindex(self):
        """Pointwise indexing: ``x.vindex[[0, 1], [2, 3]]`` is the elements ``x[0, 2]`` and ``x[1, 3]``."""
        from selion.array.indexing import VIndex

        return VIndex(self)

    @property
    def blocks(self):
        """The array's blocks, indexed as an array of blocks: ``x.blocks[0, 1:]`` is an array."""
        from selion.array.indexing import BlockView

        return BlockView(self)

    @property
    def partitions(self):
        """As `blocks`."""
        return self.blocks

    # Other shapes.

    @property
    def T(self) -> Array:
        """The transpose."""
        return self.transpose()

    def transpose(self, *axes) -> Array:
        """The axes in another order; reversed by default."""
        if len(axes) == 1 and (axes[0] is None or not np.isscalar(axes[0])):
            axes = axes[0] or ()
        return Array(_selion.transpose(self._native, list(axes) or None))

    def reshape(self, *shape, merge_chunks=True, limit=None, order=None) -> Array:
        """The same elements, in C order, in another shape; one length may be -1."""
        from selion.array.manipulation import reshape

        if order is not None:  # flox asks for it, and would go on to compute everything
            raise NotImplementedError(
                "reshape(order=) is not implemented for arrays of selion. If this is flox, which knows no lazy arrays "
                "but Dask's, let xarray group by itself: selion.xarray.use() or xarray.set_options(use_flox=False)"
            )

        return reshape(self, shape[0] if len(shape) == 1 and not np.isscalar(shape[0]) else shape)

    def ravel(self) -> Array:
        """The elements in C order, along one axis."""
        return Array(_selion.ravel(self._native))

    def flatten(self) -> Array:
        """As `ravel`."""
        return self.ravel()

    def repeat(self, repeats, axis=None) -> Array:
        """Each element several times. See `selion.array.repeat`."""
        from selion.array.manipulation import repeat

        return repeat(self, repeats, axis)

    def dot(self, other) -> Array:
        """The dot product. See `selion.array.dot`."""
        from selion.array.linear import dot

        return dot(self, other)

    def __matmul__(self, other):
        from selion.array.linear import matmul

        return matmul(self, other)

    def __rmatmul__(self, other):
        from selion.array.linear import matmul

        return matmul(other, self)

    def cumsum(self, axis, dtype=None, out=None, *, method="sequential") -> Array:
        """Running sums along an axis."""
        from selion.array.scans import cumsum

        return cumsum(self, axis, dtype, out, method)

    def cumprod(self, axis, dtype=None, out=None, *, method="sequential") -> Array:
        """Running products along an axis."""
        from selion.array.scans import cumprod

        return cumprod(self, axis, dtype, out, method)

    def moment(self, order, axis=None, dtype=None, keepdims=False, ddof=0, split_every=None, out=None) -> Array:
        """The central moment of an order. See `selion.array.moment`."""
        from selion.array.reductions import moment

        return moment(self, order, axis, dtype, keepdims, ddof, split_every, out)

    def topk(self, k, axis=-1, split_every=None) -> Array:
        """The ``k`` largest elements along an axis. See `selion.array.topk`."""
        from selion.array.sorting import topk

        return topk(self, k, axis)

    def argtopk(self, k, axis=-1, split_every=None) -> Array:
        """Where the ``k`` largest elements along an axis are. See `selion.array.argtopk`."""
        from selion.array.sorting import argtopk

        return argtopk(self, k, axis)

    def nonzero(self) -> tuple:
        """The coordinates of the elements that are not zero. See `selion.array.nonzero`."""
        from selion.array.sorting import nonzero

        return nonzero(self)

    def trace(self, offset=0, axis1=0, axis2=1, dtype=None) -> Array:
        """The sum along a diagonal."""
        x = self if dtype is None else self.astype(dtype)
        return Array(_selion.trace(x._native, offset, axis1, axis2))

    def swapaxes(self, axis1, axis2) -> Array:
        """Two axes in each other's place."""
        from selion.array.manipulation import swapaxes

        return swapaxes(self, axis1, axis2)

    def squeeze(self, axis=None) -> Array:
        """Without axes of length 1."""
        return Array(_selion.squeeze(self._native, axis))

    @property
    def real(self) -> Array:
        """The real parts."""
        return _ufunc("real", self)

    @property
    def imag(self) -> Array:
        """The imaginary parts."""
        return _ufunc("imag", self)

    def conj(self) -> Array:
        """The complex conjugates."""
        return _ufunc("conjugate", self)

    def clip(self, min=None, max=None) -> Array:
        """The elements, bounded below and above."""
        from selion.array.ufuncs import clip

        return clip(self, min, max)

    def round(self, decimals=0) -> Array:
        """The elements, rounded to so many decimals."""
        from selion.array.routines import round as round_

        return round_(self, decimals)

    def copy(self) -> Array:
        """The same array; what is done in place to one does not show in the other."""
        return Array(self._native)

    def __reduce__(self):
        return Array, (self._native,)

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy()

    def __divmod__(self, other):
        return self // other, self % other

    def __rdivmod__(self, other):
        return other // self, other % self

    def map_blocks(self, func, *args, **kwargs) -> Array:
        """Apply a function to each block. See `selion.array.map_blocks`."""

        return map_blocks(func, self, *args, **kwargs)

    def map_overlap(self, func, depth, boundary=None, trim=True, **kwargs) -> Array:
        """Apply a function to blocks that overlap their neighbours. See `selion.array.map_overlap`."""
        from selion.array.overlap import map_overlap

        return map_overlap(func, self, depth=depth, boundary=boundary, trim=trim, **kwargs)

    def choose(self, choices) -> Array:
        """Elements of one of several arrays each. See `selion.array.choose`."""
        from selion.array.selection import choose

        return choose(self, choices)

    def shuffle(self, indexer, axis, chunks="auto") -> Array:
        """The elements along an axis in another order. See `selion.array.shuffle`."""
        from selion.array.selection import shuffle

        return shuffle(self, indexer, axis, chunks)

    def view(self, dtype=None, order="C") -> Array:
        """The bytes of the elements as elements of another dtype.

        Parameters
        ----------
        dtype : dtype, optional
        order : {"C", "F"}
            Whether the last or the first axis becomes longer or shorter if elements have another size.

        Raises
        ------
        ValueError
            For another order, or if elements of the new size do not fit the blocks.

        Examples
        --------
        >>> import numpy as np, selion.array as da
        >>> da.asarray(np.array([1.0, -0.0])).view("u8").compute()
        array([4607182418800017408, 9223372036854775808], dtype=uint64)
        """
        from selion.array.manipulation import view

        return view(self, dtype, order)

    @property
    def A(self) -> Array:
        """The array itself."""
        return self

    def compute_chunk_sizes(self) -> Array:
        """Compute the array so that its unknown lengths are known; its blocks stay in memory. Returns itself."""
        self._native = _selion.compute_chunk_sizes(self._native)
        return self

    # Conversions and other blocks.

    def astype(self, dtype, **kwargs) -> Array:
        """The same values in another dtype.

        Parameters
        ----------
        dtype : dtype
        casting : {"unsafe", "no", "equiv", "safe", "same_kind"}
            Which conversions are allowed.
        """
        casting = kwargs.pop("casting", "unsafe")
        copy = kwargs.pop("copy", True)
        if kwargs:
            raise TypeError(f"astype() got unexpected keyword arguments {sorted(kwargs)}")
        dtype = np.dtype(dtype)
        if dtype == self.dtype:
            return self.copy() if copy else self
        if not np.can_cast(self.dtype, dtype, casting=casting):
            raise TypeError(f"Cannot cast array from {self.dtype!r} to {dtype!r} according to the rule {casting!r}")
        return Array(self._native.astype(dtype))

    def rechunk(self, chunks="auto", threshold=None, block_size_limit=None, balance=False, method=None) -> Array:
        """The same elements in other blocks.

        Parameters
        ----------
        chunks : int, tuple, dict, "auto" or bytes as text
            Block lengths *in elements*, ``-1`` keeps an axis whole, ``None`` leaves it as it is.
        block_size_limit : int, optional
            Bytes that automatic blocks have at most.
        balance : bool
            Whether blocks become about equally long, in place of a short one at the end.
        threshold, method : optional
            Accepted as Dask has them: how blocks are moved is decided when they are.

        Raises
        ------
        ValueError
            If blocks do not add up to the axis, or a length is unknown.

        Examples
        --------
        >>> import selion.array as da
        >>> da.ones((4, 4), chunks=2).rechunk((4, 1)).chunks
        ((4,), (1, 1, 1, 1))
        """
        return Array(self._native.rechunk(chunks, block_size_limit, bool(balance)))

    def store(self, targets, *args, **kwargs):
        """Compute the array into an object that takes items. See `selion.array.store`."""

        return store(self, targets, *args, **kwargs)

    def to_zarr(self, *args, **kwargs):
        """Compute the array into a Zarr store. See `selion.array.to_zarr`."""

        return to_zarr(self, *args, **kwargs)

    def to_hdf5(self, filename, datapath, **kwargs):
        """Compute the array into a data set of an HDF5 file. See `selion.array.to_hdf5`."""
        from selion.array.storage import to_hdf5

        return to_hdf5(filename, datapath, self, **kwargs)


def from_array(
    x,
    chunks="auto",
    name=None,
    lock=False,
    asarray=None,
    fancy=True,
    getitem=None,
    meta=None,
    inline_array=False,
) -> Array:
    """An array of what is in ``x``.

    Parameters
    ----------
    x : array-like
        A NumPy array, which is read in place, or anything with ``shape``, ``dtype`` and ``__getitem__``.
    chunks : int, tuple, dict, "auto" or bytes as text
        Block lengths; see `Array.rechunk`.
    lock : bool or lock
        Held while ``x`` is read; ``True`` makes one.

    Examples
    --------
    >>> import numpy as np, selion.array as da
    >>> da.from_array(np.arange(6), chunks=2).sum().compute()
    np.int64(15)
    """
    if isinstance(x, Array):
        raise ValueError("Array is already a selion array. Use 'asarray' or 'rechunk' instead.")
    if isinstance(x, (np.ndarray, np.generic, list, tuple, bool, int, float, complex)):
        x = np.asarray(x)
        if x.dtype.kind not in "OSUV":
            return Array(_selion.from_memory(x, chunks))
    if lock is True:
        from threading import Lock

        lock = Lock()
    return Array(_selion.from_object(x, chunks, name or uuid.uuid4().hex, lock or None))


def _has_arrays(nest) -> bool:
    return isinstance(nest, Array) or (isinstance(nest, (list, tuple)) and any(map(_has_arrays, nest)))


def asarray(a, allow_unknown_chunksizes=False, dtype=None, order=None, *, like=None, **kwargs) -> Array:
    """``a`` as an array of selion; an array of selion as it is.

    Parameters
    ----------
    a : array-like
        Lists may have lazy arrays in them, which are stacked.
    dtype : dtype, optional
    allow_unknown_chunksizes, order, like : optional
        Accepted as Dask has them.

    Examples
    --------
    >>> import selion.array as da
    >>> da.asarray([da.arange(2), [5, 6]]).compute()
    array([[0, 1],
           [5, 6]])
    """
    if isinstance(a, (list, tuple)) and _has_arrays(a):
        a = Array(_selion.stack([asarray(part)._native for part in a], 0))
    elif type(a).__module__.split(".")[0] == "xarray" and hasattr(a, "data"):
        return asarray(a.data, allow_unknown_chunksizes, dtype, order)
    elif not isinstance(a, Array):
        a = from_array(np.asarray(a))
    return a if dtype is None else a.astype(dtype)


def asanyarray(a, dtype=None, order=None, *, like=None, inline_array=False) -> Array:
    """As `asarray`."""
    return asarray(a, dtype=dtype)


def from_delayed(value, shape, dtype=None, meta=None, name=None) -> Array:
    """An array of one block, which a delayed value gives.

    Parameters
    ----------
    value : Delayed
        What gives something that NumPy can make an array of.
    shape : tuple of int
        Of the array; NaN for a length that is not known.
    dtype : dtype
        Of the array; the value is cast to it.
    meta : numpy.ndarray, optional
        An array of the dtype, instead of ``dtype``.

    Raises
    ------
    TypeError
        If there is neither ``dtype`` nor ``meta``.
    ValueError
        When computed, if the value is of another shape.

    Examples
    --------
    >>> import numpy as np, selion, selion.array as da
    >>> parts = [da.from_delayed(selion.delayed(np.full)(2, k), (2,), dtype=float) for k in range(3)]
    >>> da.concatenate(parts).compute()
    array([0., 0., 1., 1., 2., 2.])
    """
    from selion.delayed import delayed

    if dtype is None and meta is None:
        raise TypeError("from_delayed needs the dtype of the array: give `dtype` or `meta`")
    dtype = np.dtype(meta.dtype if dtype is None else dtype)
    chunks = [[float(length)] for length in shape]
    return Array(_selion.array_of_delayed([delayed(value)], dtype, chunks))


def normalize_chunks(chunks, shape=None, limit=None, dtype=None, previous_chunks=None) -> tuple:
    """Chunks in any form as a tuple of tuples of block lengths.

    Parameters
    ----------
    chunks : int, tuple, dict, "auto" or bytes as text
        Block lengths; see `Array.rechunk`.
    shape : tuple of int, optional
        What ``chunks`` add up to by default.
    limit : int or str, optional
        Bytes that automatic blocks have at most; the setting ``array.chunk-size`` by default.
    dtype : dtype, optional
        What automatic blocks have elements of.
    previous_chunks : tuple of tuple of int, optional
        What automatic blocks are made of.

    Raises
    ------
    ValueError
        If blocks do not add up to the shape, or there is neither a shape nor a tuple of tuples.

    Examples
    --------
    >>> import selion.array as da
    >>> da.core.normalize_chunks((2, -1), (3, 4))
    ((2, 1), (4,))
    """
    if shape is None:
        if not isinstance(chunks, (tuple, list)) or not all(isinstance(lens, (tuple, list)) for lens in chunks):
            raise ValueError("Shape is needed unless chunks are tuples of block lengths")
        return tuple(map(tuple, chunks))
    if dtype is None:
        dtype = np.float64
    if isinstance(limit, str):
        limit = _selion.parse_bytes(limit)
    shape = tuple(shape) if np.ndim(shape) else (shape,)
    if np.isnan(shape).any():
        return _unknown_chunks(chunks, shape)
    previous = previous_chunks and [tuple(np.atleast_1d(lens).tolist()) for lens in previous_chunks]
    return _selion.normalize_chunks(chunks, shape, dtype, limit, previous or None)


def _unknown_chunks(chunks, shape) -> tuple:
    """Chunks that are given in full, for a shape of which lengths are unknown."""
    if not isinstance(chunks, (tuple, list)) or len(chunks) != len(shape):
        raise ValueError(f"Chunks must be given for each axis of an array of unknown lengths, not {chunks}")
    return tuple(tuple(np.atleast_1d(lens).tolist()) for lens in chunks)


# Dask has these names here too; their modules need the class.
from selion.array.blockwise import blockwise, elemwise, map_blocks, unify_chunks  # noqa: E402, F401
from selion.array.storage import from_zarr, store, to_zarr  # noqa: E402, F401
