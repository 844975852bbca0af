"""The timeline: visible rows, time scale, bars."""

from __future__ import annotations

import random
from datetime import timedelta
from itertools import pairwise

import pytest
from playhead.reader.invocation.time_axis import Axis, idle
from playhead_tui.drawing.glyphs import ASCII, UNICODE
from playhead_tui.timeline.bar_canvas import BarCanvas
from playhead_tui.timeline.folding import fold, row_fails, row_matches
from rich.cells import cell_len
from rich.style import Style
from tui_fakes import NOW, some_rows
from tui_stories import details

STYLE = Style(color="red")


def at(seconds: float):
    return NOW + timedelta(seconds=seconds)


def drawn(canvas: BarCanvas) -> str:
    return "".join(segment.text for segment in canvas.segments())


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_every_bar_leaves_a_mark_inside_the_canvas(glyphs) -> None:
    pick = random.Random(7)
    for _ in range(2000):
        width = pick.randint(1, 60)
        start = pick.uniform(0, width)
        end = min(width, start + pick.choice([0, 0.01, 0.3, 1, 7, 100]) * pick.random())
        canvas = BarCanvas(width, glyphs)
        canvas.bar(start, end, STYLE)
        text = drawn(canvas)
        assert cell_len(text) == width
        assert text.strip(), (start, end, width)


def test_a_bar_is_exact_to_an_eighth() -> None:
    canvas = BarCanvas(4, UNICODE)
    canvas.bar(0, 2.5, STYLE)
    assert drawn(canvas) == "██▌ "
    canvas = BarCanvas(4, UNICODE)
    canvas.bar(0.5, 2, STYLE)
    first = next(iter(canvas.segments()))
    assert (first.text, first.style.reverse) == ("▌", True)


def test_the_scale_is_monotonic_and_reaches_the_edges() -> None:
    pick = random.Random(3)
    for _ in range(300):
        marks = sorted(pick.uniform(0, 100) for _ in range(6))
        gaps = [(at(marks[0]), at(marks[1])), (at(marks[3]), at(marks[4]))]
        axis = Axis(at(0), at(100), 50, gaps)
        cells = [axis.at(s / 3) for s in range(301)]
        assert cells == sorted(cells)
        assert (cells[0], cells[-1]) == (0.0, pytest.approx(50.0))
        columns = [column for column, _ in axis.ticks()]
        assert columns == sorted(columns)
        assert all(b - a >= 9 for a, b in pairwise(columns))


def test_only_long_idle_time_is_cut() -> None:
    axis = Axis(at(0), at(100), 50, [(at(10), at(90)), (at(95), at(96))])
    assert axis.cuts == [(10.0, 90.0)]
    assert axis.at(90) - axis.at(10) == pytest.approx(4)
    assert Axis(at(0), at(1), 50, [(at(0.1), at(0.9))]).cuts == []


def test_work_is_never_idle() -> None:
    rows = some_rows()
    detail = details(rows)["inv_1aWeather"]
    start = min(row.started_at for row in detail.timeline if row.started_at)
    gaps = idle(detail.timeline, start, NOW)
    for row in detail.timeline:
        if row.span and row.ended_at and row.span.name.startswith(("chat", "execute_tool")):
            begin, end = row.span.start, row.ended_at
            assert all(end <= a or begin >= b for a, b in gaps)
    assert len([1 for a, b in gaps if (b - a).total_seconds() > 1]) >= 2


def test_folding_hides_descendants_only() -> None:
    timeline = details(some_rows())["inv_1aWeather"].timeline
    visible = fold(timeline, {"attempt:1"})
    assert [f.row.key for f in visible] == [
        "attempt:1", "attempt:2", "span:a5", "attempt:3", "span:a6"
    ]  # fmt: skip
    assert visible[0].folded
    assert len(fold(timeline, set())) == len(timeline)


def test_a_match_keeps_the_rows_above_it_even_when_folded() -> None:
    timeline = details(some_rows())["inv_1aWeather"].timeline
    visible = fold(timeline, {"attempt:1"}, lambda row: row_matches(row, "chat"))
    assert [(f.row.key, f.match) for f in visible] == [
        ("attempt:1", False), ("span:a1", False), ("step:2", False), ("span:a2", True)
    ]  # fmt: skip
    failing = [f.row.key for f in fold(timeline, set(), row_fails) if f.match]
    assert "step:5" in failing
    assert "step:2" not in failing
