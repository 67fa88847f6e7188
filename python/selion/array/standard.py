"""Names of the Python array API standard that Dask has under others, and exchange by DLPack.

With them ``selion.array`` is a namespace of the standard, to be given to functions that take one (``xp=selion.array``).
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np
from numpy import can_cast, finfo, iinfo, isdtype

from selion.array.core import Array, asarray
from selion.array.manipulation import transpose
from selion.array.ufuncs import (
    arccos as acos,
)
from selion.array.ufuncs import (
    arccosh as acosh,
)
from selion.array.ufuncs import (
    arcsin as asin,
)
from selion.array.ufuncs import (
    arcsinh as asinh,
)
from selion.array.ufuncs import (
    arctan as atan,
)
from selion.array.ufuncs import (
    arctan2 as atan2,
)
from selion.array.ufuncs import (
    arctanh as atanh,
)
from selion.array.ufuncs import (
    invert as bitwise_invert,
)
from selion.array.ufuncs import (
    left_shift as bitwise_left_shift,
)
from selion.array.ufuncs import (
    power as pow,
)
from selion.array.ufuncs import (
    right_shift as bitwise_right_shift,
)

__all__ = [
    "acos", "acosh", "asin", "asinh", "astype", "atan", "atan2", "atanh", "bitwise_invert", "bitwise_left_shift",
    "bitwise_right_shift", "can_cast", "concat", "cumulative_prod", "cumulative_sum", "finfo", "from_dlpack", "iinfo",
    "isdtype", "matrix_transpose", "permute_dims", "pow", "unique_all", "unique_counts", "unique_inverse",
    "unique_values", "unstack", "vecdot",
]  # fmt: skip

_All = namedtuple("unique_all_result", ["values", "indices", "inverse_indices", "counts"])
_Counts = namedtuple("unique_counts_result", ["values", "counts"])
_Inverse = namedtuple("unique_inverse_result", ["values", "inverse_indices"])


def astype(x, dtype, /, *, copy=True, device=None) -> Array:
    """The same values in another dtype.

    Examples
    --------
    >>> import selion.array as da
    >>> da.astype(da.ones(2), "i8").compute()
    array([1, 1])
    """
    return asarray(x).astype(dtype, copy=copy)


def concat(arrays, /, *, axis=0) -> Array:
    """Arrays one after the other along an axis; raveled first if that is None.

    Examples
    --------
    >>> import selion.array as da
    >>> da.concat([da.arange(2), da.arange(3)]).compute()
    array([0, 1, 0, 1, 2])
    """
    from selion.array import concatenate

    arrays = [asarray(x) for x in arrays]
    return concatenate([x.ravel() for x in arrays] if axis is None else arrays, axis=axis or 0)


def permute_dims(x, /, axes) -> Array:
    """The axes in another order.

    Examples
    --------
    >>> import selion.array as da
    >>> da.permute_dims(da.ones((2, 3)), (1, 0)).shape
    (3, 2)
    """
    return transpose(x, axes)


def matrix_transpose(x, /) -> Array:
    """The last two axes in each other's place.

    Examples
    --------
    >>> import selion.array as da
    >>> da.matrix_transpose(da.ones((4, 2, 3))).shape
    (4, 3, 2)
    """
    x = asarray(x)
    if x.ndim < 2:
        raise ValueError(f"matrix_transpose needs at least two axes, not {x.ndim}")
    return x.swapaxes(-1, -2)


def vecdot(x1, x2, /, *, axis=-1) -> Array:
    """The dot products of the vectors along an axis.

    Examples
    --------
    >>> import selion.array as da
    >>> da.vecdot(da.ones((2, 3)), da.ones((2, 3))).compute()
    array([3., 3.])
    """
    x1, x2 = asarray(x1), asarray(x2)
    return (x1.conj() * x2 if x1.dtype.kind == "c" else x1 * x2).sum(axis=axis)


def _cumulative(name, x, axis, dtype, include_initial):
    x = asarray(x)
    if axis is None:
        if x.ndim != 1:
            raise ValueError(f"{name} needs an axis for an array of {x.ndim} axes")
        axis = 0
    result = getattr(x, "cumsum" if name == "cumulative_sum" else "cumprod")(axis=axis, dtype=dtype)
    if not include_initial:
        return result
    from selion.array import full

    shape = [*x.shape]
    shape[axis] = 1
    first = full(tuple(shape), 0 if name == "cumulative_sum" else 1, dtype=result.dtype)
    return concat([first, result], axis=axis)


def cumulative_sum(x, /, *, axis=None, dtype=None, include_initial=False) -> Array:
    """Running sums along an axis.

    Examples
    --------
    >>> import selion.array as da
    >>> da.cumulative_sum(da.arange(4), include_initial=True).compute()
    array([0, 0, 1, 3, 6])
    """
    return _cumulative("cumulative_sum", x, axis, dtype, include_initial)


def cumulative_prod(x, /, *, axis=None, dtype=None, include_initial=False) -> Array:
    """Running products along an axis.

    Examples
    --------
    >>> import selion.array as da
    >>> da.cumulative_prod(da.arange(1, 4)).compute()
    array([1, 2, 6])
    """
    return _cumulative("cumulative_prod", x, axis, dtype, include_initial)


def unstack(x, /, *, axis=0) -> tuple:
    """The arrays of which an array is a stack.

    Examples
    --------
    >>> import selion.array as da
    >>> [part.shape for part in da.unstack(da.ones((2, 3)))]
    [(3,), (3,)]
    """
    x = asarray(x)
    before = (slice(None),) * (axis % x.ndim)
    return tuple(x[(*before, k)] for k in range(x.shape[axis]))


def unique_values(x, /) -> Array:
    """The different elements, ascending.

    Examples
    --------
    >>> import selion.array as da
    >>> da.unique_values(da.asarray([2, 1, 2])).compute()
    array([1, 2])
    """
    from selion.array import unique

    return unique(x)


def unique_counts(x, /):
    """The different elements and how often each occurs: ``values`` and ``counts``."""
    from selion.array import unique

    return _Counts(*unique(x, return_counts=True))


def unique_inverse(x, /):
    """The different elements and which of them each element is: ``values`` and ``inverse_indices``."""
    from selion.array import unique

    values, inverse = unique(x, return_inverse=True)
    return _Inverse(values, inverse.reshape(asarray(x).shape))


def unique_all(x, /):
    """The different elements, where each occurs first, which of them each element is, and how often they occur."""
    from selion.array import unique

    values, indices, inverse, counts = unique(x, return_index=True, return_inverse=True, return_counts=True)
    return _All(values, indices, inverse.reshape(asarray(x).shape), counts)


def from_dlpack(x, /, *, device=None, copy=None) -> Array:
    """An array of what another library has in memory; read in place where it is in main memory.

    Raises
    ------
    BufferError
        For memory of a device.

    Examples
    --------
    >>> import numpy as np, selion.array as da
    >>> da.from_dlpack(np.arange(3)).sum().compute()
    np.int64(3)
    """
    from selion.array import from_array

    if isinstance(x, Array):
        return x
    if device not in (None, "cpu"):
        raise ValueError(f"arrays of selion are in main memory, not on {device!r}")
    array = np.from_dlpack(x)
    return from_array(np.array(array) if copy else array)


class _Info:
    """What the namespace offers, in the words of the standard."""

    def capabilities(self) -> dict:
        """Which optional behaviour there is."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> str:
        """Where arrays are."""
        return "cpu"

    def devices(self) -> list:
        """Where arrays can be."""
        return ["cpu"]

    def default_dtypes(self, *, device=None) -> dict:
        """The dtypes of numbers without one."""
        return {
            "real floating": np.dtype("f8"),
            "complex floating": np.dtype("c16"),
            "integral": np.dtype("i8"),
            "indexing": np.dtype("i8"),
        }

    def dtypes(self, *, device=None, kind=None) -> dict:
        """The dtypes of a kind."""
        names = (
            "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128".split()  # noqa: SIM905
        )
        dtypes = {name: np.dtype(name) for name in names}
        return dtypes if kind is None else {name: dtype for name, dtype in dtypes.items() if isdtype(dtype, kind)}


def __array_namespace_info__() -> _Info:
    """What the namespace offers."""
    return _Info()
