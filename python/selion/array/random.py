"""Random numbers that depend on the seed and the place of an element alone, never on chunks or threads."""

from __future__ import annotations

import inspect
import secrets

import numpy as np

from selion import _selion
from selion.array.core import Array, _operand, asarray, from_array

# The distributions with their parameters and defaults, in NumPy's order; `...` marks a parameter without a default.
_DISTRIBUTIONS = {
    "beta": {"a": ..., "b": ...},
    "binomial": {"n": ..., "p": ...},
    "chisquare": {"df": ...},
    "exponential": {"scale": 1.0},
    "f": {"dfnum": ..., "dfden": ...},
    "gamma": {"shape": ..., "scale": 1.0},
    "geometric": {"p": ...},
    "gumbel": {"loc": 0.0, "scale": 1.0},
    "hypergeometric": {"ngood": ..., "nbad": ..., "nsample": ...},
    "laplace": {"loc": 0.0, "scale": 1.0},
    "logistic": {"loc": 0.0, "scale": 1.0},
    "lognormal": {"mean": 0.0, "sigma": 1.0},
    "logseries": {"p": ...},
    "negative_binomial": {"n": ..., "p": ...},
    "noncentral_chisquare": {"df": ..., "nonc": ...},
    "noncentral_f": {"dfnum": ..., "dfden": ..., "nonc": ...},
    "normal": {"loc": 0.0, "scale": 1.0},
    "pareto": {"a": ...},
    "poisson": {"lam": 1.0},
    "power": {"a": ...},
    "rayleigh": {"scale": 1.0},
    "standard_cauchy": {},
    "standard_exponential": {},
    "standard_gamma": {"shape": ...},
    "standard_normal": {},
    "standard_t": {"df": ...},
    "triangular": {"left": ..., "mode": ..., "right": ...},
    "uniform": {"low": 0.0, "high": 1.0},
    "vonmises": {"mu": ..., "kappa": ...},
    "wald": {"mean": ..., "scale": ...},
    "weibull": {"a": ...},
    "zipf": {"a": ...},
}


def _signature(defaults: dict) -> inspect.Signature:
    """What `inspect` shows: the parameters in NumPy's order, then the shape and the blocks."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    shown = {"self": ..., **defaults, "size": None, "chunks": "auto"}
    parameters = [
        inspect.Parameter(key, kind, default=inspect.Parameter.empty if default is ... else default)
        for key, default in shown.items()
    ]
    return inspect.Signature([*parameters, inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)])


def _method(name: str, defaults: dict):
    names = list(defaults)

    def method(self, *args, chunks="auto", **kwargs) -> Array:
        if len(args) > len(names) + 2:
            raise TypeError(f"{name}() takes at most {len(names) + 2} arguments, not {len(args)}")
        given = dict(zip([*names, "size", "chunks"], args, strict=False))
        for key in given.keys() & kwargs.keys():
            raise TypeError(f"{name}() got multiple values for argument {key!r}")
        given.update(kwargs)
        size, chunks = given.pop("size", None), given.pop("chunks", chunks)
        params = [given.pop(key, default) for key, default in defaults.items()]
        for key, param in zip(names, params, strict=True):
            if param is ...:
                raise TypeError(f"{name}() missing required argument {key!r}")
        dtype = given.pop("dtype", None)
        for key in ("method", "out"):
            given.pop(key, None)
        if given:
            raise TypeError(f"{name}() got an unexpected keyword argument {next(iter(given))!r}")
        return self._draw(name, params, size, chunks, dtype)

    method.__name__ = name
    method.__qualname__ = f"Generator.{name}"
    method.__signature__ = _signature(defaults)
    method.__doc__ = f"""Numbers of NumPy's distribution of this name.

        Parameters
        ----------
        {", ".join(names) + " : float or array-like" if names else "(none but size and chunks)"}
            See `numpy.random.Generator.{name}`; arrays broadcast against ``size``.
        size : int or tuple of int, optional
            The shape; by default that to which the parameters broadcast.
        chunks : int, tuple, dict, "auto" or bytes as text
            Block lengths.

        Raises
        ------
        ValueError
            If there is no such distribution.
        """
    return method


def _shape_of(size) -> tuple:
    return (int(size),) if np.ndim(size) == 0 else tuple(int(n) for n in size)


class _Draws:
    """What `Generator` and `RandomState` share."""

    def __init__(self, seed=None):
        self._reset(seed)

    def _reset(self, seed):
        if isinstance(seed, np.random.Generator):
            seed = seed.bit_generator
        if isinstance(seed, np.random.BitGenerator):
            seed = seed.seed_seq
        if seed is None:
            self._seed = secrets.randbits(64)
        elif isinstance(seed, (int, np.integer)):
            if seed < 0:
                raise ValueError("expected non-negative integer")
            self._seed = int(seed) & (2**64 - 1)
        else:
            sequence = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
            self._seed = int(sequence.generate_state(1, np.uint64)[0])
        self._stream = 0

    def _draw(self, distribution, params, size, chunks, dtype=None) -> Array:
        params = [p if isinstance(p, Array) or np.ndim(p) == 0 else np.asarray(p) for p in params]
        if size is None:
            size = np.broadcast_shapes(*(p.shape if isinstance(p, Array) else np.shape(p) for p in params))
        params = tuple(_operand(p) for p in params)
        self._stream += 1
        x = Array(_selion.random(distribution, self._seed, self._stream, params, _shape_of(size), chunks))
        return x if dtype is None else x.astype(dtype)

    def random(self, size=None, dtype=np.float64, out=None, chunks="auto", **kwargs) -> Array:
        """Uniform in [0, 1)."""
        return self._draw("random", (), () if size is None else size, chunks, dtype)

    def _integers(self, low, high, size, dtype, endpoint, chunks):
        if high is None:
            low, high = 0, low
        dtype = np.dtype(dtype)
        if dtype.kind not in "biu":
            raise TypeError(f"Unsupported dtype dtype('{dtype}') for integers")
        if endpoint:
            high = high + 1
        first, last = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        if np.ndim(low) == 0 and np.ndim(high) == 0:
            if low < first:
                raise ValueError(f"low is out of bounds for {dtype}")
            if high > int(last) + 1:
                raise ValueError(f"high is out of bounds for {dtype}")
            # Python's integers are exact where those of NumPy would pass through float64.
            low, high = (int(n) if isinstance(n, np.integer) else n for n in (low, high))
            if high == 2**63:
                high = 2.0**63  # the exclusive bound of int64, which a float holds exactly
        return self._draw("integers", (low, high), size, chunks, dtype)

    def permutation(self, x) -> Array:
        """The elements of ``x``, or the numbers below ``x``, in random order along the first axis.

        Examples
        --------
        >>> import selion.array as da
        >>> sorted(da.random.default_rng(0).permutation(4).compute().tolist())
        [0, 1, 2, 3]
        """
        if isinstance(x, (int, np.integer)):
            order = self._numpy().permutation(int(x))
            return from_array(order)
        x = asarray(x)
        if x.ndim == 0:
            raise IndexError("x must be an integer or at least 1-dimensional")
        return x[self._numpy().permutation(x.shape[0])]

    def _numpy(self) -> np.random.Generator:
        """NumPy's generator, for what is made at once: few numbers, or orders of elements."""
        self._stream += 1
        return np.random.default_rng([self._seed, self._stream])

    def choice(self, a, size=None, replace=True, p=None, axis=0, shuffle=True, chunks="auto") -> Array:
        """A sample of ``a``, or of the numbers below ``a``.

        Parameters
        ----------
        a : int or 1-d array-like
        size : int or tuple of int, optional
        replace : bool
            Whether an element may come several times.
        p : 1-d array-like, optional
            The probability of each element; equal ones by default.

        Raises
        ------
        ValueError
            If there is nothing to choose from, or ``p`` are not probabilities, or the sample is too large.
        """
        shape = () if size is None else _shape_of(size)
        population = int(a) if np.ndim(a) == 0 else None
        if population is None:
            a = np.asarray(a)
            if a.ndim != 1:
                raise ValueError("a must be one dimensional")
            population = len(a)
        if population <= 0 and np.prod(shape, dtype=int):
            raise ValueError("a must be a positive integer unless no samples are taken")
        if replace and p is None:
            index = self._integers(0, max(population, 1), shape, np.int64, False, chunks)
            return index if np.ndim(a) == 0 else _pick(a, index)
        p = None if p is None else np.asarray(p, dtype=float)
        drawn = self._numpy().choice(a, size=size, replace=replace, p=p, shuffle=shuffle)
        return from_array(np.asarray(drawn), chunks=chunks)


def _pick(a: np.ndarray, index: Array) -> Array:
    from selion.array.blockwise import per_block

    return per_block(lambda i: a[i], index, dtype=a.dtype)


class Generator(_Draws):
    """Makes random arrays; each call gives the next of the generator's arrays.

    Examples
    --------
    >>> import selion.array as da
    >>> x = da.random.default_rng(0).normal(size=1000, chunks=100)
    >>> y = da.random.default_rng(0).normal(size=1000, chunks=999)
    >>> bool((x == y).all())
    True
    """

    def __init__(self, bit_generator):
        super().__init__(bit_generator)

    def integers(self, low, high=None, size=None, dtype=np.int64, endpoint=False, chunks="auto", **kwargs) -> Array:
        """Uniform integers in [low, high), or [0, low) if ``high`` is missing."""
        return self._integers(low, high, size, dtype, endpoint, chunks)

    def multinomial(self, *args, **kwargs):
        """Not implemented."""
        raise NotImplementedError("Generator.multinomial is not implemented")

    def multivariate_hypergeometric(self, *args, **kwargs):
        """Not implemented."""
        raise NotImplementedError("Generator.multivariate_hypergeometric is not implemented")


class RandomState(_Draws):
    """The older interface of random numbers, with the same numbers as `Generator`.

    Examples
    --------
    >>> import selion.array as da
    >>> x = da.random.RandomState(1).randint(0, 5, size=10)
    >>> bool((x < 5).all())
    True
    """

    def __init__(self, seed=None, RandomState=None):
        super().__init__(seed)

    def random(self, size=None, chunks="auto", **kwargs) -> Array:
        """Uniform in [0, 1)."""
        return super().random(size, chunks=chunks, **kwargs)

    def choice(self, a, size=None, replace=True, p=None, chunks="auto") -> Array:
        """A sample of ``a``, or of the numbers below ``a``. See `Generator.choice`."""
        return super().choice(a, size, replace, p, chunks=chunks)

    def seed(self, seed=None):
        """Start again from a seed."""
        self._reset(seed)

    def random_sample(self, size=None, chunks="auto", **kwargs) -> Array:
        """Uniform in [0, 1)."""
        return self.random(size, chunks=chunks)

    def randint(self, low, high=None, size=None, chunks="auto", dtype="l", **kwargs) -> Array:
        """Uniform integers in [low, high), or [0, low) if ``high`` is missing."""
        return self._integers(low, high, size, dtype, False, chunks)

    def random_integers(self, low, high=None, size=None, chunks="auto", **kwargs) -> Array:
        """Uniform integers in [low, high], or [1, low] if ``high`` is missing."""
        if high is None:
            low, high = 1, low
        return self._integers(low, high, size, np.int64, True, chunks)

    def tomaxint(self, size=None, chunks="auto", **kwargs) -> Array:
        """Uniform integers that are not negative."""
        return self._integers(0, np.iinfo(np.int64).max, size, np.int64, True, chunks)

    def multinomial(self, *args, **kwargs):
        """Not implemented."""
        raise NotImplementedError("RandomState.multinomial is not implemented")


for _name, _defaults in _DISTRIBUTIONS.items():
    setattr(_Draws, _name, _method(_name, _defaults))


def default_rng(seed=None) -> Generator:
    """A generator from a seed; a random seed if there is none."""
    return seed if isinstance(seed, Generator) else Generator(seed)


_state = RandomState()
_MODULE = [
    *_DISTRIBUTIONS,
    *("choice", "multinomial", "permutation", "randint", "random", "random_integers", "random_sample", "seed"),
]
for _name in _MODULE:
    globals()[_name] = getattr(_state, _name)

__all__ = ["Generator", "RandomState", "default_rng", *_MODULE]
