"""NumPy on each block: what has no native kernel."""

from __future__ import annotations

from selion.array.core import Array


def _per_block(function, *arrays, dtype=None) -> Array:
    """``function`` of the arrays' aligned blocks, through NumPy."""
    raise NotImplementedError("functions of blocks are not implemented")
