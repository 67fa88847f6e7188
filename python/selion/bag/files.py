"""Files of text, on disk or (by fsspec) elsewhere, compressed or not; their lines as the items of partitions."""

from __future__ import annotations

import builtins
import glob
import io
import itertools
import os
import re
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import repeat

from selion.bag.chain import Source

__all__ = ["Block", "File", "Lines", "Written", "blocks_of", "found_files", "named_files", "number_of_bytes"]

EXTENSIONS = {"gz": "gzip", "bz2": "bz2", "xz": "xz", "lzma": "lzma", "zst": "zstd"}
NEWLINES = (None, "", "\n", "\r", "\r\n")
UNITS = {"": 1, "b": 1}
UNITS |= {f"{letter}{end}": 1000**n for n, letter in enumerate("kmgtp", 1) for end in ("", "b")}
UNITS |= {f"{letter}i{end}": 1024**n for n, letter in enumerate("kmgtp", 1) for end in ("", "b")}


def number_of_bytes(text) -> int:
    """The number that ``"128 MiB"`` or the like says; numbers are themselves.

    Examples
    --------
    >>> number_of_bytes("1.5 kB"), number_of_bytes("2MiB"), number_of_bytes(10)
    (1500, 2097152, 10)
    """
    if not isinstance(text, str):
        return int(text)
    match = re.fullmatch(r"\s*([0-9.]+(?:e[0-9]+)?)\s*([a-z]*)\s*", text.lower())
    if not match or match[2] not in UNITS:
        raise ValueError(f"Could not interpret {text!r} as a number of bytes")
    return int(float(match[1]) * UNITS[match[2]])


@dataclass(frozen=True)
class File:
    path: str
    compression: str | None = None
    options: dict = field(default_factory=dict)

    @property
    def remote(self) -> bool:
        return "://" in self.path

    def open(self, mode: str, **text):
        if self.remote:
            opened = _fsspec().open(self.path, mode, compression=self.compression, **text, **self.options)
            return opened.open()
        if "w" in mode:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
        return _opener(self.compression)(self.path, mode, **text)

    def size(self) -> int:
        if not self.remote:
            return os.path.getsize(self.path)
        system, path = _fsspec().url_to_fs(self.path, **self.options)
        return system.size(path)


def _opener(compression: str | None):
    if compression is None:
        return builtins.open
    if compression == "gzip":
        import gzip

        return gzip.open
    if compression == "bz2":
        import bz2

        return bz2.open
    if compression in ("xz", "lzma"):
        import lzma

        return lzma.open
    return _zstd().open


def _zstd():
    try:
        from compression import zstd
    except ImportError:
        try:
            import zstandard as zstd
        except ImportError:
            raise ImportError("zstd needs Python 3.14 or the package zstandard: pip install zstandard") from None
    return zstd


def _fsspec():
    try:
        import fsspec
    except ImportError:
        raise ImportError("paths with a protocol need the package fsspec: pip install fsspec") from None
    return fsspec


def _compression(path: str, compression: str | None) -> str | None:
    if compression == "infer":
        return EXTENSIONS.get(path.rsplit(".", 1)[-1].lower())
    if compression is not None and compression not in EXTENSIONS.values():
        known = ", ".join(EXTENSIONS.values())
        raise ValueError(f"Compression type {compression} not supported; there are {known}")
    return compression


def _as_file(path: str, compression: str | None, options: dict | None) -> File:
    path = path.removeprefix("file://")
    if "://" not in path:
        path = os.path.abspath(os.path.expanduser(path))
    return File(path, _compression(path, compression), options or {})


def found_files(urlpath, compression: str | None, options: dict | None) -> list[File]:
    """The files that a path, a pattern, or a list of these names."""
    if isinstance(urlpath, (str, os.PathLike)):
        urlpath = [urlpath]
    elif not isinstance(urlpath, (list, tuple)):
        raise TypeError(f"Path should be a string, os.PathLike, list or tuple, got {type(urlpath).__name__}")
    files = [_as_file(os.fspath(path), compression, options) for path in urlpath]
    found = []
    for file in files:
        if not any(mark in file.path for mark in "*?["):
            found.append(file)
        elif file.remote:
            system, pattern = _fsspec().url_to_fs(file.path, **file.options)
            paths = [system.unstrip_protocol(path) for path in sorted(system.glob(pattern))]
            found += [_as_file(path, compression, options) for path in paths]
        else:
            found += [_as_file(path, compression, options) for path in sorted(glob.glob(file.path, recursive=True))]
    if not found:
        raise ValueError("No files found", urlpath)
    return found


def named_files(path, n: int, name_function, compression: str | None, options: dict | None) -> list[File]:
    """``n`` files to write: from a list, a pattern with a star, or a folder."""
    if isinstance(path, (list, tuple)):
        if len(path) != n:
            raise ValueError(f"{len(path)} paths for {n} partitions")
        paths = [os.fspath(one) for one in path]
    elif isinstance(path, (str, os.PathLike)):
        pattern = os.fspath(path)
        if pattern.count("*") > 1:
            raise ValueError("Output path spec must contain exactly one '*'.")
        if "*" not in pattern:
            pattern = os.path.join(pattern, "*.part")
        width = len(str(max(n - 1, 0)))
        name = name_function or (lambda at: str(at).zfill(width))
        paths = [pattern.replace("*", name(at)) for at in range(n)]
    else:
        raise ValueError("Path should be a list of paths, a directory, or a path with a '*' in it")
    return [_as_file(one, compression, options) for one in paths]


# ---- reading ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lines(Source):
    """The lines of files, one file after the other; each is closed before the next is opened."""

    files: list[File]
    encoding: str
    errors: str
    delimiter: str | None
    with_path: bool

    def open(self, stack: ExitStack):
        return itertools.chain.from_iterable(self._lines(file, stack) for file in self.files)

    def _lines(self, file: File, stack: ExitStack):
        stack.close()
        newline = self.delimiter if self.delimiter in NEWLINES else ""
        opened = stack.enter_context(file.open("rt", encoding=self.encoding, errors=self.errors, newline=newline))
        lines = opened if self.delimiter in NEWLINES else _cut(opened.read(), self.delimiter)
        return zip(lines, repeat(file.path)) if self.with_path else lines


def _cut(text: str, delimiter: str) -> list[str]:
    if not text:
        return []
    *lines, last = text.split(delimiter)
    return [line + delimiter for line in lines] + [last]


@dataclass(frozen=True)
class Block(Source):
    """The lines that begin in a range of a file's bytes (and not at its start, unless that is the file's)."""

    file: File
    start: int
    stop: int | None
    encoding: str
    errors: str
    delimiter: str | None
    with_path: bool

    def open(self, stack: ExitStack):
        delimiter = (self.delimiter or "\n").encode(self.encoding)
        with self.file.open("rb") as file:
            start = _after(file, self.start, delimiter) if self.start else 0
            stop = None if self.stop is None else _after(file, self.stop, delimiter)
            file.seek(start)
            text = file.read(None if stop is None else stop - start).decode(self.encoding, self.errors)
        if self.delimiter in NEWLINES:
            lines = list(io.StringIO(text, newline=self.delimiter))
        else:
            lines = [line for line in _cut(text, self.delimiter) if line]
        return zip(lines, repeat(self.file.path)) if self.with_path else iter(lines)


def blocks_of(file: File, blocksize: int, *how) -> list[Block]:
    """Ranges of a file of about the same size, about ``blocksize``."""
    if file.compression is not None:
        raise ValueError("Cannot do chunked reads on compressed files. To read, set blocksize=None")
    size = file.size()
    n = max(size // blocksize, 1)
    cuts = [size * at // n for at in range(n)] + [None]
    return [Block(file, start, stop, *how) for start, stop in itertools.pairwise(cuts)] if size else []


def _after(file, at: int, delimiter: bytes, step: int = 1 << 16) -> int:
    """Where the first delimiter from ``at`` on ends, or the file."""
    file.seek(at)
    last = b""
    while read := file.read(step):
        found = (last + read).find(delimiter)
        if found >= 0:
            return at - len(last) + found + len(delimiter)
        at += len(read)
        last = (last + read)[len(last) + len(read) - len(delimiter) + 1 :] if len(delimiter) > 1 else b""
    return at


# ---- writing ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Written:
    """The end of a chain that writes items as the lines of a file."""

    encoding: str | None
    last_endline: bool

    def __call__(self, items, file: File):
        if self.encoding is None:
            opened, endline, line_of = file.open("wb"), b"\n", _as_bytes
        else:
            opened, endline, line_of = file.open("wt", encoding=self.encoding), "\n", _as_text
        with opened:
            lines = map(line_of, items)
            for first in lines:
                opened.write(first)
                opened.writelines(itertools.chain.from_iterable(zip(repeat(endline), lines)))
            if self.last_endline:
                opened.write(endline)
        return []


def _as_text(line) -> str:
    if isinstance(line, str):
        return line
    if isinstance(line, (bytes, bytearray)):
        return line.decode()
    raise TypeError(f"a line of text is a str, not {type(line).__name__}; map a function that makes it one")


def _as_bytes(line) -> bytes:
    return line if isinstance(line, bytes) else _as_text(line).encode()
