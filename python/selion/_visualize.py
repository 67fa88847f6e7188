"""Pictures of what computing will do."""

from __future__ import annotations

import os

from selion import _selion
from selion._base import _gather, _parts

__all__ = ["Picture", "visualize"]

_FORMATS = ("svg", "png", "pdf", "dot")


class Picture:
    """A picture of a graph, which notebooks show.

    Attributes
    ----------
    data : bytes
        What a file of it holds.
    format : {"svg", "png", "pdf", "dot"}
    """

    def __init__(self, data: bytes, format: str):
        self.data, self.format = data, format

    def __repr__(self):
        return f"<picture of a graph, {self.format}, {len(self.data)} bytes>"

    def _repr_mimebundle_(self, include=None, exclude=None):
        kinds = {
            "svg": ("image/svg+xml", self.data.decode),
            "png": ("image/png", lambda: self.data),
            "pdf": ("application/pdf", lambda: self.data),
            "dot": ("text/plain", self.data.decode),
        }
        kind, show = kinds[self.format]
        return {kind: show()}


def visualize(
    *args,
    filename="mydask",
    traverse: bool = True,
    optimize_graph: bool = False,
    format: str | None = None,
    rankdir: str = "BT",
    color: str | None = None,
    collapse_outputs: bool = False,
) -> Picture:
    """Draw what computing collections will do: circles for functions, boxes for what they make. No Graphviz is needed.

    Parameters
    ----------
    args : object
        Collections, or containers with collections in them.
    filename : str or None
        The file to write, without or with the format as its extension; ``None`` writes none.
    format : {"png", "svg", "pdf", "dot"}, optional
        By default that of the file's name, else "png".
    rankdir : {"BT", "TB", "LR", "RL"}
        Where data flows: from the bottom to the top, and so on.
    color : {None, "order"}
        "order" shows in which order tasks start.
    optimize_graph : bool
        Whether to draw the tasks as they will run, with everything fused that can be, or every operation by itself.
    collapse_outputs : bool
        Whether a task and what it makes are drawn as one.

    Returns
    -------
    Picture
        Which notebooks show.

    Raises
    ------
    ValueError
        If the graph has too many nodes for anybody to read; the message says how many and what to do. For a format, a
        direction or a colour that there is not.
    TypeError
        If there is nothing to draw.

    Examples
    --------
    >>> import selion
    >>> inc = selion.delayed(lambda x: x + 1)
    >>> selion.visualize(inc(inc(1)), filename=None, format="svg", rankdir="LR").data[:4]
    b'<svg'
    """
    found = _gather(args, traverse)
    if not found:
        raise TypeError("visualize needs at least one collection")
    if color not in (None, "order"):
        raise ValueError(f"color is None or 'order', not {color!r}")
    extension = "" if filename is None else os.path.splitext(os.fspath(filename))[1]
    if format is None:
        format = extension[1:] if extension[1:] in _FORMATS else "png"
    if format not in _FORMATS:
        raise ValueError(f"format is one of {', '.join(_FORMATS)}, not {format!r}")
    parts, _ = _parts(found)
    picture = Picture(
        _selion.picture(parts, format, rankdir or "BT", color == "order", optimize_graph, collapse_outputs), format
    )
    if filename is not None:
        name = os.fspath(filename) if extension == f".{format}" else f"{os.fspath(filename)}.{format}"
        with open(name, "wb") as file:
            file.write(picture.data)
    return picture
