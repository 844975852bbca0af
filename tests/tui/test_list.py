"""The list of invocations: live rows, a cursor that keeps its row, layers."""

from __future__ import annotations

import asyncio
import math
import random
from dataclasses import replace
from datetime import timedelta

import pytest
from playhead.model import Cost, InvocationPage, Tokens, Totals, Waiting
from playhead_tui.screens.invocations import InvocationsScreen
from playhead_tui.screens.list_state import ListState
from playhead_tui.sources.list_query import ListQuery
from playhead_tui.sources.search import Search, SearchUpdate
from playhead_tui.widgets.chips import Chips
from playhead_tui.widgets.text_pane import TextPane
from tui_fakes import NOW, FakeControl, FakeReader, ago, summary
from tui_stories import details


def chips(app) -> str:
    return " ".join(app.screen.query_one(Chips).texts)


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


def many_rows(number: int) -> FakeReader:
    """Return invocations whose oldest are the slowest and the most expensive."""
    rows = [
        summary(f"inv_{n:05}", "S/run", "succeeded", n + 1, took=n / 10, llm_calls=1,
                tokens=Tokens(n, 1), cost=Cost(n / 100))
        for n in range(number)
    ]  # fmt: skip
    source = FakeReader(rows)
    source.recorded = True
    return source


async def test_sorting_finds_the_first_of_all_rows_and_says_of_how_many(stage) -> None:
    source = many_rows(1_000)
    async with stage(source, size=(120, 30)) as s:
        screen = s.app.screen
        await s.until(lambda: screen.listing.rows)
        await s.press("8")
        await s.until(lambda: screen.listing.rows[0].id == "inv_00999")
        assert [row.id for row in screen.listing.rows] == [
            f"inv_{n:05}" for n in range(999, 799, -1)
        ]
        await s.until(lambda: chips(s.app) == "the first 200 of 1000")
        head = next(line for line in s.text.splitlines() if "STATUS" in line)
        assert "DURATION↓" in head
        await s.press("G")
        await s.until(lambda: len(screen.listing.rows) == 400)
        assert screen.listing.rows[399].id == "inv_00600"
        await s.press("S")
        await s.until(lambda: screen.listing.rows[0].id == "inv_00000")
        await s.press("9")
        await s.until(lambda: screen.listing.rows[0].id == "inv_00999")
        assert "COST↓" in s.text
        await s.press("9")
        await s.until(lambda: chips(s.app) == "")
        assert screen.listing.rows[0].id == "inv_00000"


async def test_totals_are_those_of_all_rows_not_of_the_loaded_ones(stage) -> None:
    source = many_rows(600)
    async with stage(source, size=(120, 30)) as s:
        await s.until(lambda: s.app.screen.listing.rows)
        await s.until(lambda: "600 total" in s.text.splitlines()[0])
        assert "180k/600 tokens $1.8k" in s.text.splitlines()[0]
        await s.press("slash", *"duration<40s", "enter")
        await s.until(lambda: "the newest 200 of 400 found" in chips(s.app))
        assert "80k/400 tokens, $798" in chips(s.app)


async def test_counts_that_are_older_than_the_rows_say_so(stage) -> None:
    """Totals are read every three seconds, and rows several times a second."""
    counted = asyncio.Event()
    counted.set()

    class SlowTotals(FakeReader):
        async def totals(self, *, filter: str | None = None) -> Totals:  # noqa: A002
            found = await super().totals(filter=filter)
            await counted.wait()
            return found

    source = SlowTotals(many_rows(600).rows)
    async with stage(source, size=(120, 30)) as s:
        screen = s.app.screen
        head = lambda: s.text.splitlines()[0]  # noqa: E731
        await s.until(lambda: screen.listing.rows and "600 total" in head())
        await s.until(lambda: "≈" not in head())
        counted.clear()
        source.rows = [
            summary("inv_new", "S/run", "running", 0, modified_at=NOW), *source.rows
        ]  # fmt: skip
        screen.refresh_now()
        await s.until(lambda: screen.cache.get("inv_new"))
        await s.until(lambda: "≈ " in head() and "600 total" in head())
        counted.set()
        await s.until(lambda: "601 total" in head() and "≈" not in head())
        source.rows = [
            replace(source.rows[0], status="failed", completed_at=NOW), *source.rows[1:]
        ]  # fmt: skip
        counted.clear()
        screen.refresh_now()
        await s.until(lambda: screen.cache.get("inv_new").status == "failed")
        await s.until(lambda: "≈ " in head())
        counted.set()
        await s.until(lambda: "≈" not in head())
        await s.press("question_mark")
        await s.until(lambda: "a row has changed since" in s.app.screen.query_one(TextPane).text)


async def test_the_sums_of_a_whole_list_are_those_of_its_rows(stage) -> None:
    """Totals are read less often than rows, and would disagree with them for seconds."""
    rows = [summary(f"inv_{n}", "S/run", "running", n, llm_calls=1, tokens=Tokens(n, 1))
            for n in range(1, 4)]  # fmt: skip

    class LateTotals(FakeReader):
        async def totals(self, *, filter: str | None = None) -> Totals:  # noqa: A002
            return Totals(3, {"running": 3}, llm_calls=1, tokens=Tokens(1, 1), cost=Cost())

    async with stage(LateTotals(rows), size=(120, 24)) as s:
        await s.until(lambda: "6/3 tokens" in s.text.splitlines()[0])


async def test_text_columns_are_sorted_from_a_to_z(stage) -> None:
    async with stage(FakeReader(), size=(120, 30)) as s:
        screen = s.app.screen
        await s.until(lambda: screen.listing.rows)
        while screen.list_query.sort != "target":
            await s.press("s")
        targets = [row.target for row in screen.listing.rows]
        assert targets == sorted(targets)
        assert "TARGET↑" in s.text
        await s.press("S")
        assert [row.target for row in screen.listing.rows] == sorted(targets, reverse=True)


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


@pytest.mark.parametrize("seconds", [12.3, 17.5, 29.9, 44.4, 58.2])
async def test_no_age_is_less_than_the_duration_beside_it(stage, seconds: float) -> None:
    took = seconds - 0.3
    ended = summary("inv_1Ended", "Ended/run", "succeeded", seconds, took=took)
    source = FakeReader([ended, summary("inv_1Open", "Open/run", "suspended", seconds)])
    async with stage(source) as s:
        await s.shows("Open/run")
        lines = [line[2:].split() for line in s.text.splitlines() if "/run" in line]
        ages = {words[2]: int(words[3].replace("1m", "60").rstrip("s")) for words in lines}
        shown = {words[2]: float(words[4].rstrip("s")) for words in lines}
        assert set(ages) == {"Ended/run", "Open/run"}
        assert shown == {"Ended/run": pytest.approx(took, abs=0.06), "Open/run": seconds}
        assert set(ages.values()) == {math.ceil(seconds / 5) * 5}
        assert all(shown[target] <= ages[target] for target in ages)


@pytest.mark.parametrize("newest", [0.2, 3.3, 7.8, 24.3, 57.7])
async def test_ages_of_seconds_are_in_the_order_of_the_rows(stage, newest: float) -> None:
    rows = [
        summary(f"inv_{n}", f"S{n}/run", "running" if n % 2 else "succeeded", newest + n * 0.3,
                **({} if n % 2 else {"took": 0.1}))
        for n in range(7)
    ]  # fmt: skip
    async with stage(FakeReader(rows)) as s:
        await s.shows("S6/run")
        lines = [line[2:].split() for line in s.text.splitlines() if "/run" in line]
        ages = [int(words[3].replace("1m", "60").rstrip("s")) for words in lines]
        assert len(ages) == 7
        assert ages == sorted(ages)


async def test_an_age_never_becomes_younger_whichever_rows_are_beside_it(stage) -> None:
    now = [NOW]
    ended = summary("inv_1Ended", "Ended/run", "succeeded", 0, took=0)
    others = [summary("inv_1Open", "Open/run", "suspended", 0.0), ended], [ended]
    seen: dict[int, int] = {}
    async with stage(FakeReader([ended]), now=lambda: now[0]) as s:
        await s.shows("Ended/run")
        listing = s.app.screen.listing
        for tenths in range(0, 700, 3):
            now[0] = NOW + timedelta(seconds=tenths / 10)
            listing.show_rows(others[tenths % 2])
            listing.refresh_changed()
            text = listing._age(ended)
            seen[tenths] = 60 if text == "1m" else int(text.rstrip("s"))
    ages = list(seen.values())
    assert ages == sorted(ages)
    assert {age for age in ages if age > 10} == {*range(15, 61, 5)}


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
