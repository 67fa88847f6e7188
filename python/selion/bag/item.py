"""One value to come, and what it has in common with bags."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from selion._base import compute, persist
from selion._dask_protocol import make_collection
from selion._selion import Delayed
from selion._visualize import visualize
from selion.bag.chain import call
from selion.delayed import delayed

__all__ = ["Item", "Lazy", "function_name"]


def function_name(function) -> str:
    while isinstance(function, partial):
        function = function.func
    name = getattr(function, "__name__", None)
    return name if isinstance(name, str) else type(function).__name__


class Lazy:
    """What collections of this module have in common."""

    __slots__ = ()

    def compute(self, **kwargs):
        """What this gives. See `selion.compute` for the parameters.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.from_sequence([1, 2, 3]).compute()
        [1, 2, 3]
        >>> db.from_sequence([1, 2, 3]).sum().compute()
        6
        """
        return compute(self, traverse=False, **kwargs)[0]

    def persist(self, **kwargs):
        """Start to compute in the background, and keep what comes in memory. See `selion.persist`.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.from_sequence([1, 2, 3]).map(str).persist().compute()
        ['1', '2', '3']
        """
        return persist(self, traverse=False, **kwargs)[0]

    def visualize(self, filename="mydask", format=None, optimize_graph=False, **kwargs):
        """Draw what computing this will do. See `selion.visualize`."""
        return visualize(self, filename=filename, format=format, optimize_graph=optimize_graph, **kwargs)


class Item(Lazy):
    """One value to come, made of a bag.

    Examples
    --------
    >>> import selion.bag as db
    >>> total = db.from_sequence([1, 2, 3]).sum()
    >>> total.compute(), int(total)
    (6, 6)
    """

    __slots__ = ("__weakref__", "_label", "_make", "_native")

    def __init__(self, make: Callable[[], Delayed], label: str):
        self._native: Delayed | None = None
        self._make = make
        self._label = label

    def _lowered(self) -> Delayed:
        if self._native is None:
            self._native, self._make = self._make(), None
        return self._native

    def __selion_parts__(self):
        return (self._lowered(),)

    @staticmethod
    def _finish(values):
        return values[0]

    @staticmethod
    def _persisted(natives) -> Item:
        return Item(lambda: natives[0], "persisted")

    @property
    def key(self) -> str:
        """The name by which the value is known."""
        return self._lowered().key

    name = key

    def __repr__(self) -> str:
        return f"selion.bag.Item<{self._label}>"

    @staticmethod
    def from_delayed(value) -> Item:
        """An item of a delayed value.

        Raises
        ------
        TypeError
            If ``value`` is no lazy collection.

        Examples
        --------
        >>> import selion, selion.bag as db
        >>> db.Item.from_delayed(selion.delayed(len)("abc")).apply(float).compute()
        3.0
        """
        if not hasattr(type(value), "__selion_parts__"):
            raise TypeError(f"from_delayed takes a delayed value, not {type(value).__name__}")
        return Item(lambda: delayed(value), "from_delayed")

    def apply(self, func) -> Item:
        """``func`` of the value.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.from_sequence([1, 2, 3]).max().apply(str).compute()
        '3'
        """
        name = function_name(func)
        return Item(lambda: call(func, self._lowered(), label=name), name)

    def to_delayed(self, optimize_graph: bool = True) -> Delayed:
        """The value, as that of a delayed call.

        Examples
        --------
        >>> import selion.bag as db
        >>> (db.from_sequence([1, 2, 3]).sum().to_delayed() + 1).compute()
        7
        """
        return self._lowered()

    def __int__(self) -> int:
        return int(self.compute())

    def __float__(self) -> float:
        return float(self.compute())

    def __complex__(self) -> complex:
        return complex(self.compute())

    def __bool__(self) -> bool:
        return bool(self.compute())


make_collection(Item)
