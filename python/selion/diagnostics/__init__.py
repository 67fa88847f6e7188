"""Watching computations: a progress bar, when which task ran, what of the machine was used, and pictures of both.

Examples
--------
>>> import selion.array as da
>>> from selion.diagnostics import Profiler, ProgressBar, ResourceProfiler, visualize
>>> with ProgressBar():
...     total = da.ones((4, 4), chunks=2).sum().compute()
[########################################] | 100% Completed | ...
>>> with Profiler() as tasks, ResourceProfiler(dt=0.1) as use:
...     total = da.ones((4, 4), chunks=2).sum().compute()
>>> plot = visualize([tasks, use], filename=None, show=False)
"""

from selion.diagnostics.plot import visualize
from selion.diagnostics.profile import Profiler, ResourceProfiler
from selion.diagnostics.progress import ProgressBar

__all__ = ["Profiler", "ProgressBar", "ResourceProfiler", "visualize"]
