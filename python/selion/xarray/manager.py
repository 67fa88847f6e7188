"""What xarray asks of chunked arrays, asked of selion. Found by the entry point ``xarray.chunkmanagers``."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from xarray.namedarray.parallelcompat import ChunkManagerEntrypoint

import selion
import selion.array as da
from selion.xarray._lazy import from_lazy


class SelionManager(ChunkManagerEntrypoint):
    """selion's arrays for xarray."""

    def __init__(self):
        self.array_cls = da.Array

    @property
    def array_api(self):
        """The namespace of functions for arrays."""
        return da

    def chunks(self, data):
        """The block lengths along each axis."""
        return data.chunks

    def normalize_chunks(self, chunks, shape=None, limit=None, dtype=None, previous_chunks=None):
        """Chunks in any form as a tuple of tuples of block lengths."""
        return da.normalize_chunks(chunks, shape, limit, dtype, previous_chunks)

    def get_auto_chunk_size(self) -> int:
        """Bytes of automatic blocks."""
        return selion.config.get("array.chunk-size")

    # Arrays from elsewhere and to elsewhere.

    def from_array(self, data, chunks, **kwargs):
        """An array of what xarray has, which may be lazy itself."""
        chunks = _for_empty(chunks, data.shape)
        lazy = from_lazy(data, chunks, kwargs.get("lock") or False)
        return da.from_array(data, chunks, lock=kwargs.get("lock") or False) if lazy is None else lazy

    def rechunk(self, data, chunks, **kwargs):
        """The same elements in other blocks."""
        return data.rechunk(_for_empty(chunks, data.shape), **kwargs)

    def compute(self, *data, **kwargs):
        """The elements of arrays, in one run."""
        return selion.compute(*data, **kwargs)

    def persist(self, *data, **kwargs):
        """Arrays with their elements in memory."""
        return selion.persist(*data, **kwargs)

    def store(self, sources, targets, lock=True, regions=None, compute=True, flush=True, **kwargs):
        """Compute arrays into xarray's targets, now or by something of Dask's that xarray can go on with."""
        kwargs.pop("return_stored", None)
        writes = da.store(sources, targets, lock=lock, regions=regions, compute=compute, **kwargs)
        if compute:
            return writes
        import dask

        return dask.delayed(writes.compute, name=f"selion-store-{selion.tokenize(writes)}")()

    # Operations.

    def reduction(self, arr, func, combine_func=None, aggregate_func=None, axis=None, dtype=None, keepdims=False):
        """A reduction by functions."""
        return da.reduction(
            arr, chunk=func, combine=combine_func, aggregate=aggregate_func, axis=axis, dtype=dtype, keepdims=keepdims
        )

    def scan(self, func, binop, ident, arr, axis=None, dtype=None, **kwargs):
        """A cumulative operation by functions."""
        return da.reductions.cumreduction(func, binop, ident, arr, axis=axis, dtype=dtype, **kwargs)

    def apply_gufunc(self, func, signature, *args, **kwargs):
        """A function of core dimensions."""
        return da.apply_gufunc(func, signature, *args, **kwargs)

    def map_blocks(self, func, *args, dtype=None, chunks=None, drop_axis=None, new_axis=None, **kwargs):
        """A function of blocks."""
        return da.map_blocks(func, *args, dtype=dtype, chunks=chunks, drop_axis=drop_axis, new_axis=new_axis, **kwargs)

    def blockwise(self, func, out_ind, *args, **kwargs):
        """A function of blocks with labelled axes."""
        return da.blockwise(func, out_ind, *args, **kwargs)

    def unify_chunks(self, *args, **kwargs):
        """The same arrays in blocks that fit each other."""
        return da.unify_chunks(*args, **kwargs)

    def shuffle(self, x, indexer, axis, chunks):
        """The elements along an axis in another order."""
        return da.shuffle(x, indexer, axis, chunks or "auto")


def _for_empty(chunks, shape):
    """Automatic blocks of nothing are nothing."""
    values = chunks.values() if isinstance(chunks, Mapping) else chunks
    automatic = np.iterable(values) and not isinstance(values, str) and any(isinstance(c, str) for c in values)
    return shape if automatic and 0 in shape else chunks
