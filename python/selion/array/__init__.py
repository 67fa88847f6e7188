"""Lazy chunked arrays with the names of NumPy and ``dask.array``."""

from numpy import (  # noqa: F401
    bool_ as bool,
    complex64,
    complex128,
    e,
    euler_gamma,
    float16,
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
from selion._selion import normalize_chunks
from selion.array import random
from selion.array.blockwise import *  # noqa: F403
from selion.array.core import Array, asanyarray, asarray, from_array, from_zarr, store, to_zarr
from selion.array.creation import *  # noqa: F403
from selion.array.functions import *  # noqa: F403
from selion.array.indexing import *  # noqa: F403
from selion.array.linear import *  # noqa: F403
from selion.array.manipulation import *  # noqa: F403
from selion.array.reductions import *  # noqa: F403
from selion.array.routines import *  # noqa: F403
from selion.array.scans import *  # noqa: F403
from selion.array.sorting import *  # noqa: F403
from selion.array.ufuncs import *  # noqa: F403


class PerformanceWarning(Warning):
    """An operation makes very many or very large blocks."""
