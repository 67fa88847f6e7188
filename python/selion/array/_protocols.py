"""NumPy's functions on lazy arrays: `numpy.sin(x)` and `numpy.mean(x)` find the function of the same name here."""

from __future__ import annotations

import numpy as np

from selion.array.core import Array

# What `ufunc.reduce` is called as a function.
_REDUCTIONS = {
    "add": "sum",
    "multiply": "prod",
    "maximum": "max",
    "minimum": "min",
    "logical_and": "all",
    "logical_or": "any",
}


def array_ufunc(ufunc, method, inputs, out, kwargs):
    """What ``Array.__array_ufunc__`` does."""
    import selion.array as da

    if out is not None or not all(
        isinstance(x, (Array, np.ndarray, np.generic, bool, int, float, complex)) for x in inputs
    ):
        return NotImplemented
    if method == "__call__":
        function = getattr(da, ufunc.__name__, None)
        return NotImplemented if function is None else function(*inputs, **kwargs)
    if method == "reduce" and ufunc.__name__ in _REDUCTIONS:
        kwargs.setdefault("axis", 0)
        kwargs = {key: value for key, value in kwargs.items() if value is not None or key == "axis"}
        return getattr(da, _REDUCTIONS[ufunc.__name__])(*inputs, **kwargs)
    return NotImplemented


def array_function(func, types, args, kwargs):
    """What ``Array.__array_function__`` does."""
    import selion.array as da

    if not all(issubclass(kind, (Array, np.ndarray)) for kind in types):
        return NotImplemented
    place = da
    for part in func.__module__.split(".")[1:]:
        place = getattr(place, part, None)
    function = getattr(place, func.__name__, None)
    if function is None or function is func:
        raise NotImplementedError(f"{func.__module__}.{func.__name__} is not implemented for arrays of selion")
    return function(*args, **kwargs)
