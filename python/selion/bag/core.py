"""The class ``Bag``."""

from __future__ import annotations

import builtins
from functools import partial

from selion._dask_protocol import make_collection
from selion._selion import Delayed
from selion.bag import files, graph
from selion.bag.base import Each
from selion.bag.chain import call, settle
from selion.bag.mapping import ItemByItem
from selion.bag.parts import Parts
from selion.bag.strings import StringAccessor
from selion.bag.together import Together
from selion.bag.totals import Totals

__all__ = ["Bag", "to_textfiles"]


class Bag(ItemByItem, Totals, Together, Parts):
    """Many Python objects, in partitions, with parallel versions of what is done with iterables.

    Made by `from_sequence`, `read_text` and the other functions of this module. A function that is applied to a
    partition gets an iterator where it can: steps that follow each other hold one item at a time.

    Examples
    --------
    >>> import selion.bag as db
    >>> b = db.from_sequence(range(5), npartitions=2)
    >>> b.filter(lambda x: x % 2 == 0).map(lambda x: x * 10).compute()
    [0, 20, 40]
    >>> int(b.fold(lambda x, y: x + y))
    10
    """

    __slots__ = ()

    def __init__(self, dsk: dict, name: builtins.str, npartitions: int):
        """The partitions ``(name, 0)``, ``(name, 1)``, … of a graph: tasks are tuples of a function and arguments.

        Examples
        --------
        >>> import selion.bag as db
        >>> graph = {("x", 0): (range, 3), ("x", 1): (list, "top"), "top": (range, 9, 10)}
        >>> db.Bag(graph, "x", npartitions=2).compute()
        [0, 1, 2, 9]
        """
        keys = [(name, at) for at in range(npartitions)]
        self._begin(npartitions, name)
        self._make = lambda: [call(settle, task, label=name) for task in graph.calls(dsk, keys)]

    def __iter__(self):
        return iter(self.compute())

    def __repr__(self) -> str:
        return f"selion.bag<{self._label}, npartitions={self.npartitions}>"

    @property
    def name(self) -> str:
        """What the bag is called, and a number that no other has."""
        return f"{self._label}-{id(self):x}"

    @property
    def str(self) -> StringAccessor:
        """The methods of strings, for each item.

        Examples
        --------
        >>> import selion.bag as db
        >>> b = db.from_sequence(["Alice Smith", "Bob Jones"])
        >>> b.str.upper().compute(), b.str.match("*Smith").compute()
        (['ALICE SMITH', 'BOB JONES'], ['Alice Smith'])
        """
        return StringAccessor(self)

    def to_delayed(self, optimize_graph: bool = True) -> list[Delayed]:
        """For each partition, a delayed value: the list of its items.

        Examples
        --------
        >>> import selion, selion.bag as db
        >>> selion.compute(db.range(4, npartitions=2).map(str).to_delayed())
        ([['0', '1'], ['2', '3']],)
        """
        return list(self._lowered())

    def to_dataframe(self, meta=None, columns=None, optimize_graph: bool = True) -> Delayed:
        """The items as the rows of a table of pandas.

        Parameters
        ----------
        meta : pandas.DataFrame, dict or iterable of pairs, optional
            Names and types of the columns; by default, as pandas finds them.
        columns : list, optional
            Only the names: of the columns, if items are tuples; or of those to take, if they are dictionaries.

        Returns
        -------
        Delayed
            Of a ``pandas.DataFrame``.

        Raises
        ------
        ImportError
            If there is no pandas.
        ValueError
            If both ``meta`` and ``columns`` are given.

        Examples
        --------
        >>> import selion.bag as db
        >>> b = db.from_sequence([{"name": "Alice", "balance": 100}, {"name": "Bob", "balance": 200}])
        >>> b.to_dataframe()["balance"].sum().compute()  # doctest: +SKIP
        np.int64(300)
        """
        from selion.bag import frames

        frames.pandas()
        if meta is not None and columns is not None:
            raise ValueError("Can't specify both `meta` and `columns`")
        names, dtypes = frames.columns_of(meta) if meta is not None else (columns, None)
        parts = self._calls(partial(frames.frame, names, dtypes), "to_dataframe")
        return call(partial(frames.joined, names), parts, label="to_dataframe")

    def to_textfiles(
        self,
        path,
        name_function=None,
        compression: builtins.str | None = "infer",
        encoding: builtins.str | None = "utf-8",
        compute: bool = True,
        storage_options: dict | None = None,
        last_endline: bool = False,
        **kwargs,
    ):
        """Write each partition to a file, each item as a line.

        Parameters
        ----------
        path : str, os.PathLike or list
            A folder, a path with a star in it, for which the number of the partition is put, or one path for each
            partition.
        name_function : callable, optional
            Makes what is put for the star of the number of the partition.
        compression : str, optional
            "gzip", "bz2", "xz", "zstd"; None; or "infer": by the end of the path.
        encoding : str, optional
            None for items that are bytes.
        compute : bool
            Whether to write now.
        storage_options : dict, optional
            For paths with a protocol, which need fsspec.
        last_endline : bool
            Whether the last line is ended.
        **kwargs
            For `compute`.

        Returns
        -------
        list
            The paths; or, if ``compute`` is false, a delayed value for each.

        Raises
        ------
        ValueError
            If there are not as many paths as partitions, or the compression is not known.

        Examples
        --------
        >>> import os, tempfile, selion.bag as db
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     paths = db.range(4, npartitions=2).map(str).to_textfiles(f"{folder}/*.txt.gz")
        ...     [os.path.basename(path) for path in paths], db.read_text(paths).map(str.strip).compute()
        (['0.txt.gz', '1.txt.gz'], ['0', '1', '2', '3'])
        """
        found = files.named_files(path, self.npartitions, name_function, compression, storage_options)
        written = self._then(files.Written(encoding, last_endline), Each(found), label="to-textfiles")
        if not compute:
            return written.to_delayed()
        written.compute(**kwargs)
        return [file.path for file in found]

    def to_avro(self, *args, **kwargs):
        """Not implemented: write partitions by a function of your own, in `map_partitions` or `to_delayed`."""
        raise NotImplementedError("selion.bag.Bag.to_avro is not implemented")


def to_textfiles(
    b: Bag,
    path,
    name_function=None,
    compression: str | None = "infer",
    encoding: str | None = "utf-8",
    compute: bool = True,
    storage_options: dict | None = None,
    last_endline: bool = False,
    **kwargs,
):
    """Write each partition of a bag to a file. See `Bag.to_textfiles`.

    Examples
    --------
    >>> import tempfile, selion.bag as db
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     len(db.to_textfiles(db.from_sequence(["a", "b"]), folder))
    2
    """
    return b.to_textfiles(path, name_function, compression, encoding, compute, storage_options, last_endline, **kwargs)


make_collection(Bag)
