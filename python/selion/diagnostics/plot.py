"""Profiles as pictures: one page of HTML that needs nothing else."""

from __future__ import annotations

import itertools
import math
import os
import webbrowser
from html import escape

from selion.diagnostics.profile import Profiler, ResourceProfiler

__all__ = ["Plot", "visualize"]

_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 20, 28, 40  # margins of a panel
_ROW = 24  # of a thread
_HEIGHT = 120  # of a curve
_STYLE = """
.selion-profile { font: 12px system-ui, sans-serif; color: #333; background: #fff; }
.selion-profile text { font: 11px system-ui, sans-serif; fill: #444; }
.selion-profile .title { font-size: 13px; font-weight: 600; }
.selion-profile .grid { stroke: #ddd; }
.selion-profile .frame { stroke: #999; }
.selion-profile .task { stroke: #fff; stroke-width: 0.5; }
.selion-profile .task:hover { stroke: #000; stroke-width: 1; }
.selion-profile .curve { fill: none; stroke-width: 1.5; }
.selion-profile .key { display: inline-block; margin-right: 14px; white-space: nowrap; }
.selion-profile .key i { display: inline-block; width: 10px; height: 10px; margin-right: 5px; }
"""


class Plot:
    """A picture of profiles. A notebook shows it; ``html`` is the page."""

    def __init__(self, body: str, title: str):
        self._body = f'<div class="selion-profile"><style>{_STYLE}</style>\n{body}\n</div>'
        self.html = (
            f'<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"/><title>{escape(title)}</title></head>\n'
            f"<body>\n{self._body}\n</body>\n</html>\n"
        )

    def _repr_html_(self) -> str:
        return self._body


def visualize(profilers, filename="profile.html", show=True, save=None, mode=None, *, title="Profile", width=1000):
    """Draw profiles above each other, over one axis of time.

    Tasks are bars in the rows of their threads, with one colour for tasks that do the same; memory and processors are
    curves. A bar or point says more when the mouse is over it.

    Parameters
    ----------
    profilers : Profiler, ResourceProfiler or list of them
    filename : path, optional
        Where to write the page.
    show : bool
        Whether to open the page in a browser.
    save : bool, optional
        Whether to write the page; by default if there is a ``filename``.
    mode : str, optional
        Has no effect: the page needs no other file.
    title : str
    width : int
        In pixels.

    Returns
    -------
    Plot

    Raises
    ------
    TypeError
        If something is no profiler.

    Examples
    --------
    >>> import selion.array as da
    >>> from selion.diagnostics import Profiler, visualize
    >>> with Profiler() as prof:
    ...     total = da.ones(6, chunks=3).sum().compute()
    >>> visualize(prof, filename=None, show=False).html.count('class="task"') == len(prof.results)
    True
    """
    profilers = list(profilers) if isinstance(profilers, (list, tuple)) else [profilers]
    for profiler in profilers:
        if not isinstance(profiler, (Profiler, ResourceProfiler)):
            raise TypeError(f"expected a Profiler or ResourceProfiler, got {type(profiler).__name__}")
    results = [profiler.results for profiler in profilers]
    axis = _Axis.of(results, width)
    panels = []
    for profiler, own in zip(profilers, results, strict=True):
        if isinstance(profiler, Profiler):
            panels.append(_timeline(own, axis))
        else:
            panels.append(_curve([(x.time, x.mem) for x in own], axis, "Memory", "MB", "#3b6fb6"))
            panels.append(_curve([(x.time, x.cpu) for x in own], axis, "Processors", "%", "#c0563a"))
    plot = Plot("\n".join(panels), title)
    if save is None:
        save = filename is not None
    if save:
        with open(filename, "w", encoding="utf-8") as file:
            file.write(plot.html)
        if show:
            webbrowser.open("file://" + os.path.realpath(filename))
    return plot


class _Axis:
    """The axis of time that all panels have."""

    def __init__(self, start: float, end: float, width: float):
        self.start = start
        self.width = width
        self.span = max(end - start, 1e-6)
        self.scale = max(width - _LEFT - _RIGHT, 1) / self.span

    @classmethod
    def of(cls, results, width):
        starts = [x.start_time if hasattr(x, "start_time") else x.time for own in results for x in own]
        ends = [x.end_time if hasattr(x, "end_time") else x.time for own in results for x in own]
        return cls(min(starts, default=0), max(ends, default=1), width)

    def at(self, time: float) -> float:
        return _LEFT + (time - self.start) * self.scale

    def svg(self, bottom: float) -> str:
        step = _step(self.span, 8)
        parts = []
        for k in range(int(self.span / step + 1e-9) + 1):
            x = _LEFT + k * step * self.scale
            parts.append(_line(x, _TOP, x, bottom, "grid"))
            parts.append(_text(x, bottom + 15, _number(k * step), "middle"))
        parts.append(_text(self.width - _RIGHT, bottom + 30, "seconds", "end"))
        parts.append(_line(_LEFT, bottom, self.width - _RIGHT, bottom, "frame"))
        return "".join(parts)


def _timeline(tasks, axis: _Axis) -> str:
    """Bars of tasks, a row for each thread."""
    rows = max((task.worker_id for task in tasks), default=0) + 1
    bottom = _TOP + rows * _ROW
    counts: dict[str, int] = {}
    for task in tasks:
        counts[task.task] = counts.get(task.task, 0) + 1
    colours = dict(zip(counts, _colours(), strict=False))
    parts = [axis.svg(bottom), _text(_LEFT, 16, "Tasks", "start", "title")]
    parts += [_text(_LEFT - 8, _TOP + (row + 0.5) * _ROW + 4, f"thread {row}", "end") for row in range(rows)]
    for key, label, start, end, worker in tasks:
        said = f"{label}\n{key}\n{_duration(end - start)}, from {start - axis.start:.6g} s, thread {worker}"
        parts.append(
            f'<rect class="task" x="{axis.at(start):.2f}" y="{_TOP + worker * _ROW + 2}"'
            f' width="{max((end - start) * axis.scale, 0.5):.2f}" height="{_ROW - 4}" fill="{colours[label]}">'
            f"<title>{escape(said)}</title></rect>"
        )
    keys = "".join(
        f'<span class="key"><i style="background: {colours[label]}"></i>{escape(label)} × {count}</span>'
        for label, count in counts.items()
    )
    return _svg(axis.width, bottom + _BOTTOM, parts) + f'\n<div style="margin-left: {_LEFT}px">{keys}</div>'


def _curve(points, axis: _Axis, name: str, unit: str, colour: str) -> str:
    """One quantity over time."""
    bottom = _TOP + _HEIGHT
    step = _step(max((value for _, value in points), default=1) or 1, 4)
    top = step * math.ceil(max((value for _, value in points), default=1) / step) or step
    height = lambda value: bottom - value / top * _HEIGHT  # noqa: E731
    parts = [axis.svg(bottom), _text(_LEFT, 16, f"{name} ({unit})", "start", "title")]
    for k in range(round(top / step) + 1):
        y = height(k * step)
        parts.append(_line(_LEFT, y, axis.width - _RIGHT, y, "grid"))
        parts.append(_text(_LEFT - 8, y + 4, _number(k * step), "end"))
    line = " ".join(f"{axis.at(time):.2f},{height(value):.2f}" for time, value in points)
    parts.append(f'<polyline class="curve" stroke="{colour}" points="{line}"/>')
    for time, value in points:
        said = f"{_number(value)} {unit} at {time - axis.start:.3g} s"
        parts.append(
            f'<circle cx="{axis.at(time):.2f}" cy="{height(value):.2f}" r="2.5" fill="{colour}">'
            f"<title>{said}</title></circle>"
        )
    return _svg(axis.width, bottom + _BOTTOM, parts)


def _svg(width: float, height: float, parts: list[str]) -> str:
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n' + "\n".join(parts) + "\n</svg>"


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.2f}" y1="{y1:.2f}" x2="{x2:.2f}" y2="{y2:.2f}"/>'


def _text(x: float, y: float, text: str, anchor: str, kind: str = "label") -> str:
    return f'<text class="{kind}" x="{x:.2f}" y="{y:.2f}" text-anchor="{anchor}">{escape(text)}</text>'


def _step(span: float, count: int) -> float:
    """A round number of which about ``count`` make the span."""
    rough = span / count
    power = 10.0 ** math.floor(math.log10(rough))
    return next(k * power for k in (1, 2, 5, 10) if k * power >= rough * 0.999)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.4g}"


def _duration(seconds: float) -> str:
    for unit, size in (("s", 1), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"


def _colours():
    """Colours that differ, without end: steps of the golden angle around the circle of hues."""
    for k in itertools.count():
        yield f"hsl({(210 + k * 137.508) % 360:.0f}, {(60, 45)[k // 8 % 2]}%, {(55, 42, 68)[k // 4 % 3]}%)"
