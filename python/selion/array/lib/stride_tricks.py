"""Windows on lazy arrays."""

from selion.array.overlap import sliding_window_view

__all__ = ["sliding_window_view"]
