"""Dask's collections on selion's engine.

``selion.dask.enable()`` is all that a program needs: arrays, bags, data frames and delayed functions of Dask, and
xarray objects that hold them, then compute on selion's threads, within its memory budget.

Examples
--------
>>> import dask.array, selion.dask
>>> x = dask.array.arange(10, chunks=5)
>>> with selion.dask.enable():
...     total = x.sum().compute()
>>> int(total)
45
"""

from selion.dask._collections import from_dask, to_dask
from selion.dask._default import disable, enable
from selion.dask._explain import explain
from selion.dask._get import get

__all__ = ["disable", "enable", "explain", "from_dask", "get", "to_dask"]
