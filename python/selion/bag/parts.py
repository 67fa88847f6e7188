"""A part of the items, and the same items in other partitions."""

from __future__ import annotations

import itertools
import warnings
from functools import partial
from typing import TYPE_CHECKING

from selion.bag import files, grouping
from selion.bag.base import Base
from selion.bag.chain import Chain, call, settle

if TYPE_CHECKING:
    from selion.bag.core import Bag

__all__ = ["Parts"]


class Parts(Base):
    """The methods of bags that have to do with partitions."""

    __slots__ = ()

    def take(self, k: int, npartitions: int = 1, compute: bool = True, warn: bool = True):
        """The first ``k`` items.

        Parameters
        ----------
        k : int
        npartitions : int
            In how many of the first partitions to look for them; -1 for all.
        compute : bool
            Whether to compute them now.
        warn : bool
            Whether to warn if there are less.

        Returns
        -------
        tuple or Bag
            A tuple; a bag of one partition, if ``compute`` is false.

        Raises
        ------
        ValueError
            If the bag does not have as many partitions.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.range(1000, npartitions=3).take(3)
        (0, 1, 2)
        """
        if npartitions <= -1:
            npartitions = self.npartitions
        if npartitions > self.npartitions:
            raise ValueError(f"only {self.npartitions} partitions, take received {npartitions}")
        end = partial(_taken, k, warn and not compute)

        def make():
            if npartitions == 1:
                return self._calls(end, "take", alone=compute, count=1)
            parts = self._calls(partial(_first, k), "take-part", alone=compute, count=npartitions)
            return [call(Chain(((itertools.chain.from_iterable, 0),), end), parts, label="take")]

        taken = self._later(1, make, "take", self)
        if not compute:
            return taken
        items = tuple(taken.compute())
        if warn and len(items) < k:
            warnings.warn(_too_few(k, len(items)), stacklevel=2)
        return items

    def repartition(self, npartitions: int | None = None, partition_size=None) -> Bag:
        """The same items in other partitions.

        Parameters
        ----------
        npartitions : int, optional
            How many partitions to make, of whole ones or of parts of one.
        partition_size : int or str, optional
            How many bytes a partition may have in memory, such as ``"10MB"``. This computes the bag.

        Raises
        ------
        ValueError
            Unless exactly one of the two is given.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.range(10, npartitions=5).repartition(2)
        selion.bag<repartition, npartitions=2>
        """
        if (npartitions is None) == (partition_size is None):
            raise ValueError("Please provide exactly one ``npartitions`` or ``partition_size`` keyword arguments")
        if partition_size is not None:
            return self._repartitioned_by_size(files.number_of_bytes(partition_size))
        if npartitions < 1:
            raise ValueError(f"npartitions must be positive, got {npartitions}")
        if npartitions == self.npartitions:
            return self
        if npartitions < self.npartitions:
            return self._joined_at(grouping.boundaries(self.npartitions, npartitions))
        each, more = divmod(npartitions, self.npartitions)
        return self._split_into([each] * (self.npartitions - 1) + [each + more])

    def _repartitioned_by_size(self, limit: int) -> Bag:
        if limit < 1:
            raise ValueError(f"partition_size must be positive, got {limit}")
        bag = self
        sizes = self.map_partitions(lambda items: [grouping.size_of(settle(items))]).compute()
        counts = [1 + size // limit for size in sizes]
        if max(counts, default=1) > 1:
            bag = self._split_into(counts)
            sizes = [size / n for size, n in zip(sizes, counts, strict=True) for _ in range(n)]
        return bag._joined_at(grouping.sized_boundaries(sizes, limit))

    def _joined_at(self, cuts: list[int]) -> Bag:
        def make():
            parts = self._lowered()
            lists = [parts[start:stop] for start, stop in itertools.pairwise(cuts)]
            return [call(_joined, some, label="repartition") for some in lists]

        return self._later(len(cuts) - 1, make, "repartition", self)

    def _split_into(self, counts: list[int]) -> Bag:
        def make():
            return [
                part if n == 1 else call(partial(grouping.piece, at, n), part, label="repartition")
                for part, n in zip(self._lowered(), counts, strict=True)
                for at in range(n)
            ]

        return self._later(sum(counts), make, "repartition", self)


def _joined(parts) -> list:
    return list(itertools.chain.from_iterable(parts))


def _first(k, items) -> list:
    return list(itertools.islice(items, k))


def _taken(k, warn, items) -> list:
    taken = _first(k, items)
    if warn and len(taken) < k:
        warnings.warn(_too_few(k, len(taken)), stacklevel=2)
    return taken


def _too_few(k: int, n: int) -> str:
    return (
        f"Insufficient elements for `take`. {k} elements requested, only {n} elements available. "
        "Try passing larger `npartitions` to `take`."
    )
