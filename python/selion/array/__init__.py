"""Lazy chunked arrays with the names of NumPy and ``dask.array``."""

# ruff: noqa: F401, F403

from numpy import (
    bool_ as bool,
)
from numpy import (
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
from selion.array import api, core, fft, lib, linalg, random, utils
from selion.array.blockwise import *
from selion.array.core import Array, asanyarray, asarray, from_array, from_delayed, normalize_chunks
from selion.array.creation import *
from selion.array.differences import *
from selion.array.functions import *
from selion.array.gufunc import *
from selion.array.indexing import *
from selion.array.linear import *
from selion.array.manipulation import *
from selion.array.overlap import map_overlap
from selion.array.per_element import *
from selion.array.reductions import *
from selion.array.routines import *
from selion.array.scans import *
from selion.array.selection import *
from selion.array.sorting import *
from selion.array.standard import *
from selion.array.standard import __array_namespace_info__
from selion.array.storage import *
from selion.array.ufuncs import *
from selion.array.utils import assert_eq


class PerformanceWarning(Warning):
    """An operation makes very many or very large blocks."""


def __getattr__(name: str):
    from selion.array._names import NAMES

    if name in NAMES:
        raise NotImplementedError(f"selion.array.{name} is not implemented")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
