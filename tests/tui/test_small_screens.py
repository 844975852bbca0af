"""Small terminals: what does not fit is left out with a sign, and what matters stays in view."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playhead_tui.dialogs.dialog import Choice, Menu, Prompt
from playhead_tui.dialogs.result_editor import ResultEditor
from playhead_tui.drawing.document import Line
from playhead_tui.drawing.glyphs import UNICODE
from playhead_tui.drawing.palette import Palette
from playhead_tui.sources.clipboard import LIMIT
from playhead_tui.widgets.chips import fitted
from playhead_tui.widgets.group_list import Column, GroupList
from playhead_tui.widgets.text_pane import TextPane, tabs_in_view
from rich.cells import cell_len
from rich.style import Style
from textual.widgets import Input, OptionList, TextArea
from textual.widgets._toast import Toast
from tui_fakes import FakeControl, FakeReader
from tui_replays import connecting, opened
from tui_stories import details

NAMES = ("Conversation", "Attempts", "State changes", "Calls", "Trace", "Events")


@pytest.fixture
def source() -> FakeReader:
    found = FakeReader()
    found.details = details(found.rows)
    return found


@pytest.mark.parametrize("width", [200, 79, 39, 19, 5])
def test_the_selected_tab_is_among_those_that_fit(width: int) -> None:
    for selected in range(len(NAMES)):
        shown = tabs_in_view(NAMES, selected, width)
        assert selected in shown
        cells = sum(len(NAMES[one]) + 2 for one in shown)
        signs = 2 * ((shown.start > 0) + (shown.stop < len(NAMES)))
        assert cells + signs <= width or len(shown) == 1
    assert tabs_in_view(NAMES, 0, 200) == range(len(NAMES))


async def test_the_names_of_tabs_are_whole_and_show_that_there_are_more(
    stage: Any, source: FakeReader
) -> None:
    async with stage(source, size=(40, 10)) as s:
        await s.until(lambda: s.app.screen.listing.rows)
        s.app.open_invocation("inv_1aWeather")
        await s.until(lambda: getattr(s.app.screen, "detail", None))
        await s.press("v")
        await s.until(lambda: hasattr(s.app.screen, "pane"))
        pane = s.app.screen.pane
        for number, name in enumerate(NAMES, 1):
            await s.press(str(number))
            await s.until(lambda number=number: pane.tab == number - 1)
            head = pane.render_line(0).text
            assert f" {name} " in head
            assert set(head.split()) <= {"…", *" ".join(NAMES).split()}, head
            assert "…" in head


@pytest.mark.parametrize("width", [200, 76, 36, 16])
def test_chips_fit_and_cut_texts_say_so(width: int) -> None:
    chips = ['/ service:WeatherAgent error:"rate limit"', "errors only", "held, +12"]
    tail = "the newest 200 of 1,234,567 found, 12.3k/4.5k tokens, $1.23"
    texts, shown = fitted(chips, tail, width)
    rest = f"+{len(chips) - len(texts)} " if len(texts) < len(chips) else ""
    assert sum(cell_len(text) + 3 for text in texts) + cell_len(rest + shown) <= width
    assert all(text == chip or text.endswith("…") for text, chip in zip(texts, chips, strict=False))
    assert shown == "" or tail == shown or tail.startswith(f"{shown}, ")
    assert fitted(chips, tail, 200) == (chips, tail)
    assert fitted([f"/ {'denver ' * 10}"], tail, 200)[0] == [f"/ {'denver ' * 10}".strip()]


@pytest.mark.parametrize("size", [(40, 10), (20, 5)])
async def test_dialogs_keep_what_is_asked_in_view(
    stage: Any, source: FakeReader, size: tuple[int, int]
) -> None:
    body = [Line(f"line {number} of what is said before the question") for number in range(9)]
    async with stage(source, size=size) as s:
        await s.until(lambda: s.app.connection)
        whole = s.app.screen.region
        s.app.push_screen(Prompt("Into which file?", body, value="result.csv"))
        await s.until(lambda: s.app.screen.query(Input) and s.app.screen.query_one(Input).size)
        assert whole.contains_region(s.app.screen.query_one(Input).region)
        await s.press("escape")
        choices = [Choice(letter, letter * 3) for letter in "abcdef"]
        s.app.push_screen(Menu("Which one?", choices, body))
        await s.until(
            lambda: s.app.screen.query(OptionList) and s.app.screen.query_one(OptionList).size
        )
        options = s.app.screen.query_one(OptionList)
        assert whole.contains_region(options.region)
        assert options.size.height >= 2


async def test_the_whole_text_of_a_dialog_can_be_read(stage: Any, source: FakeReader) -> None:
    body = [Line(f"line {number}") for number in range(9)]
    async with stage(source, size=(40, 10)) as s:
        s.app.push_screen(Menu("Which one?", [Choice("a", "A")], body))
        await s.until(lambda: s.app.screen.query(".body") and s.app.screen.query_one(".body").size)
        await s.shows("line 0")
        assert "line 8" not in s.text
        await s.press("ctrl+d", "ctrl+d")
        await s.shows("line 8")


@pytest.mark.parametrize("size", [(60, 15), (80, 12), (40, 10)])
async def test_the_choices_of_a_dialog_are_next_to_a_short_text(
    stage: Any, source: FakeReader, size: tuple[int, int]
) -> None:
    async with stage(source, size=size) as s:
        s.app.push_screen(Menu("Which one?", [Choice("a", "A"), Choice("b", "B")], [Line("why")]))
        await s.shows("a  A")

        def lines() -> list[int]:
            shown = s.text.splitlines()
            return [next(n for n, one in enumerate(shown) if t in one) for t in ("why", "a  A")]

        await s.until(lambda: lines()[1] - lines()[0] == 1)


async def test_toasts_are_as_wide_as_a_narrow_terminal(stage: Any, source: FakeReader) -> None:
    async with stage(source, size=(40, 10)) as s:
        s.app.notify("Started a recorder on /home/ada/playhead; it ends with the dashboard.")
        await s.until(lambda: s.app.screen.query(Toast) and s.app.screen.query_one(Toast).size)
        toast = s.app.screen.query_one(Toast)
        assert toast.region.width > 35
        assert toast.region.height <= 3


async def test_the_title_of_the_console_leaves_out_what_does_not_fit(
    stage: Any, source: FakeReader
) -> None:
    async with stage(source, size=(40, 10)) as s:
        await s.press("Q")
        await s.shows("store (DuckDB)")
        assert "ctrl+t" not in s.app.screen.query_one("#title").render_line(0).text
        await s.pilot.resize_terminal(80, 24)
        await s.shows("ctrl+t: Restate server")


async def test_a_pending_answer_names_its_key_in_full_or_not_at_all(
    stage: Any, source: FakeReader
) -> None:
    async with stage(source, FakeControl(), size=(40, 10)) as s:
        await s.until(lambda: s.app.screen.listing.rows)
        s.app.open_invocation("inv_1bApprove")
        await s.shows("Waiting for")
        [line] = [line for line in s.text.splitlines() if "Waiting for" in line]
        assert not line.endswith(("a", "a a", "a an", "a ans", "a answ", "a answe"))
        await s.pilot.resize_terminal(120, 30)
        await s.shows("a answer")


def saved_lengths(folder: Path) -> list[int]:
    return [path.stat().st_size for path in folder.rglob("copied.txt")]


async def test_what_is_too_large_for_every_terminal_is_only_saved(
    stage: Any, source: FakeReader, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    async with stage(source, size=(120, 30)) as s:
        s.app.copy_text("x" * (LIMIT + 1))
        await s.shows("Too large for the clipboard")
        assert s.app.clipboard == ""
        assert saved_lengths(tmp_path) == [LIMIT + 1]
        s.app.copy_text("y" * LIMIT)
        assert len(s.app.clipboard) == LIMIT


async def test_answers_of_models_are_named_in_a_narrow_timeline(
    stage: Any, source: FakeReader
) -> None:
    async with stage(source, size=(40, 24)) as s:
        await s.until(lambda: s.app.screen.listing.rows)
        s.app.open_invocation("inv_1bApprove")
        await s.shows("→ refund(")


async def test_the_panes_of_a_replay_have_room_in_a_small_terminal(stage: Any) -> None:
    async with stage(None, connect=connecting("run_ok"), size=(40, 10)) as s:
        screen = await opened(s)
        for key, pane in (("2", "stop"), ("1", "source"), ("3", "steps")):
            await s.press(key)
            shown = screen.panes.query_one(f"#{pane}")
            await s.until(lambda shown=shown: shown.has_focus and shown.size.height >= 3)
            await s.press("escape")
        await s.press("1", "e")
        await s.until(lambda: isinstance(s.app.screen, ResultEditor))
        await s.until(lambda: s.app.screen.query_one(TextArea).size.height >= 3)
        keys = s.text.splitlines()[-2]
        assert "Close" in keys
        assert "Value" not in keys or "Value or error" in keys


def figures_of(names: Sequence[str]) -> GroupList[str]:
    def style(row: str, palette: Palette) -> Style:
        return palette.text

    columns = (
        Column("NAME", 8, lambda row: row, style, flexible=True, importance=9),
        Column("OTHER", 20, lambda row: row[:2], style, flexible=True, importance=5),
        Column("CALLS", 5, lambda row: "1", style, right=True, importance=7),
    )
    listing = GroupList(columns, lambda row: row, glyphs=UNICODE)
    listing.show_rows(names)
    return listing


def test_columns_of_short_texts_leave_room_for_long_ones() -> None:
    long = "a name of 26 cells, in all"
    widths = {c.heading: width for c, width in figures_of([long, "b"]).widths(42)}
    assert widths == {"NAME": len(long), "OTHER": len("OTHER"), "CALLS": 5}
    narrow = {c.heading: width for c, width in figures_of([long]).widths(30)}
    assert narrow == {"NAME": 16, "OTHER": 5, "CALLS": 5}
    least = {c.heading: width for c, width in figures_of([long]).widths(17)}
    assert least == {"NAME": 10, "CALLS": 5}


async def test_the_keys_in_help_are_whole_and_leave_room_for_their_texts(
    stage: Any, source: FakeReader
) -> None:
    async with stage(source, size=(20, 24)) as s:
        await s.until(lambda: s.app.screen.listing.rows)
        await s.press("question_mark")
        await s.until(lambda: hasattr(s.app.screen, "keys"))
        pane = s.app.screen.query_one(TextPane)
        await s.until(lambda: pane.virtual_size.height > 50)
        lines = []
        for _ in range(pane.virtual_size.height):
            lines += [pane.render_line(y).text.strip() for y in range(1, pane.size.height)]
            pane.scroll_to(y=pane.scroll_y + 1, animate=False)
        assert "e   Errors" in lines
        assert "ctrl+d pgdn" in lines
        assert not [line for line in lines if line.endswith("…")]
        wide = next(line for line in lines if line.startswith("x "))
        assert wide.split(maxsplit=1)[1] == "Actions"


@pytest.mark.parametrize("width", [20, 24, 28, 32, 40])
async def test_the_counts_of_the_first_line_are_whole(
    stage: Any, source: FakeReader, width: int
) -> None:
    source.rows = [replace(row, id=f"{row.id}{n}") for n in range(11) for row in source.rows]
    async with stage(source, size=(width, 10)) as s:
        await s.until(lambda: s.app.screen.listing.rows)
        head = s.text.splitlines()[0].removeprefix(" Playhead").strip()
        counters = head.removesuffix("…").removesuffix(" total").split("  ")
        known = Counter(row.status for row in source.rows)
        numbers = {str(number) for number in known.values()} | {str(len(source.rows))}
        assert all(text.split()[-1] in numbers for text in counters if text), head
        assert head.endswith(("…", "total")), head
