"""Arrays from nothing."""

from __future__ import annotations

import numpy as np

from selion import _selion
from selion.array.core import Array


def _shape(shape) -> tuple:
    return (shape,) if np.isscalar(shape) else tuple(int(n) for n in shape)


def full(shape, fill_value, dtype=None, chunks="auto", name=None, **kwargs) -> Array:
    """The same value everywhere.

    Examples
    --------
    >>> import selion.array as da
    >>> da.full((2, 2), 7).compute()
    array([[7, 7],
           [7, 7]])
    """
    if np.ndim(fill_value) != 0:
        raise ValueError(f"fill_value must be scalar. Received {type(fill_value).__name__} instead.")
    dtype = np.asarray(fill_value).dtype if dtype is None else dtype
    return Array(_selion.full(_shape(shape), fill_value, dtype, chunks))


def ones(shape, dtype=float, chunks="auto", name=None, **kwargs) -> Array:
    """Ones."""
    return full(shape, 1, dtype or float, chunks)


def zeros(shape, dtype=float, chunks="auto", name=None, **kwargs) -> Array:
    """Zeros."""
    return full(shape, 0, dtype or float, chunks)


def empty(shape, dtype=float, chunks="auto", name=None, **kwargs) -> Array:
    """Zeros: selion hands out no memory that it has not written."""
    return zeros(shape, dtype, chunks)


def arange(start=0, stop=None, step=1, *, chunks="auto", dtype=None, like=None, **kwargs) -> Array:
    """Evenly spaced values in ``[start, stop)``.

    Examples
    --------
    >>> import selion.array as da
    >>> da.arange(2, 10, 3).compute()
    array([2, 5, 8])
    """
    if stop is None:
        start, stop = 0, start
    if step == 0:
        raise ZeroDivisionError("division by zero")
    if dtype is None:
        dtype = np.result_type(*(np.asarray(x).dtype for x in (start, stop, step)))
    len_ = int(max(np.ceil((stop - start) / step), 0))
    return Array(_selion.arange(start, step, len_, dtype, chunks))
