"""A list draws only the lines that look different, and reads less while changes are reported."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from playhead.record.change_feed import ChangeFeed
from playhead_tui.drawing.inherited_colors import InheritedColors
from playhead_tui.drawing.ink import Ink
from playhead_tui.drawing.palette import DARK, LIGHT
from playhead_tui.drawing.sparse_compositor import SparseCompositor
from playhead_tui.screens.list_reads import ListReads
from playhead_tui.sources.live_rows import RowsUpdate
from playhead_tui.widgets.drawn_line import DrawnLine
from playhead_tui.widgets.invocation_list import InvocationList
from playhead_tui.widgets.list_header import ListHeader
from playhead_tui.widgets.rows import RowsView
from playhead_tui.widgets.title_line import TitleLine, whole_parts
from rich.segment import Segment
from rich.style import Style
from textual._compositor import Compositor
from textual.color import Color
from textual.filter import LineFilter, Monochrome
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget
from tui_fakes import NOW, FakeReader, ago, summary
from tui_stories import details


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the rows that were drawn, in order."""
    ids: list[str] = []
    draw = InvocationList.draw_row

    def note(self: Any, row: Any, width: int, palette: Any) -> Any:
        ids.append(row.id)
        return draw(self, row, width, palette)

    monkeypatch.setattr(InvocationList, "draw_row", note)
    return ids


def hours_old(number: int) -> FakeReader:
    """Return a reader of rows whose ages do not change within a test."""
    return FakeReader([
        summary(f"inv_{n:03}", f"S{n:03}/run", "succeeded", 7200 + n, modified_at=ago(7200 + n))
        for n in range(number)
    ])  # fmt: skip


async def test_only_the_lines_that_changed_are_drawn(
    stage, drawn: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = hours_old(100)
    counted: list[str] = []
    count = InvocationList._age

    def age(self: InvocationList, row: Any) -> str:
        counted.append(row.id)
        return count(self, row)

    monkeypatch.setattr(InvocationList, "_age", age)
    async with stage(source, size=(120, 20)) as s:
        screen = s.app.screen
        await s.shows("S000/run")
        await s.until(lambda: screen.totals.everything)
        await s.pilot.pause()
        drawn.clear()
        counted.clear()
        screen.show_new()
        screen.listing.refresh_changed()
        await s.pilot.pause()
        assert not drawn, "nothing has changed"
        assert not counted, "no time has passed"
        source.rows[4] = replace(source.rows[4], llm_calls=77, modified_at=NOW)
        await s.shows("77")
        assert set(drawn) == {"inv_004"}
        drawn.clear()
        source.rows.append(summary("inv_new", "New/run", "succeeded", 60, modified_at=ago(60)))
        await s.shows("New/run")
        assert set(drawn) == {"inv_new", "inv_000"}, "the others only move; the cursor left one"
        shown = s.text
        screen.listing._strips.clear()
        screen.listing.refresh()
        await s.pilot.pause()
        assert s.text == shown


async def test_an_age_is_drawn_when_its_text_changes(stage, drawn: list[str]) -> None:
    now = [NOW]
    source = hours_old(5)
    source.rows.append(summary("inv_new", "New/run", "succeeded", 5))
    async with stage(source, size=(120, 20), now=lambda: now[0]) as s:
        screen = s.app.screen
        await s.shows("New/run")
        await s.until(lambda: screen.totals.everything)
        await s.pilot.pause()
        drawn.clear()
        now[0] += timedelta(seconds=3)
        await s.shows(" 8s ")
        assert set(drawn) == {"inv_new"}


async def test_all_ages_are_counted_from_one_time(stage) -> None:
    """Moving the cursor draws two lines again; their ages agree with those of the others."""
    now = [NOW]
    source = FakeReader([
        summary(
            f"inv_{n}", f"S{n}/run", "succeeded", 19 + n / 10, modified_at=ago(19 + n / 10),
            took=0,
        )
        for n in range(5)
    ])  # fmt: skip
    async with stage(source, size=(120, 20), now=lambda: now[0]) as s:
        listing = s.app.screen.listing
        await s.shows("S4/run")
        await s.shows(" 20s ")
        listing.refresh_changed = lambda: None  # no tick
        now[0] += timedelta(seconds=7)
        await s.press("j", "j")
        await s.until(lambda: listing.place == 2)
        await s.pilot.pause()
        ages = {line.split("/run")[1].split()[0] for line in s.text.splitlines() if "/run" in line}
        assert ages == {"20s"}


async def test_pages_are_read_less_often_while_the_recorder_reports_changes(stage) -> None:
    source = FakeReader()
    feed = source.feed = ChangeFeed()
    async with stage(source) as s:
        screen = s.app.screen
        await s.until(lambda: screen.fed and screen.reads)
        assert screen.poller.slower() == screen.FED_PAGES_SECONDS
        # Everything is read at once when the recorder ends.
        reads = screen.reads
        source.feed = None
        feed.close()
        await s.until(lambda: not screen.fed)
        assert screen.poller.slower() == 0.0
        await s.until(lambda: screen.reads > reads)


async def test_a_search_that_finds_no_change_reaches_no_handler(
    stage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[RowsUpdate] = []
    handled: list[RowsUpdate] = []
    deliver, handle = ListReads._deliver_rows, ListReads.on_rows_read

    def note(self: ListReads, update: RowsUpdate) -> None:
        found.append(update)
        deliver(self, update)

    def note_handled(self: ListReads, message: Any) -> None:
        handled.append(message.update)
        handle(self, message)

    monkeypatch.setattr(ListReads, "_deliver_rows", note)
    monkeypatch.setattr(ListReads, "on_rows_read", note_handled)
    source = hours_old(5)
    async with stage(source) as s:
        screen = s.app.screen
        await s.until(lambda: len(found) > 1)
        assert not handled
        assert screen.age.answered_at == found[-1].asked
        rows = screen.cache.rows
        assert not screen.cache.refresh(source.rows, (), screen.cache._clock())
        assert screen.cache.rows is rows
        source.rows.append(summary("inv_new", "New/run", "succeeded", 60, modified_at=ago(60)))
        await s.shows("New/run")
        assert [row.id for update in handled for row in update.rows] == ["inv_new"]


async def test_totals_are_not_read_again_while_nothing_has_changed(stage) -> None:
    source = FakeReader()
    source.feed = ChangeFeed()
    async with stage(source) as s:
        screen = s.app.screen
        await s.until(lambda: screen.fed and screen.totals.everything)
        before = screen.totals = replace(screen.totals, changes=screen.changes)
        assert await screen._read_totals() is before
        source.feed.add(["inv_1eLegal"], "spans")
        await s.until(lambda: screen.changes > before.changes)
        assert await screen._read_totals() is not before


async def test_totals_are_read_again_after_an_action(
    stage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was deleted may be out of view, and the server may take a moment for it."""
    monkeypatch.setattr(ListReads, "UNCHANGED_SECONDS", 3600.0)
    monkeypatch.setattr(ListReads, "FED_PAGES_SECONDS", 3600.0)
    monkeypatch.setattr(ListReads, "SETTLED_SECONDS", 0.1)
    source = FakeReader()
    source.feed = ChangeFeed()
    counted: list[int] = []
    totals = source.totals

    async def count(*, filter: str | None = None) -> Any:  # noqa: A002
        counted.append(len(source.rows))
        return await totals(filter=filter)

    monkeypatch.setattr(source, "totals", count)
    async with stage(source) as s:
        screen = s.app.screen
        await s.until(lambda: screen.fed and screen.totals.everything)
        await s.until(lambda: screen.totals.changes == screen.changes)
        before = len(counted)
        s.app.refresh_now()
        await s.until(lambda: len(counted) >= before + 2)


async def test_keys_that_do_not_fit_are_left_out_and_never_cut(stage: Any) -> None:
    async with stage(FakeReader(), size=(120, 24)) as s:
        await s.until(lambda: s.app.screen.listing.rows)
        await s.shows("q Quit")
        whole = {key.strip() for key in s.text.splitlines()[-1].split("  ")}
        for width in (40, 20):
            await s.pilot.resize_terminal(width, 8)
            await s.until(lambda: "? Help" in s.text.splitlines()[-1])
            shown = {key.strip() for key in s.text.splitlines()[-1].split("  ")}
            assert shown <= whole
        await s.pilot.resize_terminal(120, 24)
        await s.shows("q Quit")


async def test_a_pane_without_room_is_shown_alone(stage: Any) -> None:
    source = FakeReader()
    source.details = details(source.rows)
    async with stage(source, size=(20, 5)) as s:
        s.app.open_invocation("inv_1aWeather")
        await s.until(lambda: getattr(s.app.screen, "detail", None))
        screen = s.app.screen
        await s.until(lambda: screen.waterfall.rows)
        await s.press("2")
        await s.until(lambda: screen.zoomed == "inspector" and screen.inspector.region)
        await s.shows("Overview")
        await s.press("1")
        await s.until(lambda: screen.zoomed == "timeline" and screen.waterfall.region)


async def test_the_figures_of_a_title_are_left_out_and_never_cut(stage: Any) -> None:
    assert whole_parts("Services  7 services, 1 deployment, 12 pinned", 40) == (
        "Services  7 services, 1 deployment"
    )
    async with stage(FakeReader(), size=(120, 24)) as s:
        await s.until(lambda: s.app.screen.listing.rows)
        await s.press("A")
        await s.until(lambda: s.app.screen.query(TitleLine))
        title = s.app.screen.query_one(TitleLine)
        title.show_text("Agents  20 LLM calls, 1,234 of unknown cost")
        await s.shows("1,234 of unknown cost")
        await s.pilot.resize_terminal(30, 10)
        await s.until(lambda: s.text.splitlines()[0].strip() == "Agents  20 LLM calls")
        await s.pilot.resize_terminal(120, 24)
        await s.shows("1,234 of unknown cost")


async def test_rows_that_are_shown_shortly_after_others_leave_the_ages(
    stage, drawn: list[str]
) -> None:
    """A new invocation is shown at once, and its figures a moment later: two drawings of ages."""
    now = [NOW]
    source = hours_old(5)
    source.rows.append(summary(
        "inv_new", "New/run", "succeeded", 5.7, modified_at=ago(5.7), took=0
    ))  # fmt: skip
    async with stage(source, size=(120, 20), now=lambda: now[0]) as s:
        screen = s.app.screen
        await s.shows("New/run")
        await s.until(lambda: screen.totals.everything)
        await s.pilot.pause()
        screen._draw_ages = lambda: None  # no tick
        now[0] += timedelta(seconds=3)
        screen.show_new()
        await s.shows(" 9s ")
        drawn.clear()
        now[0] += timedelta(seconds=0.4)
        source.rows[0] = replace(source.rows[0], llm_calls=77, modified_at=NOW)
        await s.shows("77")
        now[0] += timedelta(seconds=0.05)
        assert set(drawn) == {"inv_000"}
        now[0] += timedelta(seconds=0.3)
        screen.show_new()
        await s.shows(" 10s ")


def rendered(screen: Any, regions: set[Region]) -> list[tuple[str, str]]:
    """Return the texts that are sent to the terminal if these regions have changed, by place."""
    compositor = screen._compositor
    compositor._dirty_regions = set(regions)
    update = compositor.render_partial_update()
    parts = re.split(r"(\x1b\[\d+;\d+H)", update.render_segments(screen.app.console))
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    texts = [(at, text.rstrip("\n")) for at, text in pairs]
    return [(at, text) for at, text in texts if re.sub(r"\x1b\[[\d;]*m", "", text)]


def test_a_line_is_colored_as_by_textual_and_each_different_segment_once() -> None:
    colored: list[str] = []

    class Noted(Monochrome):
        def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
            colored.extend(segment.text for segment in segments)
            return super().apply(segments, background)

    filters: list[LineFilter] = [Noted()]
    base, background = Style.parse("red on blue"), Color(0, 0, 60)
    line = [Segment("a"), Segment("日本", Style(bold=True)), Segment("ß", Style.parse("on green"))]
    for width in (0, 1, 2, 3, 4, 5, 9):
        ink = Ink(base, filters, background)
        expected = Strip(line).adjust_cell_length(width, base).apply_style(base)
        expected = expected.apply_filter(filters[0], background)
        colored.clear()
        for _ in range(2):
            shown = ink.strip(line, width)
            assert [s for s in shown if s.text] == [s for s in expected if s.text]
            assert shown.cell_length == width
        padding = [" " * (width - 6)] if width > 6 else []
        assert colored == ["a", "日本", "ß", *padding]


async def test_a_line_is_drawn_without_the_other_lines_and_what_is_behind_it(
    stage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage(hours_old(50), size=(120, 20)) as s:
        screen = s.app.screen
        await s.shows("S000/run")
        asked: list[tuple[Widget, int]] = []
        for kind in (Widget, RowsView, DrawnLine):
            render = kind.render_lines

            def note(self: Widget, crop: Region, render: Any = render) -> list[Strip]:
                asked.append((self, crop.height))
                return render(self, crop)

            monkeypatch.setattr(kind, "render_lines", note)
        listing = screen.listing.region
        rendered(screen, {Region(listing.x, listing.y + 4, listing.width - 5, 1)})
        assert asked == [(screen.listing, 1)]


async def test_partial_updates_are_those_of_textual(
    stage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with a message above the list, and with panes that scroll."""
    number = random.Random(1)
    source = FakeReader()
    source.details = details(source.rows)
    async with stage(source, size=(100, 24)) as s:

        async def compare() -> None:
            await s.pilot.pause()
            screen = s.app.screen
            assert isinstance(screen._compositor, SparseCompositor)
            whole = [region for region, _ in screen._compositor.visible_widgets.values()]
            for _ in range(100):
                some = {
                    Region(*(number.randrange(-2, 100), number.randrange(24)),
                           *(number.randrange(1, 101), number.randrange(1, 6)))
                    for _ in range(number.randrange(1, 5))
                }  # fmt: skip
                some |= set(number.sample(whole, number.randrange(min(3, len(whole)))))
                shown = screen._compositor.size.region
                some = {one.intersection(shown) for one in some if one.overlaps(shown)}
                if not some:
                    continue
                ours = rendered(screen, some)
                with monkeypatch.context() as patch:
                    patch.setattr(SparseCompositor, "_get_renders", Compositor._get_renders)
                    assert ours == rendered(screen, some), some

        await s.until(lambda: s.app.screen.listing.rows)
        await compare()
        s.app.notify("A message above the list", timeout=600)
        await s.shows("A message above")
        await compare()
        s.app.open_invocation("inv_1aWeather")
        await s.until(lambda: getattr(s.app.screen, "detail", None))
        await s.until(lambda: s.app.screen.waterfall.rows)
        await compare()
        await s.press("2", "j", "j")
        await compare()
        await s.pilot.resize_terminal(30, 8)
        await compare()


async def test_known_colors_are_those_of_textual_after_each_change_of_styles(stage) -> None:
    async with stage(hours_old(3)) as s:
        screen = s.app.screen
        widgets = [screen.listing, screen.query_one(ListHeader)]
        colors = [InheritedColors(widget) for widget in widgets]
        seen: list[Any] = []

        async def compare() -> None:
            await s.pilot.pause()
            for known, widget in zip(colors, widgets, strict=True):
                assert known.now() == (widget.rich_style, widget.background_colors[1])
                assert known.now() is known.now()
            seen.append([known.now() for known in colors])

        await compare()
        s.app.theme = LIGHT.name if s.app.theme == DARK.name else DARK.name
        await compare()
        screen.styles.background = "red"
        widgets[0].styles.background = "blue 50%"
        await compare()
        screen.query_one("#rows").styles.opacity = 0.5
        await compare()
        widgets[1].styles.text_style = "bold"
        await compare()
        assert all(one != another for one, another in pairwise(seen)), "each change is seen"
