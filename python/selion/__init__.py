"""Lazy chunked arrays and task graphs that run on every core, larger than memory."""

from selion._selion import __version__

__all__ = ["__version__"]
