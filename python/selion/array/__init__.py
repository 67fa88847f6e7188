"""Lazy chunked arrays with the names of NumPy and ``dask.array``."""

from selion.array import random
from selion.array.core import Array, asanyarray, asarray, from_array, from_zarr, store, to_zarr
from selion.array.creation import arange, empty, full, ones, zeros
from selion.array.reductions import *  # noqa: F403
from selion.array.ufuncs import *  # noqa: F403

__all__ = [
    "Array",
    "arange",
    "asanyarray",
    "asarray",
    "empty",
    "from_array",
    "from_zarr",
    "full",
    "ones",
    "random",
    "store",
    "to_zarr",
    "zeros",
]
