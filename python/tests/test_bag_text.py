"""Bags and files of text: against dask.bag, and what goes out comes in."""

import bz2
import gzip
import io
import lzma
import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import selion
import selion.bag as db
from selion.bag.files import Block, File, number_of_bytes


def dask_bag():
    """dask.bag, which says what is expected, where it is installed."""
    return pytest.importorskip("dask.bag")


TEXTS = ["one\ntwo\nthree\n", "four\nfünf\n\nsix", "", "seven\r\neight\rnine\n" + "a longer line\n" * 50]


@pytest.fixture
def folder(tmp_path):
    for at, text in enumerate(TEXTS):
        (tmp_path / f"{at}.txt").write_bytes(text.encode())
        (tmp_path / f"{at}.txt.gz").write_bytes(gzip.compress(text.encode()))
        (tmp_path / f"{at}.txt.bz2").write_bytes(bz2.compress(text.encode()))
        (tmp_path / f"{at}.txt.xz").write_bytes(lzma.compress(text.encode()))
    return tmp_path


OPTIONS = [
    {},
    {"include_path": True},
    {"files_per_partition": 3},
    {"files_per_partition": 2, "include_path": True},
    {"linedelimiter": "\n"},
    {"linedelimiter": "\r\n"},
    {"linedelimiter": "e"},
    {"linedelimiter": "ne\n", "include_path": True},
    {"encoding": "latin-1"},
    {"encoding": "ascii", "errors": "ignore"},
]
BLOCKS = [
    {"blocksize": 10},
    {"blocksize": "1kB"},
    {"blocksize": 7, "include_path": True},
    {"blocksize": 13, "linedelimiter": "e"},
    {"blocksize": 13, "linedelimiter": "\r\n"},
    {"blocksize": 9, "linedelimiter": "ne\n"},
    {"blocksize": 100, "encoding": "latin-1"},
]


@pytest.mark.parametrize("extension", ["", ".gz", ".bz2", ".xz"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_read_as_dask(folder, extension, options):
    got = db.read_text(f"{folder}/*.txt{extension}", **options)
    want = dask_bag().read_text(f"{folder}/*.txt{extension}", **options)
    assert got.npartitions == want.npartitions
    assert got.compute() == want.compute(scheduler="sync")


@pytest.mark.parametrize("options", BLOCKS, ids=str)
def test_read_blocks_as_dask(folder, options):
    got = db.read_text([folder / "0.txt", folder / "1.txt", folder / "3.txt"], **options)
    want = dask_bag().read_text([str(folder / f"{at}.txt") for at in (0, 1, 3)], **options)
    assert got.npartitions == want.npartitions
    assert got.compute() == want.compute(scheduler="sync")


@given(st.lists(st.text("ab\n", max_size=5)), st.integers(1, 20), st.sampled_from(["\n", "ab", "aba\n"]))
def test_blocks_have_each_line_once(tmp_path_factory, pieces, blocksize, delimiter):
    path = tmp_path_factory.mktemp("blocks") / "text"
    text = "".join(pieces)
    path.write_text(text)
    if not text:
        with pytest.raises(ValueError, match="No files"):
            db.read_text(path, blocksize=blocksize)
        return
    lines = db.read_text(path, blocksize=blocksize, linedelimiter=delimiter).compute()
    assert "".join(lines) == text
    if delimiter == "\n":
        assert lines == list(io.StringIO(text))


def test_delimiters_are_found_across_reads(tmp_path):
    path = tmp_path / "text"
    path.write_bytes(b"x" * 65535 + b"END" + b"y" * 10 + b"END")
    block = Block(File(str(path)), 5, 100, "utf-8", "strict", "END", False)
    assert db.Bag._of_sources([selion.bag.chain.Held(block)], "block").compute() == []
    assert db.read_text(path, blocksize=100, linedelimiter="END").map(len).compute() == [65538, 13]


def test_delayed_and_explicit_compression(folder):
    parts = db.read_text(f"{folder}/*.txt", collection=False)
    assert [len(part) for part in selion.compute(*parts)] == [3, 4, 0, 53]
    (folder / "data").write_bytes(gzip.compress(b"a\nb\n"))
    assert db.read_text(folder / "data", compression="gzip").compute() == ["a\n", "b\n"]
    assert db.read_text(f"file://{folder}/0.txt").count().compute() == 3


def test_lines_are_read_when_they_are_needed(folder):
    assert db.read_text(folder / "3.txt").take(1) == ("seven\n",)
    b = db.read_text(f"{folder}/*.txt").map(str.strip)
    assert selion.compute(b.count(), b.map(len).max()) == (60, 13)


@pytest.mark.parametrize(
    "options", [{}, {"last_endline": True}, {"compression": None}, {"compression": "gzip"}], ids=str
)
@pytest.mark.parametrize("name", ["*.txt", "*.txt.gz", "*.bz2", "*.xz", "plain"])
def test_write_as_dask(tmp_path, name, options):
    texts = ["Füße", "", "two", "three"]
    got = db.from_sequence(texts, npartitions=2).to_textfiles(tmp_path / "selion" / name, **options)
    want = (
        dask_bag()
        .from_sequence(texts, npartitions=2)
        .to_textfiles(str(tmp_path / "dask" / name), scheduler="sync", **options)
    )
    assert [os.path.relpath(path, tmp_path / "selion") for path in got] == [
        os.path.relpath(path, tmp_path / "dask") for path in want
    ]
    compression = options.get("compression", "infer")
    back = [db.read_text(paths, compression=compression).compute() for paths in (got, want)]
    assert back[0] == back[1]


def test_write_in_other_ways(tmp_path):
    b = db.range(25, npartitions=12).map(str)
    paths = b.to_textfiles(tmp_path / "a")
    assert os.path.basename(paths[3]) == "03.part"
    paths = b.to_textfiles(f"{tmp_path}/b/*.txt", name_function=lambda at: chr(97 + at))
    assert os.path.basename(paths[3]) == "d.txt"
    given_paths = [tmp_path / f"{at}.gz" for at in range(12)]
    later = b.to_textfiles(given_paths, compute=False)
    assert not given_paths[0].exists()
    selion.compute(*later)
    assert db.read_text(given_paths).map(int).compute() == list(range(25))
    db.from_sequence([b"\xff", b"a"], npartitions=1).to_textfiles([tmp_path / "bytes"], encoding=None)
    assert (tmp_path / "bytes").read_bytes() == b"\xff\na"
    assert db.to_textfiles(db.from_sequence([]), tmp_path / "none") == [str(tmp_path / "none" / "0.part")]


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", codec="utf-8"))), st.integers(1, 4))
def test_what_is_written_is_read(tmp_path_factory, lines, n):
    folder = tmp_path_factory.mktemp("written")
    paths = db.from_sequence(lines, npartitions=n).to_textfiles(f"{folder}/*.gz", last_endline=True)
    read = db.read_text(paths, linedelimiter="\n").compute()
    assert read == ([line + "\n" for line in lines] or ["\n"])


def test_zstd(tmp_path):
    try:
        from selion.bag.files import _zstd

        _zstd()
    except ImportError as error:
        assert "zstandard" in str(error)  # noqa: PT017
        with pytest.raises(ImportError, match="zstandard"):
            db.from_sequence(["a"]).to_textfiles(f"{tmp_path}/*.zst")
        return
    paths = db.from_sequence(["a", "b"]).to_textfiles(f"{tmp_path}/*.zst")
    assert db.read_text(paths).compute() == ["a", "b"]


def test_other_filesystems(monkeypatch):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.pipe({"/texts/a.txt": b"one\ntwo\n", "/texts/b.txt": b"three\n"})
    assert db.read_text("memory://texts/*.txt").compute() == ["one\n", "two\n", "three\n"]
    assert db.read_text("memory://texts/a.txt", blocksize=3).compute() == ["one\n", "two\n"]
    db.from_sequence(["x"]).to_textfiles("memory://out/*.txt")
    assert memory.cat("/out/0.txt") == b"x"
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(ImportError, match="fsspec"):
        db.read_text("memory://texts/a.txt").compute()


def test_errors(folder, tmp_path):
    with pytest.raises(ValueError, match="No files"):
        db.read_text(f"{folder}/*.nothing")
    with pytest.raises(ValueError, match="Only one"):
        db.read_text(folder / "0.txt", blocksize=10, files_per_partition=2)
    with pytest.raises(ValueError, match="chunked reads"):
        db.read_text(folder / "0.txt.gz", blocksize=10)
    with pytest.raises(ValueError, match="lz5"):
        db.read_text(folder / "0.txt", compression="lz5")
    with pytest.raises(ValueError, match="positive"):
        db.read_text(folder / "0.txt", blocksize=0)
    with pytest.raises(TypeError, match="int"):
        db.read_text(5)
    with pytest.raises(FileNotFoundError):
        db.read_text(folder / "missing").compute()
    with pytest.raises(UnicodeDecodeError):
        db.read_text(folder / "1.txt", encoding="ascii").compute()
    b = db.from_sequence(["a", "b"])
    with pytest.raises(ValueError, match="1 paths for 2"):
        b.to_textfiles([tmp_path / "x"])
    with pytest.raises(ValueError, match="exactly one"):
        b.to_textfiles("*/*.txt")
    with pytest.raises(ValueError, match="Path should be"):
        b.to_textfiles(5)
    with pytest.raises(TypeError, match="int"):
        db.range(3, npartitions=1).to_textfiles(tmp_path / "y")


@pytest.mark.parametrize(
    ("text", "n"),
    [("10", 10), (10, 10), ("5 kB", 5000), ("5KiB", 5120), ("1.5MB", 1500000), ("1e3", 1000), ("2G", 2 * 10**9)],
)
def test_number_of_bytes(text, n):
    assert number_of_bytes(text) == n


def test_number_of_bytes_refuses_other_texts():
    for text in ["much", "5 apples", ""]:
        with pytest.raises(ValueError, match="bytes"):
            number_of_bytes(text)
