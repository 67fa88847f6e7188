"""Pictures of graphs: what is on them, in which formats, and what is refused."""

import re
import xml.etree.ElementTree as ET
import zlib

import pytest

import selion
import selion.array as da


def add(x, y):
    return x + y


def labels(picture) -> list[str]:
    """What is written in the nodes of an SVG picture."""
    root = ET.fromstring(picture.data)
    return sorted("".join(text.itertext()).strip() for text in root.iter("{http://www.w3.org/2000/svg}text"))


@pytest.fixture
def lazy():
    inner = selion.delayed(add)(1, 2)
    return selion.delayed(add)(inner, inner)


def test_functions_and_data(lazy):
    picture = lazy.visualize(filename=None, format="svg")
    assert labels(picture) == ["add", "add"]
    assert picture.data.count(b"<title>") >= 2
    x = (da.ones((4, 4), chunks=2) + 1).sum()
    assert labels(x.visualize(None, format="svg")).count("add") == 4
    assert "(1, 1)" in labels(x.visualize(None, format="svg"))
    assert labels(x.visualize(None, format="svg", optimize_graph=True)) == ["full"]  # a constant


def test_every_operation_is_seen_unless_the_graph_is_optimized():
    x = da.random.default_rng(0).normal(size=(4, 4), chunks=2)
    y = ((x - x.mean(axis=0)).T * 2).rechunk((4, 1)).sum()
    plain, optimized = (labels(y.visualize(None, format="svg", optimize_graph=o)) for o in (False, True))
    assert {"normal", "mean", "subtract", "getitem", "multiply", "rechunk", "sum"} <= set(plain)
    assert len(optimized) < len(plain)


def test_mixed_collections_are_on_one_picture(lazy):
    block = da.from_delayed(selion.delayed(list)([lazy]), (1,), dtype=int)
    picture = selion.visualize([lazy, {"a": block + 1}], filename=None, format="svg")
    assert {"add", "list", "asarray"} <= set(labels(picture))


@pytest.mark.parametrize("format", ["svg", "png", "pdf", "dot"])
def test_formats(lazy, format, tmp_path):
    picture = lazy.visualize(tmp_path / "graph", format=format, rankdir="LR", color="order")
    assert (tmp_path / f"graph.{format}").read_bytes() == picture.data
    begins = {"svg": b"<svg", "png": b"\x89PNG\r\n", "pdf": b"%PDF-", "dot": b"digraph"}
    assert picture.data.lstrip().startswith(begins[format])
    (shown,) = picture._repr_mimebundle_()
    assert shown == {"svg": "image/svg+xml", "png": "image/png", "pdf": "application/pdf", "dot": "text/plain"}[format]
    if format == "png":
        size = re.search(rb"IDAT", picture.data)
        assert size
        assert zlib.crc32(picture.data[12:29]) == int.from_bytes(picture.data[29:33], "big")


def test_the_files_name_says_the_format(lazy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert lazy.visualize("a.svg").format == "svg"
    assert lazy.visualize().format == "png"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.svg", "mydask.png"]


def test_what_is_refused(lazy):
    with pytest.raises(ValueError, match=r"too large to draw.*optimize_graph=True"):
        da.ones(30_000, chunks=1).sum().visualize(filename=None)
    with pytest.raises(ValueError, match="format is one of"):
        lazy.visualize(filename=None, format="jpeg")
    with pytest.raises(ValueError, match="rankdir is one of"):
        lazy.visualize(filename=None, rankdir="UP")
    with pytest.raises(ValueError, match="color is None or 'order'"):
        lazy.visualize(filename=None, color="blue")
    with pytest.raises(TypeError, match="at least one collection"):
        selion.visualize([1], filename=None)
