"""NumPy's ``numpy.lib`` on lazy arrays."""

from selion.array.lib import stride_tricks

__all__ = ["stride_tricks"]
