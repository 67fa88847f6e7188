"""The functions of Dask and NumPy that selion has too, by the objects that they are."""

from __future__ import annotations

import functools
import operator

import numpy as np

from selion import _selion
from selion.dask._imports import dask

_OPERATORS = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "pow": "power",
    "and_": "bitwise_and",
    "or_": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "left_shift",
    "rshift": "right_shift",
    "eq": "equal",
    "ne": "not_equal",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
    "neg": "negative",
    "pos": "positive",
    "abs": "absolute",
    "inv": "invert",
    "invert": "invert",
}

# Functions of modules by their names there; those that a release does not have are left out.
_NUMPY = {
    "sum": "reduce sum",
    "prod": "reduce prod",
    "min": "reduce min",
    "max": "reduce max",
    "any": "reduce any",
    "all": "reduce all",
    "nansum": "nansum",
    "where": "where",
    "transpose": "transpose",
    "broadcast_to": "broadcast_to",
    "zeros_like": "zeros",
    "ones_like": "ones",
    "full_like": "full",
}
_DASK = {
    "array.chunk": {"getitem": "getitem", "astype": "astype"},
    "array.core": {
        "_concatenate2": "concatenate",
        "concatenate3": "concatenate-all",
        "finalize": "finalize",
        "getter": "getter",
        "getter_inline": "getter",
        "getter_nofancy": "getter",
    },
    "array._shuffle": {"_getitem": "getitem-shuffled", "concatenate_arrays": "concatenate-sorted"},
    "array.reductions": {
        "chunk_min": "reduce min",
        "chunk_max": "reduce max",
        "numel": "numel",
        "nannumel": "nannumel",
        "mean_chunk": "mean-chunk",
        "mean_combine": "mean-combine",
        "mean_agg": "mean-aggregate",
        "moment_chunk": "moment-chunk",
        "moment_combine": "moment-combine",
        "moment_agg": "moment-aggregate",
        "_sqrt": "ufunc sqrt",
    },
    "array.wrap": {"_broadcast_trick_inner": "filled"},
    "_task_spec": {"_identity_cast": "container"},
}


@functools.cache
def functions() -> _selion.DaskFunctions:
    """What is lifted."""
    import importlib

    from tlz.functoolz import Compose, curry

    known = [(functools.partial, "partial"), (curry, "partial"), (Compose, "compose"), (operator.getitem, "getitem")]
    known += [(getattr(operator, name), f"ufunc {ufunc}") for name, ufunc in _OPERATORS.items()]
    for name in dir(np):
        ufunc = getattr(np, name)
        if isinstance(ufunc, np.ufunc) and _selion.DaskFunctions.has_ufunc(ufunc.__name__):
            known.append((ufunc, f"ufunc {ufunc.__name__}"))
    known += [(getattr(np, name), meaning) for name, meaning in _NUMPY.items()]
    for module, names in _DASK.items():
        try:
            there = vars(importlib.import_module(f"dask.{module}"))
        except ImportError:  # dask.array needs NumPy, and releases differ
            continue
        # What is curried is known by the function itself.
        known += [(_bare(there[name]), meaning) for name, meaning in names.items() if name in there]
    subgraph = getattr(dask()._task_spec, "_execute_subgraph", None)
    return _selion.DaskFunctions(known, subgraph, source)


def _bare(function):
    return getattr(function, "func", function)


def source(x, locked: bool):
    """The native array of what tasks read from; None if they are to read it as they would."""
    kind = type(x).__module__.partition(".")[0]
    if kind == "xarray":
        from selion.xarray._lazy import expression

        native = expression(x)
    elif kind == "zarr":
        from selion.xarray._lazy import from_local_zarr

        native = from_local_zarr(x)
    elif type(x) is np.ndarray and x.ndim and not locked:
        from selion.array import from_array

        native = from_array(x, chunks=-1) if x.dtype.kind in "biufcmM" and x.dtype.isnative else None
    else:
        native = None
    return None if native is None else native._native
