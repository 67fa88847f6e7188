"""NumPy's functions of elements that have no native kernel: they run on blocks."""

from __future__ import annotations

import numpy as np

from selion.array.blockwise import _ones, per_block, sample
from selion.array.core import Array, asanyarray, asarray
from selion.array.gufunc import apply_gufunc

__all__ = [
    "frexp", "frompyfunc", "i0", "ldexp", "modf", "nextafter", "ravel_multi_index", "sinc", "spacing", "unravel_index",
]  # fmt: skip


def _scalar_or_array(x):
    return x if isinstance(x, (Array, np.generic, bool, int, float, complex)) else asanyarray(x)


def _make(name, count):
    numpy_function = getattr(np, name)

    def one(x) -> Array:
        return per_block(numpy_function, asanyarray(x))

    def two(x1, x2) -> Array:
        x1, x2 = _scalar_or_array(x1), _scalar_or_array(x2)
        return per_block(numpy_function, x1, x2 if isinstance(x1, Array) or isinstance(x2, Array) else asanyarray(x2))

    function = one if count == 1 else two
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"NumPy's `numpy.{name}`, lazily and block by block."
    return function


i0 = _make("i0", 1)
ldexp = _make("ldexp", 2)
nextafter = _make("nextafter", 2)
sinc = _make("sinc", 1)
spacing = _make("spacing", 1)


def frexp(x) -> tuple[Array, Array]:
    """Mantissas and exponents of two: ``x = mantissa * 2**exponent``.

    Examples
    --------
    >>> import selion.array as da
    >>> mantissa, exponent = da.frexp(da.asarray([1.0, 6.0]))
    >>> mantissa.compute(), exponent.compute()
    (array([0.5 , 0.75]), array([1, 3], dtype=int32))
    """
    return apply_gufunc(np.frexp, "()->(),()", asanyarray(x))


def modf(x) -> tuple[Array, Array]:
    """What is behind the point, and what is before it.

    Examples
    --------
    >>> import selion.array as da
    >>> fraction, whole = da.modf(da.asarray([1.5, -2.25]))
    >>> fraction.compute(), whole.compute()
    (array([ 0.5 , -0.25]), array([ 1., -2.]))
    """
    return apply_gufunc(np.modf, "()->(),()", asanyarray(x))


class frompyfunc:
    """A function of Python's scalars as a function of lazy arrays that broadcast.

    Parameters
    ----------
    func : callable
    nin, nout : int
        How many arguments it takes, and how many results it gives; a tuple if there are several.

    Notes
    -----
    The dtypes of results are those that the function gives for ones: selion has no arrays of objects.

    Examples
    --------
    >>> import selion.array as da
    >>> bits = da.frompyfunc(lambda n: int(n).bit_count(), 1, 1)
    >>> bits(da.asarray([3, 8, 255])).compute()
    array([2, 1, 8])
    """

    def __init__(self, func, nin, nout):
        self._func, self.nin, self.nout = func, int(nin), int(nout)
        self._ufunc = np.frompyfunc(func, nin, nout)
        self.nargs = self.nin + self.nout
        self.__name__ = f"frompyfunc-{getattr(func, '__name__', 'func')}"

    def __repr__(self):
        return f"selion.array.frompyfunc<{self.__name__}, nin={self.nin}, nout={self.nout}>"

    def __call__(self, *args) -> Array | tuple[Array, ...]:
        if len(args) != self.nin:
            raise TypeError(f"{self.__name__}() takes {self.nin} positional arguments but {len(args)} were given")
        args = [asarray(x) for x in args]
        ones = [_ones(x).reshape(())[()] for x in args]
        found = sample(self._func, ones, {}, self.__name__)
        found = found if self.nout > 1 else (found,)
        dtypes = [np.asarray(x).dtype for x in found]
        signature = f"{','.join(['()'] * self.nin)}->{','.join(['()'] * self.nout)}"
        single = self.nout == 1
        dtypes = dtypes[0] if single else dtypes
        return apply_gufunc(self._ufunc, signature, *args, output_dtypes=dtypes, allow_rechunk=True)


def unravel_index(indices, shape, order="C") -> tuple[Array, ...]:
    """The coordinates in an array of the given shape that numbers of elements stand for.

    Parameters
    ----------
    indices : array-like of int
    shape : tuple of int
    order : {"C", "F"}

    Returns
    -------
    tuple of Array
        An array for each axis.

    Raises
    ------
    ValueError
        For another order; when computed, for a number that is out of bounds.

    Examples
    --------
    >>> import selion.array as da
    >>> row, column = da.unravel_index(da.asarray([1, 5]), (2, 3))
    >>> row.compute(), column.compute()
    (array([0, 1]), array([1, 2]))
    """
    if order not in ("C", "F"):
        raise ValueError(f"only 'C' or 'F' order is permitted, not {order!r}")
    indices, shape = asanyarray(indices), (shape,) if np.isscalar(shape) else tuple(shape)
    if indices.dtype.kind not in "iu":
        raise TypeError("only int indices permitted")
    signature = f"()->{','.join(['()'] * len(shape))}"
    if not shape:
        return ()
    if len(shape) == 1:
        signature += ","
    return apply_gufunc(
        lambda block: np.unravel_index(block, shape, order), signature, indices, output_dtypes=[np.intp] * len(shape)
    )


def ravel_multi_index(multi_index, dims, mode="raise", order="C") -> Array:
    """The numbers of elements, in an array of the given shape, that coordinates stand for.

    Parameters
    ----------
    multi_index : tuple of array-like of int, or Array
        Coordinates along each axis; an array has them along its first axis.
    dims : tuple of int
    mode : {"raise", "wrap", "clip"} or tuple of those
        What is done with a coordinate that is out of bounds.
    order : {"C", "F"}

    Raises
    ------
    ValueError
        If there are not as many coordinates as axes; when computed, for one that is out of bounds.
    TypeError
        For coordinates that are not integers.

    Examples
    --------
    >>> import selion.array as da
    >>> da.ravel_multi_index((da.asarray([0, 1]), da.asarray([1, 2])), (2, 3)).compute()
    array([1, 5])
    """
    dims = (dims,) if np.isscalar(dims) else tuple(dims)
    parts = [asanyarray(x) for x in (multi_index if not np.isscalar(multi_index) else [multi_index])]
    if len(parts) != len(dims):
        raise ValueError(f"parameter multi_index must be a sequence of length {len(dims)}")
    if any(x.dtype.kind not in "iu" for x in parts):
        raise TypeError("only int indices permitted")

    def call(*blocks):
        return np.ravel_multi_index(blocks, dims, mode, order)

    return per_block(call, *parts, dtype=np.intp, name="ravel_multi_index")
