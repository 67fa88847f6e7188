"""Random numbers that depend on the seed and the place of an element alone, never on chunks or threads."""

from __future__ import annotations

import secrets

import numpy as np

from selion import _selion
from selion.array.core import Array, _operand


class Generator:
    """Makes random arrays; each call gives the next of the generator's arrays.

    Examples
    --------
    >>> import selion.array as da
    >>> x = da.random.default_rng(0).normal(size=1000, chunks=100)
    >>> y = da.random.default_rng(0).normal(size=1000, chunks=999)
    >>> bool((x == y).all())
    True
    """

    def __init__(self, seed=None):
        self._seed = secrets.randbits(64) if seed is None else int(seed) & (2**64 - 1)
        self._stream = 0

    def _draw(self, distribution, params, size, chunks, dtype=None) -> Array:
        params = tuple(_operand(p) for p in params)
        if size is None:
            size = np.broadcast_shapes(*(np.shape(p) if not hasattr(p, "shape") else p.shape for p in params))
        size = (size,) if np.isscalar(size) else tuple(size)
        self._stream += 1
        x = Array(_selion.random(distribution, self._seed, self._stream, params, size, chunks))
        return x if dtype is None else x.astype(dtype)

    def random(self, size=None, dtype=np.float64, out=None, chunks="auto", **kwargs) -> Array:
        """Uniform in [0, 1)."""
        return self._draw("random", (), size, chunks, dtype)

    def uniform(self, low=0.0, high=1.0, size=None, chunks="auto", **kwargs) -> Array:
        """Uniform in [low, high)."""
        return self._draw("uniform", (low, high), size, chunks)

    def standard_normal(self, size=None, chunks="auto", **kwargs) -> Array:
        """Normal with mean 0 and deviation 1."""
        return self._draw("standard_normal", (), size, chunks)

    def normal(self, loc=0.0, scale=1.0, size=None, chunks="auto", **kwargs) -> Array:
        """Normal with mean ``loc`` and deviation ``scale``."""
        return self._draw("normal", (loc, scale), size, chunks)

    def integers(self, low, high=None, size=None, dtype=np.int64, endpoint=False, chunks="auto", **kwargs) -> Array:
        """Uniform integers in [low, high), or [0, low) if ``high`` is missing."""
        if high is None:
            low, high = 0, low
        return self._draw("integers", (low, high + 1 if endpoint else high), size, chunks, dtype)


def default_rng(seed=None) -> Generator:
    """A generator from a seed; a random seed if there is none."""
    return seed if isinstance(seed, Generator) else Generator(seed)
