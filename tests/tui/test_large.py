"""Large journals and payloads stay responsive; cuts are marked."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import weakref
from dataclasses import replace
from typing import Any

import pytest
from playhead.model import Span
from playhead_tui.screens import invocation_reads
from playhead_tui.screens.invocation import InvocationScreen
from playhead_tui.widgets.waterfall import Waterfall
from tui_fakes import FakeReader
from tui_stories import long_journal, span, span_row, step, step_row

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
            assert inspector.text.endswith("not shown; y copies or saves all")
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
        await s.until(lambda: "Journal entry #2" in inspector.text)
        assert inspector.text.count("0a 05 65 6e 74 72 79 20  ..entry ") == 2
        assert re.findall(r"000008  (3\d) +(\d)", inspector.text) == [("31", "1"), ("32", "2")]


class Content(dict[str, Any]):
    """A content that can be observed until it is gone."""


async def test_a_large_content_is_dropped_once_its_first_lines_are_shown(stage: Any) -> None:
    class Large(FakeReader):
        """A reader of one content."""

        async def payload(self, invocation_id: str, index: int) -> Any:
            content = Content(text="x" * 1_000_000)
            seen.append(weakref.ref(content))
            return content

    seen: list[weakref.ref[Content]] = []
    source = Large()
    row = source.rows[0]
    unread = step(row.created_at, 0, 1, "run", "big", 1, raw_length=1_000_000)
    source.details[row.id] = replace(long_journal(row, 1), timeline=(step_row(unread, 0),))
    async with stage(source) as s:
        s.app.open_invocation(row.id)
        await s.shows("None, or too large to load here")
        inspector = s.app.screen.inspector
        await s.press("right_square_bracket")
        await s.until(lambda: "rest is not shown" in inspector.text)
        await s.until(lambda: gc.collect() >= 0 and seen[0]() is None)
        assert len(inspector.text) < 250_000
        await s.press("left_square_bracket", "right_square_bracket")
        await s.until(lambda: "rest is not shown" in inspector.text)
        assert len(seen) == 1, "its lines are kept"


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


async def test_what_an_outline_leaves_out_is_read_when_a_row_is_selected(stage: Any) -> None:
    source = FakeReader()
    row = source.rows[0]

    def chat(number: int, text: str) -> Span:
        said = [{"role": "user", "parts": [{"type": "text", "content": text}]}]
        return span(
            row.created_at, number, 0.5, f"chat {number}", f"{number:016x}",
            attributes={"gen_ai.operation.name": "chat",
                        "gen_ai.input.messages": json.dumps(said)},
        )  # fmt: skip

    whole = [chat(1, "[b]Denver[/b]?"), chat(2, "Paris?"), chat(3, "Rome?")]
    source.stored_spans = {one.span_id: one for one in whole[:2]}
    short = {"gen_ai.operation.name": "chat"}
    outlines = tuple(replace(one, attributes=short, truncated=True) for one in whole)
    rows = tuple(span_row(one, 0) for one in outlines)
    source.details[row.id] = replace(long_journal(row, 0), spans=outlines, timeline=rows)
    async with stage(source) as s:
        s.app.open_invocation(row.id)
        await s.until(lambda: getattr(s.app.screen, "detail", None))
        inspector = s.app.screen.inspector
        await s.until(lambda: "Messages" in inspector.tabs)
        await s.press("right_square_bracket")
        await s.shows("[b]Denver[/b]?")
        await s.press("j")
        await s.shows("Paris?")
        assert inspector.row.span == whole[1]
        await s.press("j")
        await s.shows("The store no longer has it.")
        await s.press("v")
        await s.shows("Paris?")
        assert s.text.count("The prompt is not recorded.") == 1
        await s.press("escape")
        assert not source.forgotten
        screen, waterfall = s.app.screen, s.app.screen.waterfall
        assert waterfall.timeline
        await s.press("escape")
        await s.until(lambda: source.forgotten == [row.id])
        assert screen.detail is None
        assert not waterfall.timeline
        assert not waterfall.rows


async def test_contents_that_cannot_be_read_say_why(stage: Any) -> None:
    class Failing(FakeReader):
        async def spans(self, invocation_id: str, span_ids: Any) -> list[Span]:
            raise ValueError("no recorder answers")

    source = Failing()
    row = source.rows[0]
    one = span(
        row.created_at, 1, 0.5, "chat", "1" * 16, attributes={"gen_ai.operation.name": "chat"}
    )
    one = replace(one, truncated=True)
    detail = replace(long_journal(row, 0), spans=(one,), timeline=(span_row(one, 0),))
    source.details[row.id] = detail
    async with stage(source) as s:
        s.app.open_invocation(row.id)
        await s.until(lambda: getattr(s.app.screen, "detail", None))
        await s.until(lambda: "Messages" in s.app.screen.inspector.tabs)
        await s.press("right_square_bracket")
        await s.shows("Cannot be read: no recorder answers")
