"""Lazy chunked arrays with the names of NumPy and ``dask.array``."""

from numpy import (
    bool_ as bool,
)
from numpy import (
    complex64,
    complex128,
    e,
    euler_gamma,
    float32,
    float64,
    inf,
    int8,
    int16,
    int32,
    int64,
    nan,
    newaxis,
    pi,
    uint8,
    uint16,
    uint32,
    uint64,
)

from selion._base import compute
from selion.array import random
from selion.array.core import Array, asanyarray, asarray, from_array, from_zarr, store, to_zarr
from selion.array.creation import *  # noqa: F403
from selion.array.reductions import *  # noqa: F403
from selion.array.routines import *  # noqa: F403
from selion.array.ufuncs import *  # noqa: F403

__all__ = [
    "Array",
    "asanyarray",
    "asarray",
    "bool",
    "complex64",
    "complex128",
    "compute",
    "e",
    "euler_gamma",
    "float32",
    "float64",
    "from_array",
    "from_zarr",
    "inf",
    "int8",
    "int16",
    "int32",
    "int64",
    "nan",
    "newaxis",
    "pi",
    "random",
    "store",
    "to_zarr",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
]
