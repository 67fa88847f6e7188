"""Discrete Fourier transforms, with the names of `numpy.fft`.

Transforms run through NumPy on each block, so the axes along which they go must be in one block: `Array.rechunk` makes
them so. The other axes may be divided anyhow.
"""

from __future__ import annotations

import inspect
import warnings

import numpy as np

from selion.array import manipulation
from selion.array.blockwise import map_blocks
from selion.array.core import Array, _ufunc, asanyarray
from selion.array.creation import arange

__all__ = [
    "fft", "fft2", "fft_wrap", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifft2", "ifftn", "ifftshift", "ihfft",
    "irfft", "irfft2", "irfftn", "rfft", "rfft2", "rfftfreq", "rfftn",
]  # fmt: skip

# For each kind of transform: the number of points along the last axis, and the length of the result along it.
_LENGTHS = {
    "fft": (lambda n: n, lambda n: n),
    "ifft": (lambda n: n, lambda n: n),
    "rfft": (lambda n: n, lambda n: n // 2 + 1),
    "irfft": (lambda n: 2 * (n - 1), lambda n: n),
    "hfft": (lambda n: 2 * (n - 1), lambda n: n),
    "ihfft": (lambda n: n, lambda n: n // 2 + 1),
}

_ABOUT = """`{module}.{name}` of each block.

    Parameters
    ----------
    a : array-like
        With one block along each axis that is transformed.
    {size}
    norm : {{"backward", "ortho", "forward"}}, optional
        Which direction is scaled; see `numpy.fft`.

    Raises
    ------
    ValueError
        If a transformed axis has several blocks, comes twice, or has no points; `numpy.exceptions.AxisError`, which
        is one, if it is not there.
    """
_SIZE = {
    True: """n : int, optional
        The number of points along the axis: it is cut or padded with zeros; all there are by default.
    axis : int, optional
        The last by default.""",
    False: """s : sequence of int, optional
        The number of points along each of the axes, which are cut or padded with zeros; -1 takes all there are.
    axes : sequence of int, optional
        The last {which} by default.""",
}
_EXAMPLE = """
    Examples
    --------
    >>> import numpy as np, selion.array as da
    >>> x = da.ones((6, 4, 4), chunks=(2, 4, 4))
    >>> np.allclose(da.fft.{name}(x{axes}).compute(), np.fft.{name}(np.ones((6, 4, 4)){axes}))
    True
    """


def _axes_of(a: Array, axes, s, kind: str) -> list[int]:
    """The axes to transform, counted from the front."""
    if axes is None:
        if kind.endswith("2"):
            axes = (-2, -1)
        elif not kind.endswith("n"):
            axes = (-1,)
        elif s is None:
            axes = range(a.ndim)
        else:
            warnings.warn(
                "`axes` should not be `None` if `s` is not `None` (deprecated in NumPy 2.0); "
                "the last axes are transformed",
                DeprecationWarning,
                stacklevel=4,
            )
            axes = range(-len(s), 0)
    counted = [manipulation._axis(int(axis), a.ndim) for axis in axes]
    if len(set(counted)) < len(counted):
        raise ValueError("Duplicate axes not allowed.")
    for axis in counted:
        if a.numblocks[axis] != 1:
            raise ValueError(
                "An FFT goes along axes that have a single chunk. "
                f"It was tried on axis {axis}, which has chunks {a.chunks[axis]}. Use rechunk({{{axis}: -1}}) first."
            )
    if s is not None and len(s) != len(counted):
        raise ValueError("Shape and axes have different lengths.")
    return counted


def fft_wrap(fft_func, kind=None, dtype=None, allow_fftpack=False):
    """A function of lazy arrays that transforms each block with ``fft_func``.

    Parameters
    ----------
    fft_func : callable
        With the parameters of the functions of `numpy.fft`: those of `scipy.fft`, for example.
    kind : str, optional
        The name of the function of `numpy.fft` whose lengths the results have; that of ``fft_func`` by default.
    dtype : dtype, optional
        Of the results; found by trying ``fft_func`` on ones if missing.
    allow_fftpack : bool
        Whether functions of the old `scipy.fftpack` pass without a warning.

    Raises
    ------
    ValueError
        If the kind is none of `numpy.fft`.

    Examples
    --------
    >>> import numpy as np, selion.array as da
    >>> transform = da.fft.fft_wrap(np.fft.rfft)
    >>> transform(da.ones((4, 8), chunks=(2, 8))).chunks
    ((2, 2), (5,))
    """
    module = getattr(inspect.getmodule(fft_func), "__name__", "")
    name = fft_func.__name__
    kind = name if kind is None else kind
    if kind.rstrip("2n") not in _LENGTHS:
        raise ValueError(f"Given unknown `kind` {kind}.")
    points, length = _LENGTHS[kind.rstrip("2n")]
    single = kind.endswith("fft")
    old = module.startswith("scipy.fftpack")
    if old and not allow_fftpack:
        warnings.warn(
            f"`scipy.fftpack.{name}` is not like NumPy's; use `scipy.fft`, or allow_fftpack=True.",
            FutureWarning,
            stacklevel=2,
        )

    def transform(a, s, axes, norm) -> Array:
        a = asanyarray(a)
        axes = _axes_of(a, axes, s, kind)
        sizes = [a.shape[axis] for axis in axes]
        if s is not None:
            sizes = [old if new == -1 and not single else int(new) for old, new in zip(sizes, s, strict=True)]
        elif axes:
            sizes[-1] = points(sizes[-1])
        for n in sizes:
            if n < 1:
                raise ValueError(f"Invalid number of FFT data points ({n}) specified.")
        given = None if s is None else sizes
        keywords = {"n": given and given[0], "axis": axes[0]} if single else {"s": given, "axes": axes}
        if not old:
            keywords["norm"] = norm
        result = dtype
        if result is None:
            # A sample with the same axes, but small: only its dtype matters.
            small = {**keywords, "n": 2} if single else {**keywords, "s": [2] * len(axes)}
            result = fft_func(np.ones((2,) * a.ndim, a.dtype), **small).dtype
        chunks = list(a.chunks)
        for axis, n in zip(axes, sizes, strict=True):
            chunks[axis] = (n,)
        if axes:
            chunks[axes[-1]] = (length(sizes[-1]),)
        return map_blocks(fft_func, a, name=name, dtype=result, chunks=chunks, **keywords)

    if single:

        def function(a, n=None, axis=None, norm=None) -> Array:
            return transform(a, None if n is None else (n,), None if axis is None else (axis,), norm)
    else:

        def function(a, s=None, axes=None, norm=None) -> Array:
            return transform(a, s, axes, norm)

    function.__name__ = function.__qualname__ = name
    size = _SIZE[single].format(which="two" if kind.endswith("2") else "as many as `s` has, or all,")
    function.__doc__ = _ABOUT.format(module=module, name=name, size=size)
    if module == "numpy.fft":
        function.__doc__ += _EXAMPLE.format(name=name, axes=", axes=(1, 2)" if kind.endswith("n") else "")
    return function


fft = fft_wrap(np.fft.fft)
fft2 = fft_wrap(np.fft.fft2)
fftn = fft_wrap(np.fft.fftn)
ifft = fft_wrap(np.fft.ifft)
ifft2 = fft_wrap(np.fft.ifft2)
ifftn = fft_wrap(np.fft.ifftn)
rfft = fft_wrap(np.fft.rfft)
rfft2 = fft_wrap(np.fft.rfft2)
rfftn = fft_wrap(np.fft.rfftn)
irfft = fft_wrap(np.fft.irfft)
irfft2 = fft_wrap(np.fft.irfft2)
irfftn = fft_wrap(np.fft.irfftn)
hfft = fft_wrap(np.fft.hfft)
ihfft = fft_wrap(np.fft.ihfft)


def fftfreq(n, d=1.0, chunks="auto") -> Array:
    """The frequencies of the results of `fft`: those of ``n`` points at distances ``d``.

    Examples
    --------
    >>> import selion.array as da
    >>> da.fft.fftfreq(4, d=0.5).compute()
    array([ 0. ,  0.5, -1. , -0.5])
    """
    n, d = int(n), float(d)
    k = arange(n, chunks=chunks)
    return _ufunc("where", k < (n + 1) // 2, k, k - n) * (1.0 / (n * d))


def rfftfreq(n, d=1.0, chunks="auto") -> Array:
    """The frequencies of the results of `rfft`: those of ``n`` points at distances ``d``.

    Examples
    --------
    >>> import selion.array as da
    >>> da.fft.rfftfreq(4, d=0.5).compute()
    array([0. , 0.5, 1. ])
    """
    n, d = int(n), float(d)
    return arange(n // 2 + 1, chunks=chunks) * (1.0 / (n * d))


def _shift(x, axes, direction) -> Array:
    x = asanyarray(x)
    axes = [manipulation._axis(int(k), x.ndim) for k in (range(x.ndim) if axes is None else np.atleast_1d(axes))]
    if not axes:
        return x
    moved = manipulation.roll(x, [direction * (x.shape[k] // 2) for k in axes], axes)
    # What was one block stays one, so that it can be transformed.
    return moved.rechunk({k: -1 for k in axes if x.numblocks[k] == 1})


def fftshift(x, axes=None) -> Array:
    """The frequency zero moved to the middle of the axes; of all axes by default.

    Examples
    --------
    >>> import selion.array as da
    >>> da.fft.fftshift(da.fft.fftfreq(4)).compute()
    array([-0.5 , -0.25,  0.  ,  0.25])
    """
    return _shift(x, axes, 1)


def ifftshift(x, axes=None) -> Array:
    """The inverse of `fftshift`.

    Examples
    --------
    >>> import selion.array as da
    >>> da.fft.ifftshift(da.fft.fftshift(da.arange(5))).compute()
    array([0, 1, 2, 3, 4])
    """
    return _shift(x, axes, -1)
