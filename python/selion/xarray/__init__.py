"""selion's arrays in xarray objects.

xarray finds selion by itself: ``xarray.open_zarr(path, chunks={}, chunked_array_type="selion")``. With `use` it takes
selion wherever it would take Dask.

Examples
--------
>>> import numpy as np, xarray, selion.xarray
>>> with selion.xarray.use():
...     x = xarray.DataArray(np.arange(6), dims="t").chunk(t=2)
>>> type(x.data)
<class 'selion.array.core.Array'>
>>> int(x.mean().compute() * 2)
5
"""

from selion.xarray._options import use

__all__ = ["use"]
