"""Bags of the lines of files."""

from __future__ import annotations

from selion.bag.chain import Held
from selion.bag.core import Bag
from selion.bag.files import Lines, blocks_of, found_files, number_of_bytes

__all__ = ["read_text"]


def read_text(
    urlpath,
    blocksize=None,
    compression: str | None = "infer",
    encoding: str = "utf-8",
    errors: str = "strict",
    linedelimiter: str | None = None,
    collection: bool = True,
    storage_options: dict | None = None,
    files_per_partition: int | None = None,
    include_path: bool = False,
):
    """The lines of text files. They are read when they are needed, and one by one.

    Parameters
    ----------
    urlpath : str, os.PathLike or list
        A path, a pattern such as ``"data/*.txt"``, or several. A path with a protocol needs fsspec.
    blocksize : int or str, optional
        About how many bytes of a file to put in a partition, such as ``"128MiB"``; a whole file by default.
    compression : str, optional
        "gzip", "bz2", "xz", "zstd"; None; or "infer": by the end of each path.
    encoding, errors : str
        How bytes are text, as for `open`.
    linedelimiter : str, optional
        What ends a line, and stays at its end; any of those that are usual, by default, as ``"\\n"``.
    collection : bool
        Whether to return a bag, or the delayed values of its partitions.
    storage_options : dict, optional
        For paths with a protocol.
    files_per_partition : int, optional
        How many files to put in a partition.
    include_path : bool
        Whether items are tuples of a line and the path of its file.

    Returns
    -------
    Bag or list of Delayed

    Raises
    ------
    ValueError
        If there are no files, the compression is not known, ``blocksize`` is given for compressed files, or both
        ``blocksize`` and ``files_per_partition`` are given.

    Examples
    --------
    >>> import os, tempfile, selion.bag as db
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in "ab":
    ...         with open(os.path.join(folder, name + ".txt"), "w") as file:
    ...             print("first", name, "second", name, sep="\\n", file=file)
    ...     b = db.read_text(os.path.join(folder, "*.txt"))
    ...     b.npartitions, b.map(str.strip).filter(lambda line: len(line) == 1).compute()
    (2, ['a', 'a', 'b', 'b'])
    """
    if blocksize is not None and files_per_partition is not None:
        raise ValueError("Only one of blocksize or files_per_partition can be set")
    files = found_files(urlpath, compression, storage_options)
    how = encoding, errors, linedelimiter, include_path
    if blocksize is None:
        n = 1 if files_per_partition is None else files_per_partition
        if n < 1:
            raise ValueError(f"files_per_partition must be positive, got {n}")
        sources = [Lines(files[at : at + n], *how) for at in range(0, len(files), n)]
    else:
        size = number_of_bytes(blocksize)
        if size < 1:
            raise ValueError(f"blocksize must be positive, got {size}")
        sources = [block for file in files for block in blocks_of(file, size, *how)]
        if not sources:
            raise ValueError("No files found", urlpath)
    bag = Bag._of_sources([Held(source) for source in sources], "read_text")
    return bag if collection else bag.to_delayed()
