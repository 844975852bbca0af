"""The list of invocations: its order, its totals, and the ages of its rows."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from datetime import timedelta

import pytest
from playhead.model import Cost, Tokens, Totals
from playhead_tui.widgets.text_pane import TextPane
from tui_fakes import NOW, FakeReader, summary
from tui_stage import chips


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
