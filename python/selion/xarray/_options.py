"""selion as xarray's default for chunked arrays."""

from __future__ import annotations

_SETTINGS = {
    "chunk_manager": "selion",
    # flox knows two kinds of arrays, NumPy's and Dask's; xarray's own way of grouping knows all.
    "use_flox": False,
}


class use:
    """Make xarray take selion's arrays wherever it would take Dask's, for good or, as a context manager, for a while.

    Sets ``xarray.set_options(chunk_manager="selion", use_flox=False)``.

    Raises
    ------
    ImportError
        If xarray is not installed, or too old.

    Examples
    --------
    >>> import xarray, selion.xarray
    >>> with selion.xarray.use():
    ...     xarray.get_options()["chunk_manager"]
    'selion'
    >>> xarray.get_options()["chunk_manager"]
    'dask'
    """

    def __init__(self):
        try:
            import xarray
        except ImportError as error:
            raise ImportError("selion.xarray needs xarray: pip install 'xarray>=2025.1'") from error
        known = xarray.get_options()
        self._setting = xarray.set_options(**{name: value for name, value in _SETTINGS.items() if name in known})

    def __enter__(self) -> use:
        return self

    def __exit__(self, *exc) -> None:
        self._setting.__exit__(*exc)
