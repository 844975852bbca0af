"""Filter and order of the list; folding and filter of the timeline."""

from __future__ import annotations

import random
from dataclasses import replace

from playhead_tui.sources.list_query import SORTS, ListQuery
from playhead_tui.timeline.folding import fold, row_fails, row_matches
from tui_fakes import some_rows
from tui_stories import details


def test_every_word_must_be_found_in_some_column() -> None:
    rows = some_rows()
    shown = ListQuery(text="weather BACKING").apply(rows)
    assert [row.id for row in shown] == ["inv_1aWeather"]
    assert ListQuery(text="[bold red]").apply(rows)[0].id == "inv_1iFail"
    assert ListQuery(text="no such thing").apply(rows) == ()


def test_errors_only_holds_what_fails_now_too() -> None:
    shown = {row.status for row in ListQuery(errors_only=True).apply(some_rows())}
    assert shown == {"failed", "killed", "backing-off", "paused"}


def test_the_order_does_not_depend_on_the_order_read() -> None:
    rows = some_rows()
    rows += [replace(row, id=row.id + "x") for row in rows]
    pick = random.Random(1)
    for sort in SORTS:
        for reverse in (False, True):
            wanted = ListQuery(sort=sort, reverse=reverse).apply(rows)
            pick.shuffle(rows)
            assert ListQuery(sort=sort, reverse=reverse).apply(rows) == wanted
            values = [SORTS[sort](row) for row in wanted]
            assert values == sorted(values, reverse=not reverse)


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
