"""xarray's lazily read arrays as expressions: what they read, which part of it, and how it is decoded.

A Zarr array in a local folder is read natively, and decoding by scale, offset and fill value is arithmetic, so that
all of it is fused with what comes after. Every other part is left to xarray, block by block.
"""

from __future__ import annotations

import operator
from functools import partial, reduce

import numpy as np

import selion.array as da
from selion.array.storage import zarr_folder


def from_lazy(data, chunks, lock):
    """The array of what a lazy array of xarray will read, in blocks; None for anything else."""
    from xarray.core import indexing

    if not isinstance(data, indexing.ImplicitToExplicitIndexingAdapter):
        return None
    native = expression(data)
    if native is None:
        return da.from_array(data, chunks, lock=lock)
    return native.rechunk(chunks)


def expression(lazy):
    """The whole of a lazy array, natively; None if it cannot be read so."""
    from xarray.backends.zarr import ZarrArrayWrapper
    from xarray.coding.common import _ElementwiseFunctionArray
    from xarray.core import indexing

    if isinstance(lazy, (indexing.ImplicitToExplicitIndexingAdapter, indexing.CopyOnWriteArray)):
        return expression(lazy.array)
    if isinstance(lazy, indexing.LazilyIndexedArray):
        whole = expression(lazy.array)
        return None if whole is None else _part(whole, lazy.key.tuple)
    if isinstance(lazy, _ElementwiseFunctionArray):
        encoded = expression(lazy.array)
        return None if encoded is None else _decoded(encoded, lazy.func, lazy.dtype)
    if isinstance(lazy, ZarrArrayWrapper):
        return from_local_zarr(lazy._array)
    return None


def from_local_zarr(array):
    """A Zarr array, read natively; None if it is elsewhere, or in a form that only zarr-python knows."""
    folder = zarr_folder(array)
    if folder is None:
        return None
    try:
        native = da.from_zarr(folder, chunks=_one_block_per_chunk(array))
    except (OSError, ValueError, NotImplementedError, TypeError):
        return None
    return native if native.dtype == array.dtype and native.shape == array.shape else None


def _one_block_per_chunk(array) -> tuple:
    return tuple(-1 if n == 0 else min(n, size) for n, size in zip(array.shape, array.chunks, strict=True))


def _part(x, key):
    """Part of an array by xarray's outer indexing: each axis by itself."""
    for axis, index in enumerate(key):
        if isinstance(index, slice):
            if index != slice(None):
                x = x[(slice(None),) * axis + (index,)]
        elif isinstance(index, np.ndarray):
            x = x[(slice(None),) * axis + (index,)]
    points = tuple(slice(None) if isinstance(index, (slice, np.ndarray)) else int(index) for index in key)
    return x[points] if any(isinstance(index, int) for index in points) else x


def _decoded(x, function, dtype):
    """What a decoding function of xarray makes of an array."""
    from xarray.coding import variables

    dtype = np.dtype(dtype)
    numbers = x.dtype.kind in "iufb" and dtype.kind in "iuf"
    if numbers and isinstance(function, partial) and not function.args:
        if function.func is getattr(variables, "_apply_mask", None):
            return _masked(x, **function.keywords)
        if function.func is getattr(variables, "_scale_offset_decoding", None):
            return _scaled(x, **function.keywords)
    return da.map_blocks(function, x, dtype=dtype)


def _masked(x, encoded_fill_values, decoded_fill_value, dtype):
    x = x.astype(dtype)
    missing = [x == fill for fill in encoded_fill_values]
    if not missing:
        return x
    return da.where(reduce(operator.or_, missing), x.dtype.type(decoded_fill_value), x)


def _scaled(x, scale_factor, add_offset, dtype):
    """As in place: every step is rounded to the dtype."""
    x = x.astype(dtype)
    if scale_factor is not None:
        x = (x * scale_factor).astype(dtype)
    return x if add_offset is None else (x + add_offset).astype(dtype)
