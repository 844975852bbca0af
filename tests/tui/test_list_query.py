"""The query of the list: filter, errors only, order."""

from __future__ import annotations

import random
from dataclasses import replace

from playhead.model import SORTS, Order
from playhead_tui.sources.list_query import ListQuery
from tui_fakes import NOW, some_rows


def test_every_word_must_be_found_in_some_column() -> None:
    rows = some_rows()
    shown = ListQuery(text="weather BACKING").apply(rows, NOW)
    assert [row.id for row in shown] == ["inv_1aWeather"]
    assert ListQuery(text="[bold red]").apply(rows, NOW)[0].id == "inv_1iFail"
    assert ListQuery(text="no such thing").apply(rows, NOW) == ()


def test_errors_only_includes_retrying_invocations() -> None:
    shown = {row.status for row in ListQuery(errors_only=True).apply(some_rows(), NOW)}
    assert shown == {"failed", "killed", "backing-off", "paused"}


def test_the_order_does_not_depend_on_the_order_read() -> None:
    rows = some_rows()
    rows += [replace(row, id=row.id + "x") for row in rows]
    pick = random.Random(1)
    for sort in SORTS:
        for reverse in (False, True):
            wanted = ListQuery(sort=sort, reverse=reverse).apply(rows, NOW)
            pick.shuffle(rows)
            assert ListQuery(sort=sort, reverse=reverse).apply(rows, NOW) == wanted
            values = [SORTS[sort](row, NOW) for row in wanted]
            assert values == sorted(values, reverse=not Order(sort, reverse).ascending)
