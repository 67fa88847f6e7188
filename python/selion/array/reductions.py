"""Reductions of whole arrays or some of their axes."""

from __future__ import annotations

from selion.array.core import Array, asanyarray

__all__ = [
    "all",
    "any",
    "argmax",
    "argmin",
    "max",
    "mean",
    "min",
    "nanargmax",
    "nanargmin",
    "nanmax",
    "nanmean",
    "nanmin",
    "nanstd",
    "nanvar",
    "prod",
    "std",
    "sum",
    "var",
]

_ABOUT = """{what} along the given axes.

    Parameters
    ----------
    a : array-like
    axis : int or tuple of int, optional
        The axes to reduce; all by default.
    keepdims : bool
        Whether reduced axes stay, with length 1.
    split_every : int, optional
        How many partial results merge at once.
    """


def _reduce(a, kind, axis, keepdims, split_every, dtype=None, ddof=0.0):
    a = asanyarray(a)
    if dtype is not None:
        a = a.astype(dtype)
    split = max(split_every.values()) if isinstance(split_every, dict) else split_every or 0
    return Array(a._native.reduce(kind, axis, bool(keepdims), float(ddof), int(split)))


def _make(kind, what, *, with_dtype=False, with_ddof=False):
    if with_ddof:

        def function(a, axis=None, dtype=None, keepdims=False, ddof=0, split_every=None, out=None):
            return _reduce(a, kind, axis, keepdims, split_every, dtype, ddof)

        def method(self, axis=None, dtype=None, keepdims=False, ddof=0, split_every=None, out=None):
            return _reduce(self, kind, axis, keepdims, split_every, dtype, ddof)
    elif with_dtype:

        def function(a, axis=None, dtype=None, keepdims=False, split_every=None, out=None):
            return _reduce(a, kind, axis, keepdims, split_every, dtype)

        def method(self, axis=None, dtype=None, keepdims=False, split_every=None, out=None):
            return _reduce(self, kind, axis, keepdims, split_every, dtype)
    else:

        def function(a, axis=None, keepdims=False, split_every=None, out=None):
            return _reduce(a, kind, axis, keepdims, split_every)

        def method(self, axis=None, keepdims=False, split_every=None, out=None):
            return _reduce(self, kind, axis, keepdims, split_every)

    for f in (function, method):
        f.__name__ = f.__qualname__ = kind
        f.__doc__ = _ABOUT.format(what=what)
    if not kind.startswith("nan"):
        setattr(Array, kind, method)
    return function


sum = _make("sum", "Sum", with_dtype=True)
prod = _make("prod", "Product", with_dtype=True)
mean = _make("mean", "Mean", with_dtype=True)
var = _make("var", "Variance", with_ddof=True)
std = _make("std", "Standard deviation", with_ddof=True)
min = _make("min", "Minimum; NaN if there is one")
max = _make("max", "Maximum; NaN if there is one")
any = _make("any", "Whether any element is true")
all = _make("all", "Whether all elements are true")
argmin = _make("argmin", "Index of the first minimum")
argmax = _make("argmax", "Index of the first maximum")
nanmin = _make("nanmin", "Minimum without NaN")
nanmax = _make("nanmax", "Maximum without NaN")
nanmean = _make("nanmean", "Mean without NaN", with_dtype=True)
nanvar = _make("nanvar", "Variance without NaN", with_ddof=True)
nanstd = _make("nanstd", "Standard deviation without NaN", with_ddof=True)
nanargmin = _make("nanargmin", "Index of the first minimum without NaN")
nanargmax = _make("nanargmax", "Index of the first maximum without NaN")
