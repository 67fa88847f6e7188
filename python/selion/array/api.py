"""What programs that handle any chunked arrays, such as xarray, ask for."""

from selion.array.core import normalize_chunks

__all__ = ["normalize_chunks"]
