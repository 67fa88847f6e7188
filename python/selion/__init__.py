"""Lazy chunked arrays and task graphs that run on every core, larger than memory."""

from selion import config
from selion._base import compute, is_selion_collection, persist
from selion._selion import __version__

__all__ = ["__version__", "compute", "config", "is_selion_collection", "persist"]
