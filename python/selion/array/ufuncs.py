"""NumPy's ufuncs on lazy arrays."""

from __future__ import annotations

import numpy as np

from selion import _selion
from selion.array.core import Array, _ufunc, into

_NATIVE = frozenset(_selion.ufunc_names()) - {"where", "real", "imag", "isnat"}
_ALIASES = {
    "abs": "absolute",
    "true_divide": "divide",
    "mod": "remainder",
    "bitwise_not": "invert",
    "conj": "conjugate",
    "radians": "deg2rad",
    "degrees": "rad2deg",
}

__all__ = sorted({*_NATIVE, *_ALIASES, "clip", "imag", "isnat", "real", "where"})


def finished(result: Array, out, where) -> Array:
    """The result of a ufunc: where ``where`` is true, and in ``out`` if there is one.

    Raises
    ------
    ValueError
        If the result is not wanted everywhere, and there is no ``out``.
    """
    if isinstance(out, tuple):
        (out,) = out
    if where is not True and where is not None:
        if out is None:
            raise ValueError("where= needs out=, or elements would have no value")
        result = _ufunc("where", where, result, out)
    return into(out, result if out is None or not hasattr(out, "dtype") else result.astype(out.dtype))


def _make(name: str, native: str):
    numpy_ufunc = getattr(np, name)

    def ufunc(*args, out=None, where=True, dtype=None, **kwargs):
        if kwargs.pop("order", None) is not None:
            raise NotImplementedError(f"{name}(order=...) is not implemented")
        if kwargs:
            raise TypeError(f"{name}() got an unexpected keyword argument {next(iter(kwargs))!r}")
        if len(args) != numpy_ufunc.nin:
            raise TypeError(f"{name}() takes {numpy_ufunc.nin} positional arguments but {len(args)} were given")
        result = _ufunc(native, *args)
        return finished(result if dtype is None else result.astype(dtype), out, where)

    ufunc.__name__ = ufunc.__qualname__ = name
    ufunc.__doc__ = f"""NumPy's `numpy.{name}`, lazily and block by block.

        Parameters
        ----------
        args : array-like or scalar
            {numpy_ufunc.nin} of them; they broadcast.
        out : Array, optional
            An array that becomes the result.
        where : bool or array-like
            Where to keep the result; elsewhere the elements are those of ``out``, which must be given.
        dtype : dtype, optional
            Of the result.
        """
    return ufunc


for _name in _NATIVE:
    globals()[_name] = _make(_name, _name)
for _name, _native in _ALIASES.items():
    globals()[_name] = _make(_name, _native)


def where(condition, x=None, y=None) -> Array:
    """Elements of ``x`` where ``condition`` is true, of ``y`` elsewhere.

    Examples
    --------
    >>> import selion.array as da
    >>> x = da.arange(4)
    >>> da.where(x > 1, x, -1).compute()
    array([-1, -1,  2,  3])
    """
    if (x is None) != (y is None):
        raise ValueError("either both or neither of x and y should be given")
    if x is None:
        from selion.array.sorting import nonzero

        return nonzero(condition)
    return _ufunc("where", condition, x, y)


def clip(a, a_min=None, a_max=None, *, min=None, max=None) -> Array:
    """The elements of ``a``, bounded below and above."""
    low = a_min if min is None else min
    high = a_max if max is None else max
    if low is not None:
        a = _ufunc("maximum", a, low)
    return a if high is None else _ufunc("minimum", a, high)


def real(x) -> Array:
    """The real parts."""
    return _ufunc("real", x)


def imag(x) -> Array:
    """The imaginary parts."""
    return _ufunc("imag", x)


def isnat(x) -> Array:
    """Whether elements are NaT."""
    return _ufunc("isnat", x)
