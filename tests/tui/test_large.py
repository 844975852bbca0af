"""Large journals and payloads stay responsive; cuts are marked."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from playhead_tui.screens import invocation_reads
from playhead_tui.screens.invocation import InvocationScreen
from playhead_tui.widgets.waterfall import Waterfall
from tui_fakes import FakeReader
from tui_stories import long_journal, step, step_row

# benchmarks/invocation_screen.py compares the time of keys on 20,000 rows with that on 40 rows.


async def test_20_000_entries_open_scroll_and_refresh(
    stage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []
    draw = Waterfall.draw_row

    def counted(self: Waterfall, row: Any, width: int, palette: Any) -> Any:
        drawn.append(row)
        return draw(self, row, width, palette)

    monkeypatch.setattr(Waterfall, "draw_row", counted)
    source = FakeReader()
    row = source.rows[0]
    source.details[row.id] = long_journal(row, 20_000)
    async with stage(source) as s:
        s.app.open_invocation(row.id)
        await s.until(lambda: getattr(s.app.screen, "detail", None))
        await s.until(lambda: len(s.app.screen.waterfall.rows) == 20_000)
        screen = s.app.screen
        for key in ("G", "g", "j", "ctrl+d", "ctrl+u", "e", "escape", "right_square_bracket"):
            drawn.clear()
            await s.press(key)
            # A few repaints of the visible rows, never of the whole journal.
            assert len(drawn) <= 10 * screen.size.height, key
            assert key != "G" or drawn
            assert key != "j" or len(drawn) == 2, "the cursor left one line for the next"
        await s.press("slash", *"19999", "enter")
        await s.until(lambda: screen.waterfall.cursor == "step:19999")
        assert len(screen.waterfall.rows) == 1


async def test_a_megabyte_opens_at_once_and_its_cut_is_marked(stage) -> None:
    source = FakeReader()
    row = source.rows[0]
    big = {"items": [{"n": n, "text": "lorem ipsum 東京 " * 5} for n in range(10_000)]}
    big_step = step(row.created_at, 0, 1, "run", "big", 1, input="x" * 1_000_000, output=big)
    detail = long_journal(row, 1)
    source.details[row.id] = replace(detail, timeline=(step_row(big_step, 0),))
    async with stage(source) as s:
        s.app.open_invocation(row.id)
        await s.shows("xxxxxx")
        inspector = s.app.screen.inspector
        for name in ("Input", "Output"):
            await s.press("right_square_bracket")
            assert inspector.tabs[inspector.tab] == name
            assert inspector.text.endswith("not shown; y copies all")
            await s.press("2")
            await s.until(lambda: inspector.has_focus)
            await s.press("G")
            await s.shows("copies")


async def test_a_result_that_was_too_large_is_read_in_a_tab_of_its_own(stage) -> None:
    source = FakeReader()
    row = source.rows[0]
    unread = step(row.created_at, 0, 1, "run", "big", 1, notification_index=2)
    source.details[row.id] = replace(long_journal(row, 1), timeline=(step_row(unread, 0),))
    async with stage(source) as s:
        s.app.open_invocation(row.id)
        await s.shows("None, or too large to load here")
        inspector = s.app.screen.inspector
        assert list(inspector.tabs) == ["Overview", "Payload", "Raw"]
        await s.press("right_square_bracket")
        await s.until(lambda: "payload 2" in inspector.text)
        await s.press("right_square_bracket")
        await s.until(lambda: "..entry 2" in inspector.text)


async def test_an_invocation_that_is_opened_is_read_once(
    stage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(FakeReader):
        """A reader whose answers about invocations wait until they are allowed."""

        def __init__(self) -> None:
            super().__init__()
            self.reads = 0
            self.allowed = asyncio.Event()

        async def invocation(self, invocation_id: str, **options: Any) -> Any:
            self.reads += 1
            await self.allowed.wait()
            return await super().invocation(invocation_id, **options)

    monkeypatch.setattr(InvocationScreen, "SECONDS", 3600.0)
    monkeypatch.setattr(invocation_reads, "ENDED_SECONDS", 3600.0)
    source = Slow()
    async with stage(source) as s:
        s.app.open_invocation(source.rows[0].id)
        await s.until(lambda: source.reads and isinstance(s.app.screen, InvocationScreen))
        source.allowed.set()
        await s.until(lambda: s.app.screen.detail)
        assert source.reads == 1
        await s.press("question_mark")
        await s.press("escape")
        await s.until(lambda: source.reads == 2)
