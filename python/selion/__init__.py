"""Lazy chunked arrays and task graphs that run on every core, larger than memory."""

from selion import config
from selion._annotations import annotate, get_annotations
from selion._base import compute, is_selion_collection, optimize, persist
from selion._processes import ProcessPoolError
from selion._selion import __version__
from selion._tokenize import tokenize
from selion._visualize import visualize
from selion.delayed import delayed

__all__ = [
    "ProcessPoolError",
    "__version__",
    "annotate",
    "compute",
    "config",
    "delayed",
    "get",
    "get_annotations",
    "is_selion_collection",
    "optimize",
    "persist",
    "tokenize",
    "visualize",
]


def __getattr__(name: str):
    if name in ("array", "bag", "dask", "get", "xarray"):  # imported when they are first used
        import importlib

        return (
            importlib.import_module("selion.dask").get if name == "get" else importlib.import_module(f"selion.{name}")
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
