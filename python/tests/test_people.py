"""What people see: drawings, tables, explain, the progress bar."""

import io
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import selion.array as da
from selion.diagnostics import ProgressBar


@pytest.mark.parametrize("shape", [(), (0,), (10,), (10, 20), (3, 4, 5), (2, 3, 4, 5, 6)])
def test_drawings_are_xml(shape):
    x = da.ones(shape, chunks=3)
    ET.fromstring(x.to_svg())
    html = x._repr_html_()
    ET.fromstring(html)
    assert "float64" in html
    assert f"{x.npartitions} chunk" in html


def test_table():
    html = da.ones((1000, 4000), chunks=(1000, 1000))._repr_html_()
    for part in ("30.52 MiB", "7.63 MiB", "(1000, 4000)", "(1000, 1000)", "4 chunks", "Data type"):
        assert part in html


def test_explain():
    x = da.from_array(np.ones((6, 6)), chunks=3)
    text = ((x + 1) * 2).mean().explain()
    assert text.index("Expression") < text.index("Optimised") < text.index("Layers") < text.index("In all")
    assert re.search(r"mean-\w+: 4 tasks", text), text
    assert "0 B read from storage" in text


def test_progress_bar():
    out = io.StringIO()
    with ProgressBar(width=8, out=out):
        da.from_array(np.ones((6, 6)), chunks=3).sum().compute()
    last = out.getvalue().rstrip("\n").split("\r")[-1]
    assert re.fullmatch(r"\[########\] \| 100% Completed \| \d+\.\d s", last), out.getvalue()


def test_progress_bar_is_off_outside():
    out = io.StringIO()
    bar = ProgressBar(out=out)
    bar.register()
    bar.unregister()
    da.ones(4, chunks=2).sum().compute()
    assert out.getvalue() == ""


def test_progress_bar_after_an_error():
    out = io.StringIO()

    def fail(block):
        raise ZeroDivisionError("no")

    with ProgressBar(out=out), pytest.raises(ZeroDivisionError):
        da.ones(4, chunks=2).map_blocks(fail, dtype=float).compute()
    assert out.getvalue().endswith("\n")
    assert "100%" not in out.getvalue()
