"""Differences between neighbours, and derivatives."""

from __future__ import annotations

import numpy as np

from selion import _selion
from selion.array.core import Array, asanyarray
from selion.array.manipulation import broadcast_to, concatenate

__all__ = ["diff", "ediff1d", "gradient"]


def diff(a, n=1, axis=-1, prepend=None, append=None) -> Array:
    """The ``n``-th differences of neighbours along an axis.

    Parameters
    ----------
    a : array-like
    n : int
        How often differences are taken; each time there is one element less.
    axis : int
    prepend, append : array-like, optional
        What stands before and behind ``a`` along the axis.

    Raises
    ------
    ValueError
        If ``n`` is negative.

    Examples
    --------
    >>> import selion.array as da
    >>> da.diff(da.asarray([1, 4, 9, 16]), 2).compute()
    array([2, 2])
    """
    a = asanyarray(a)
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n}")
    if n == 0:
        return a

    def edge(x):
        x = asanyarray(x)
        if x.ndim == 0:
            shape = list(a.shape)
            shape[axis] = 1
            x = broadcast_to(x, shape)
        return x

    parts = [edge(prepend)] if prepend is not None else []
    parts.append(a)
    if append is not None:
        parts.append(edge(append))
    return Array(_selion.diff((concatenate(parts, axis) if len(parts) > 1 else a)._native, n, axis))


def ediff1d(ary, to_end=None, to_begin=None) -> Array:
    """The differences of neighbours among all elements in C order.

    Parameters
    ----------
    ary : array-like
    to_end, to_begin : array-like, optional
        What stands behind and before the differences.

    Examples
    --------
    >>> import selion.array as da
    >>> da.ediff1d(da.asarray([1, 4, 9]), to_begin=0).compute()
    array([0, 3, 5])
    """
    ary = asanyarray(ary).ravel()
    parts = [ary[1:] - ary[:-1]]
    if to_begin is not None:
        parts.insert(0, asanyarray(to_begin).ravel().astype(ary.dtype))
    if to_end is not None:
        parts.append(asanyarray(to_end).ravel().astype(ary.dtype))
    return concatenate(parts)


def gradient(f, *varargs, axis=None, **kwargs):
    """The derivatives along axes: central differences within, one-sided ones at the ends.

    Parameters
    ----------
    f : array-like
    varargs : scalar or array-like
        How far apart points are, or their coordinates: for all axes, or for each. 1 by default.
    axis : int or tuple of int, optional
        All axes by default.
    edge_order : {1, 2}
        The order of differences at the ends.

    Returns
    -------
    Array, or a list of arrays if there are several axes

    Raises
    ------
    ValueError
        If an axis has too few elements, or coordinates do not fit.
    TypeError
        For another number of spacings than axes.

    Examples
    --------
    >>> import selion.array as da
    >>> da.gradient(da.asarray([1.0, 4.0, 9.0])).compute()
    array([3., 4., 5.])
    """
    f = asanyarray(f)
    edge_order = kwargs.pop("edge_order", 1)
    if kwargs:
        raise TypeError(f"gradient() got an unexpected keyword argument {next(iter(kwargs))!r}")
    single = axis is not None and np.ndim(axis) == 0
    axes = range(f.ndim) if axis is None else np.lib.array_utils.normalize_axis_tuple(axis, f.ndim)
    if len(varargs) not in (0, 1, len(axes)):
        raise TypeError("Spacing must either be a single scalar, or a scalar / 1d-array per axis")
    if len(varargs) == 1 and np.ndim(varargs[0]) and len(axes) != 1:
        raise TypeError("Spacing must either be a single scalar, or a scalar / 1d-array per axis")
    spacings = varargs or (1.0,)
    spacings = spacings * len(axes) if len(spacings) == 1 else spacings

    def along(spacing, axis):
        if np.ndim(spacing) == 0:
            spacing = float(spacing)
        else:
            spacing = asanyarray(spacing)
            if spacing.ndim != 1:
                raise ValueError("distances must be either scalars or 1d")
            if spacing.shape[0] != f.shape[axis]:
                raise ValueError("when 1d, distances must match the length of the corresponding dimension")
            spacing = spacing._native
        return Array(_selion.gradient(f._native, spacing, axis, edge_order))

    results = [along(*pair) for pair in zip(spacings, axes, strict=True)]
    return results[0] if single or len(results) == 1 else results
