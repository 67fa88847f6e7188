"""Profiles and their pictures."""

import io
import itertools
import os
import re
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import cloudpickle
import pytest

import selion
import selion.array as da
from selion import delayed
from selion.diagnostics import Profiler, ProgressBar, ResourceProfiler, visualize

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # is not known in other processes


def nap(x):
    time.sleep(0.01)
    return x


def test_each_task_is_noted_once():
    before = time.time()
    values = [delayed(nap)(k, dask_key_name=f"nap-{k}") for k in range(8)]
    with Profiler() as prof:
        assert delayed(sum)(values, dask_key_name="total").compute(num_workers=2) == 28
    assert sorted(task.key for task in prof.results) == sorted([*(f"nap-{k}" for k in range(8)), "total"])
    assert [task.task for task in prof.results] == ["nap"] * 8 + ["sum"]
    workers = {task.worker_id for task in prof.results}
    assert workers == set(range(len(workers)))
    for task in prof.results[:8]:
        assert before - 0.1 < task.start_time < task.end_time < time.time() + 0.1
        assert task.end_time - task.start_time > 0.009
        same = [other for other in prof.results if other.worker_id == task.worker_id]
        assert all(a.end_time <= b.start_time for a, b in itertools.pairwise(same))
    assert prof.results[-1].start_time >= max(task.end_time for task in prof.results[:-1])


@pytest.mark.parametrize("scheduler", ["threads", "synchronous", "processes"])
def test_every_scheduler_is_noted(scheduler):
    with Profiler() as prof:
        (da.ones((10, 10), chunks=5) + 1).sum().compute(scheduler=scheduler)
        delayed(abs)(-1).compute(scheduler=scheduler)
    assert "abs" in {task.task for task in prof.results}
    assert len(prof.results) == 2


def test_registered_it_gathers_until_it_is_cleared():
    prof = Profiler()
    prof.register()
    prof.register()
    delayed(nap)(1).compute()
    delayed(nap)(1).compute()
    prof.unregister()
    delayed(nap)(1).compute()
    assert len(prof.results) == 2
    with prof:
        delayed(nap)(1).compute()
    assert len(prof.results) == 1
    prof.clear()
    assert prof.results == []


def test_tasks_in_tasks_failures_and_retries():
    tries = []

    def flaky():
        tries.append(1)
        if len(tries) < 3:
            raise OSError

    def fails():
        raise LookupError

    with selion.annotate(retries=2):
        again = delayed(flaky)()
    with Profiler() as prof:
        delayed(lambda: delayed(nap)(1).compute())().compute()
        again.compute()
        with pytest.raises(LookupError):
            delayed(fails)().compute()
    assert [task.task for task in prof.results] == ["<lambda>", "nap", "flaky"]
    outer, inner, _ = prof.results
    assert outer.start_time <= inner.start_time <= inner.end_time <= outer.end_time


def test_threads_that_compute_at_once_are_told_apart():
    with Profiler() as prof:
        threads = [threading.Thread(target=delayed(nap)(1).compute) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(prof.results) == 4


def test_resources_are_noted_all_the_time_within():
    with ResourceProfiler(dt=0.02) as prof:
        end = time.process_time() + 0.4
        while time.process_time() < end:
            pass
    assert len(prof.results) > 2
    assert all(10 < look.mem < 1e6 for look in prof.results)
    assert max(look.cpu for look in prof.results) > 5
    assert all(look.cpu >= 0 for look in prof.results)
    assert [look.time for look in prof.results] == sorted(look.time for look in prof.results)


def test_registered_resources_are_noted_while_something_runs():
    prof = ResourceProfiler(dt=0.01)
    prof.register()
    try:
        time.sleep(0.1)
        assert prof.results == []
        delayed(time.sleep)(0.2).compute()
    finally:
        prof.unregister()
    assert prof.results
    prof.clear()
    assert prof.results == []
    with pytest.raises(ValueError, match="dt must be positive"):
        ResourceProfiler(dt=0)


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="needs /proc")
def test_other_processes_count_too():
    from selion.diagnostics.profile import _family

    delayed(abs)(-1).compute(scheduler="processes")
    assert len(list(_family(os.getpid()))) > 1


def test_without_proc(monkeypatch):
    from selion.diagnostics import profile

    monkeypatch.setattr(profile.os.path, "isdir", lambda path: False)
    cpu, memory = profile._use()
    assert list(cpu) == [os.getpid()]
    assert memory > 1e6


class Checker(HTMLParser):
    """Notes tags that do not close."""

    def __init__(self):
        super().__init__()
        self.open, self.wrong = [], []

    def handle_starttag(self, tag, attrs):
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if self.open.pop() != tag:
            self.wrong.append(tag)


def test_the_page_has_a_bar_for_each_task(tmp_path):
    odd = delayed(nap, name='<a href="x">&')(1, dask_key_name="<b>&\"'")
    with Profiler() as prof, ResourceProfiler(dt=0.01) as use:
        selion.compute(odd, *[delayed(nap)(k) for k in range(20)], da.ones(100, chunks=10).sum())
    page = tmp_path / "profile.html"
    plot = visualize([prof, use], filename=page, show=False)
    text = page.read_text(encoding="utf-8")
    assert text == plot.html
    checker = Checker()
    checker.feed(text)
    assert checker.wrong == checker.open == []
    assert not re.findall(r"<script|<link|src=|https?://(?!www\.w3\.org/2000/svg)", text)
    drawings = [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL)]
    assert len(drawings) == 3
    svg = "{http://www.w3.org/2000/svg}"
    bars = [rect for rect in drawings[0].iter(f"{svg}rect") if rect.get("class") == "task"]
    assert len(bars) == len(prof.results) > 21
    said = [bar.find(f"{svg}title").text for bar in bars]
    assert any("<b>&\"'" in title for title in said)
    assert len({bar.get("fill") for bar in bars}) == len({task.task for task in prof.results})
    for bar in bars:
        assert 0 <= float(bar.get("x")) <= float(bar.get("x")) + float(bar.get("width")) <= 1000
    for drawing in drawings[1:]:
        assert len(list(drawing.iter(f"{svg}circle"))) == len(use.results)
    assert plot._repr_html_() in text


def test_pictures_of_nothing_and_of_one(tmp_path, monkeypatch):
    assert "<svg" in Profiler().visualize(filename=None, show=False).html
    assert "<svg" in ResourceProfiler().visualize(filename=None, show=False).html
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    Profiler().visualize(filename=tmp_path / "a.html")
    assert opened == [f"file://{tmp_path / 'a.html'}"]
    Profiler().visualize(filename=tmp_path / "b.html", save=False)
    assert not (tmp_path / "b.html").exists()
    with pytest.raises(TypeError, match="expected a Profiler or ResourceProfiler, got ProgressBar"):
        visualize([ProgressBar()], show=False)


@pytest.mark.parametrize("scheduler", ["threads", "synchronous", "processes"])
def test_the_bar_shows_delayed_functions(scheduler):
    out = io.StringIO()
    bar = ProgressBar(minimum=0, width=10, dt=0.01, out=out)
    with bar:
        selion.compute(*[delayed(time.sleep)(0.01) for _ in range(6)], scheduler=scheduler)
    assert out.getvalue().endswith("s\n")
    assert "[##########] | 100% Completed" in out.getvalue()
    assert bar.last_duration > 0
    late = io.StringIO()
    with ProgressBar(minimum=5, out=late):
        delayed(abs)(-1).compute(scheduler=scheduler)
    assert late.getvalue() == ""


def test_the_bar_registered():
    out = io.StringIO()
    bar = ProgressBar(dt=0.01, out=out)
    bar.register()
    delayed(nap)(1).compute()
    bar.unregister()
    shown = out.getvalue()
    assert "100% Completed" in shown
    delayed(nap)(1).compute()
    assert out.getvalue() == shown
