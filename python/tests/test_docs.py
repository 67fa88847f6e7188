"""The pages of docs/ in Python: each is run from top to bottom."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
# That of clusters speaks of a scheduler which somebody has started.
PAGES = [page.name for page in sorted(DOCS.glob("*.md")) if "```python" in page.read_text() and page.stem != "cluster"]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore:.*consolidated.*")
def test_page(page, capsys):
    pytest.importorskip("dask")
    pytest.importorskip("xarray")
    pytest.importorskip("zarr")
    text = (DOCS / page).read_text()
    names: dict = {}
    for found in re.finditer(r"```python\n(.*?)```", text, re.DOTALL):
        line = text[: found.start()].count("\n") + 1
        exec(compile("\n" * line + found.group(1), str(DOCS / page), "exec"), names)
