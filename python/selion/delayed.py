"""Functions that are called later: ``@selion.delayed``."""

from __future__ import annotations

import operator
from functools import partial

from selion._base import compute, persist
from selion._dask_protocol import make_collection
from selion._selion import Delayed, DelayedLeaf, delayed_container
from selion._visualize import visualize

__all__ = ["Delayed", "DelayedLeaf", "delayed"]


class _Later:
    def __repr__(self) -> str:
        return "<given later>"


_LATER = _Later()


def delayed(
    obj=_LATER,
    name: str | None = None,
    pure: bool | None = None,
    nout: int | None = None,
    traverse: bool = True,
):
    """Wrap a function, so that calling it makes a value to come instead of running it; or any object, as such a value.

    Arguments of the calls may be delayed values, arrays and other collections, also within lists, tuples, sets, dicts
    and dataclasses: the function gets what they compute to. Delayed values have attributes, items, operators and
    methods, all of them delayed too.

    Parameters
    ----------
    obj : object
        A function, or anything else. Without it, what comes back is a decorator.
    name : str, optional
        The key of the value; one that nothing else has by default.
    pure : bool, optional
        Whether equal arguments give equal results: then equal calls are made once. The setting ``delayed_pure``
        (``False``) by default.
    nout : int, optional
        How many things the function returns; then the value can be unpacked.
    traverse : bool
        Whether to look for values to come in the containers in ``obj``.

    Returns
    -------
    Delayed

    Raises
    ------
    ValueError
        If ``nout`` is negative.

    Examples
    --------
    >>> import selion
    >>> @selion.delayed
    ... def inc(x):
    ...     return x + 1
    >>> total = sum([inc(i) for i in range(4)])
    >>> total.compute()
    10
    >>> @selion.delayed(nout=2)
    ... def split(x):
    ...     return divmod(x, 5)
    >>> low, high = split(17)
    >>> (low * 10 + high).compute()
    32
    """
    if obj is _LATER:
        return partial(delayed, name=name, pure=pure, nout=nout, traverse=traverse)
    if isinstance(obj, Delayed):
        return obj
    if not (nout is None or (type(nout) is int and nout >= 0)):
        raise ValueError(f"nout must be None or a non-negative integer, got {nout}")
    label = getattr(obj, "__name__", None)
    label = label if isinstance(label, str) else type(obj).__name__
    if traverse or hasattr(type(obj), "__selion_parts__"):
        found = delayed_container(obj, label, name, nout)
        if found is not None:
            return found
    return DelayedLeaf(obj, label, name, _pure(pure), nout)


def _pure(pure: bool | None) -> bool:
    if pure is None:
        from selion import config

        pure = config.get("delayed_pure")
    return bool(pure)


_BINARY = "add and floordiv lshift matmul mod mul or pow rshift sub truediv xor"
_OTHERS = "abs neg pos invert eq ne lt le gt ge"


def _operator(function, swapped: bool = False):
    if swapped:
        name = function.__name__

        def function(x, y, plain=function):
            return plain(y, x)

        function.__name__ = name
    leaf = delayed(function, pure=True)

    def method(self, *others):
        return leaf(self, *others)

    return method


def _name_methods() -> None:
    """Gives the native class what is but a name: operators, and what all collections can do."""
    for name in _BINARY.split():
        function = getattr(operator, f"__{name}__")
        setattr(Delayed, f"__{name}__", _operator(function))
        setattr(Delayed, f"__r{name}__", _operator(function, swapped=True))
    for name in _OTHERS.split():
        setattr(Delayed, f"__{name}__", _operator(getattr(operator, f"__{name}__")))
    Delayed.__divmod__ = _operator(divmod)
    Delayed.__rdivmod__ = _operator(divmod, swapped=True)
    Delayed.compute = _compute
    Delayed.persist = _persist
    Delayed.visualize = _visualize
    make_collection(Delayed)
    Delayed._finish = staticmethod(lambda values: values[0])
    Delayed._persisted = staticmethod(lambda natives: natives[0])


def _compute(self, **kwargs):
    """The value. See `selion.compute` for the parameters."""
    return compute(self, traverse=False, **kwargs)[0]


def _persist(self, **kwargs):
    """Start to compute the value; returns at once. See `selion.persist`."""
    return persist(self, traverse=False, **kwargs)[0]


def _visualize(self, filename="mydask", format=None, optimize_graph=False, **kwargs):
    """Draw what computing the value will do. See `selion.visualize`."""
    return visualize(self, filename=filename, format=format, optimize_graph=optimize_graph, **kwargs)


_name_methods()
