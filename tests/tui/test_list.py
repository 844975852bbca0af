"""The list of invocations: live rows, a cursor that keeps its row, layers."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from playhead.model import InvocationPage, Waiting
from playhead_tui.screens.invocations import InvocationsScreen
from playhead_tui.screens.list_state import ListState
from playhead_tui.sources.list_query import ListQuery
from playhead_tui.sources.search import Search, SearchUpdate
from playhead_tui.widgets.text_pane import TextPane
from tui_fakes import FakeControl, FakeReader, ago, summary
from tui_stage import chips
from tui_stories import details


async def test_rows_show_status_as_mark_and_word_with_their_numbers(stage) -> None:
    async with stage(FakeReader(), size=(140, 40)) as s:
        await s.shows("WeatherAgent/run")
        line = next(line for line in s.text.splitlines() if "backing-off  Weather" in line)
        assert "↻ backing-off" in line
        assert line.split()[3:8] == ["15s", "14.2s", "3", "1", "412/38"]
        assert "503" in line
        assert "13 total" in s.text.splitlines()[0]


@pytest.mark.parametrize("width", [80, 100, 140])
async def test_the_reason_is_in_the_list_at_every_width(stage, width) -> None:
    waiting = Waiting("promise", "waits for promise decision", name="decision")
    rows = [replace(summary("inv_1", "Flow/run", "suspended", 60), waiting=waiting),
            summary("inv_2", "Flow/run", "running", 90)]  # fmt: skip
    async with stage(FakeReader(rows), size=(width, 24)) as s:
        await s.shows("waits for promise decision")
        assert "1m" in next(line for line in s.text.splitlines() if "decision" in line)


async def test_the_cursor_keeps_its_row_through_every_update(stage) -> None:
    pick = random.Random(11)
    source = FakeReader([summary(f"inv_{n:03}", "S/run", "running", n) for n in range(80)])
    async with stage(source, size=(100, 20)) as s:
        screen: InvocationsScreen = s.app.screen
        await s.until(lambda: screen.listing.rows)
        await s.press(*["j"] * 25)
        held = screen.listing.cursor
        assert held == "inv_025"
        for round_ in range(40):
            what = pick.randrange(4)
            if what == 0:
                source.rows.append(summary(f"inv_n{round_:03}", "S/run", "running", -round_))
            elif what == 1:
                place = pick.randrange(len(source.rows))
                if source.rows[place].id != held:
                    source.rows[place] = replace(
                        source.rows[place], status="succeeded", completed_at=ago(0), attempts=round_
                    )
            elif what == 2:
                pick.shuffle(source.rows)
            else:
                await s.press(pick.choice("sS"))
            reads = screen.reads
            screen.poller.wake()
            await s.until(lambda reads=reads: screen.reads > reads)
            assert screen.listing.cursor == held
            top = round(screen.listing.scroll_y)
            assert top <= screen.listing.place < top + screen.listing.size.height


async def test_a_filtered_row_gets_the_cursor_back(stage) -> None:
    async with stage(FakeReader()) as s:
        screen = s.app.screen
        await s.until(lambda: screen.listing.rows)
        screen.listing.go_to("inv_1gChat")
        await s.press("slash", *"weather")
        await s.until(lambda: len(screen.listing.rows) == 3)
        assert screen.listing.cursor != "inv_1gChat"
        await s.press("enter")
        assert "/ weather" in chips(s.app)
        assert "3 of 13" in chips(s.app)
        await s.press("escape")
        await s.until(lambda: len(screen.listing.rows) == 13)
        assert screen.listing.cursor == "inv_1gChat"
        assert chips(s.app) == ""


@pytest.mark.parametrize("size", [(80, 24), (40, 10)])
async def test_help_of_a_filter_is_not_cut_unseen(stage, size: tuple[int, int]) -> None:
    async with stage(FakeReader(), size=size) as s:
        await s.until(lambda: s.app.screen.listing.rows)
        await s.press("slash")
        await s.until(lambda: "Words, or fields:" in s.text)
        assert ("…" if size[0] == 40 else "-key:u1") in s.text
        await s.press(*"stats:foo")
        await s.until(lambda: "Did you mean" in s.text)
        if size[0] == 80:
            assert "To search for this text" in s.text  # the end of the hint
        assert s.app.screen.listing.size.height >= 2


async def test_escape_in_the_filter_line_restores_the_last_filter(stage) -> None:
    async with stage(FakeReader()) as s:
        screen = s.app.screen
        await s.until(lambda: screen.listing.rows)
        await s.press("slash", *"chat", "enter", "slash", *"zzz")
        await s.until(lambda: not screen.listing.rows)
        assert "No invocation matches" in s.text
        await s.press("escape")
        await s.until(lambda: len(screen.listing.rows) == 2)
        assert screen.list_query.text == "chat"
        assert screen.listing.has_focus


async def test_escape_undoes_one_layer_at_a_time_and_never_quits(stage) -> None:
    async with stage(FakeReader()) as s:
        screen = s.app.screen
        await s.until(lambda: screen.listing.rows)
        await s.press("slash", *"agent", "enter", "e", "p")
        assert chips(s.app) == "/ agent errors only held, +0 4 of 13"
        for left in ("errors only held, +0 4 of 13", "held, +0", "", "", ""):
            await s.press("escape")
            assert chips(s.app) == left
        assert s.app.screen is screen
        assert s.app.is_running


async def test_n_cycles_through_matches_or_failures(stage) -> None:
    async with stage(FakeReader()) as s:
        screen = s.app.screen
        await s.until(lambda: screen.listing.rows)
        seen = []
        for _ in range(5):
            await s.press("n")
            seen.append(screen.listing.current.status)
        assert seen == ["backing-off", "paused", "failed", "killed", "backing-off"]
        await s.press("N")
        assert screen.listing.current.status == "killed"


async def test_a_held_view_counts_new_rows(stage) -> None:
    source = FakeReader()
    async with stage(source) as s:
        screen = s.app.screen
        await s.until(lambda: screen.listing.rows)
        await s.press("p")
        source.rows = [*source.rows, summary("inv_new1", "New/run", "running", 1),
                       summary("inv_new2", "New/run", "running", 1)]  # fmt: skip
        screen.poller.wake()
        await s.until(lambda: "held, +2" in chips(s.app))
        assert len(screen.listing.rows) == 13
        await s.press("p")
        assert len(screen.listing.rows) == 15
        assert chips(s.app) == ""


async def test_following_stays_on_the_newest_until_the_cursor_moves(stage) -> None:
    source = FakeReader()
    async with stage(source) as s:
        screen = s.app.screen
        await s.until(lambda: screen.listing.rows)
        await s.press("j", "j", "f")
        assert chips(s.app) == "following"
        source.rows = [*source.rows, summary("inv_new", "New/run", "running", 0)]
        screen.poller.wake()
        await s.until(lambda: screen.listing.cursor == "inv_new")
        await s.press("j")
        assert chips(s.app) == ""


async def test_older_rows_are_read_when_the_end_comes_near(stage) -> None:
    source = FakeReader([summary(f"inv_{n:05}", "S/run", "succeeded", n) for n in range(50_000)])
    async with stage(source, size=(100, 30)) as s:
        screen = s.app.screen
        await s.until(lambda: screen.listing.rows)
        assert len(screen.listing.rows) == 200
        await s.until(lambda: "50k total" in s.text.splitlines()[0])
        for pages in range(2, 6):
            place = screen.listing.place
            await s.press("G")
            await s.until(lambda pages=pages: len(screen.listing.rows) == 200 * pages)
            assert screen.listing.place > place
        assert screen.listing.cursor == "inv_00799"
        assert max(source.limits) == 200


async def test_a_filter_finds_rows_that_were_not_read_yet(stage) -> None:
    source = FakeReader([summary(f"inv_{n:05}", "S/run", "succeeded", n) for n in range(5_000)])
    source.rows[4321] = summary("inv_old", "Needle/run", "failed", 4321)
    async with stage(source, size=(100, 30)) as s:
        screen = s.app.screen
        await s.until(lambda: screen.listing.rows)
        await s.press("slash", *"needle")
        await s.until(lambda: screen.listing.cursor == "inv_old")
        await s.press("escape")
        await s.until(lambda: len(screen.listing.rows) > 100)
        await s.press("e")
        await s.until(lambda: [row.id for row in screen.listing.rows] == ["inv_old"])


async def test_purged_rows_disappear_and_older_rows_stay(stage) -> None:
    source = FakeReader([summary(f"inv_{n:05}", "S/run", "succeeded", n) for n in range(1_000)])
    async with stage(source, size=(100, 30)) as s:
        screen = s.app.screen
        await s.until(lambda: screen.listing.rows)
        await s.press("G")
        await s.until(lambda: len(screen.listing.rows) == 400)
        source.rows = [row for row in source.rows if row.id not in ("inv_00005", "inv_00300")]
        source.rows += [summary(f"inv_n{n}", "S/run", "running", -1) for n in range(150)]
        wanted = {row.id for row in source.rows} & {f"inv_{n:05}" for n in range(400)}
        wanted |= {f"inv_n{n}" for n in range(150)}
        for _ in range(6):
            reads = screen.reads
            screen.poller.wake()
            await s.until(lambda reads=reads: screen.reads > reads)
        shown = {row.id for row in screen.listing.rows}
        assert wanted <= shown
        assert shown <= {row.id for row in source.rows}


async def test_a_failed_read_keeps_the_rows_and_shows_why(stage) -> None:
    source = FakeReader()
    async with stage(source) as s:
        screen = s.app.screen
        await s.until(lambda: screen.listing.rows)
        source.error = ConnectionError("Restate does not answer at localhost:9070")
        screen.poller.wake()
        await s.shows("Reading failed: Restate does not answer")
        assert len(screen.listing.rows) == 13
        source.error = None
        screen.poller.wake()
        await s.until(lambda: "Reading failed" not in s.text)


async def test_missing_sources_are_shown_and_more_than_three_are_counted(stage) -> None:
    source = FakeReader([])
    source.missing = ("No Restate server answers. Start one.", "No recorder runs.")
    async with stage(source, size=(80, 24)) as s:
        await s.shows("No recorder runs.")
        assert "No invocations to show" in s.text
        source.missing = tuple(f"fault {n}" for n in range(5))
        s.app.refresh_now()
        await s.shows("and 3 more")


@pytest.mark.parametrize(
    ("width", "headings"),
    [
        (30, ["STATUS", "TARGET"]),
        (40, ["STATUS", "TARGET", "AGE↑"]),
        (60, ["STATUS", "TARGET", "AGE↑", "DURATION", "ATTEMPTS"]),
    ],
)
async def test_a_narrow_list_leaves_columns_out_and_cuts_no_figure(
    stage, width: int, headings: list[str]
) -> None:
    async with stage(FakeReader(), size=(width, 20)) as s:
        await s.until(lambda: s.app.screen.listing.rows)
        head = next(line for line in s.text.splitlines() if "STATUS" in line)
        assert head.split() == headings


async def test_an_empty_list_shows_a_hint(stage) -> None:
    async with stage(FakeReader([])) as s:
        await s.shows("No invocations yet.")
        assert "playhead demo" in s.text


async def test_a_failed_connection_is_shown(stage) -> None:
    from playhead_tui.app import PlayheadApp

    async def connect(publish) -> None:
        raise OSError("the store is not a folder [/nowhere]")

    app = PlayheadApp(connect)
    from tui_stage import screen_text, wait_until

    async with app.run_test(size=(100, 20)) as pilot:
        await wait_until(pilot, lambda: "not a folder [/nowhere]" in screen_text(app))


async def test_groups_lead_to_their_invocations(stage) -> None:
    source = FakeReader()
    source.recorded = True
    async with stage(source, size=(100, 30)) as s:
        listing = s.app.screen
        await s.until(lambda: listing.listing.rows)
        await s.press("b")
        await s.shows("by service  9 groups, 13 invocations")
        first = s.app.screen.listing.rows[0]
        assert (first.name, first.totals.invocations) == ("WeatherAgent", 3)
        await s.press("b")
        await s.shows("by status")
        assert s.app.screen.listing.rows[0].name == "succeeded"
        await s.press("b", "b")
        await s.shows("by key  4 groups")
        await s.press("b")
        await s.shows("by service")
        await s.press("enter")
        assert s.app.screen is listing
        assert chips(s.app).startswith("/ service=WeatherAgent")
        await s.until(lambda: len(listing.listing.rows) == 3)


async def test_a_wide_list_previews_the_selected_row(stage) -> None:
    source = FakeReader()
    source.details = details(source.rows)
    async with stage(source, size=(170, 40)) as s:
        screen = s.app.screen
        await s.until(lambda: screen.listing.rows)
        screen.listing.go_to("inv_1gChat")
        await s.shows("Last model call")
        await s.shows("Nice to meet you, Ada!")
        screen.listing.go_to("inv_1iFail")
        await s.shows("no city called 'Atlantis'")
        await s.until(lambda: "Nice to meet you" not in s.text)
        await s.pilot.resize_terminal(100, 40)
        await s.until(lambda: not screen.preview.display and screen.preview.shown is None)


async def test_a_row_that_only_the_store_has_is_marked_and_cannot_be_changed(stage) -> None:
    rows = [
        summary("inv_1Live", "Live/run", "succeeded", 5, took=1),
        summary("inv_1Stored", "Gone/run", "succeeded", 6, took=1, origin="stored"),
    ]
    source = FakeReader(rows)
    actions = FakeControl()
    async with stage(source, actions) as s:
        await s.shows("Gone/run")
        lines = [line for line in s.text.splitlines() if "/run" in line]
        assert {line.split("/run")[0].split()[-1]: "▫" in line for line in lines} == {
            "Live": False, "Gone": True,
        }  # fmt: skip
        s.app.screen.listing.go_to("inv_1Stored")
        await s.press("x")
        await s.shows("Gone/run is only stored")
        assert len(s.app.screen_stack) == 1
        await s.press("question_mark")
        await s.shows("Statuses")
        assert "▫ After a status: only stored" in s.app.screen.query_one(TextPane).text


def test_a_search_that_has_not_ended_does_not_say_that_nothing_matches() -> None:
    search = Search()
    query = replace(ListQuery(), text="failures>0")
    search.begin(query)
    state = ListState(query, search, shown=0, read=11, more=False, local=False)
    assert state.why_nothing_matches == "Searching all invocations ..."
    assert state.tail == "0 so far, searching all ..."
    search.update(SearchUpdate(query, InvocationPage((), more=False, sources=("stored",)), 0.0))
    assert state.why_nothing_matches.startswith("No invocation matches the filter.")
