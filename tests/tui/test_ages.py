"""Old figures are marked with their age, and what the recorder has not copied is said."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

from playhead.record.change_feed import ChangeFeed
from playhead_tui.sources.ages import SourceAge
from tui_fakes import NOW, FakeReader, ago, summary

BEHIND = "The recorder is catching up: copied 36,000 of 50,000 invocations."


class Clock:
    """Wall time and monotonic time that a test moves together."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> Any:
        return NOW + timedelta(seconds=self.seconds)


def test_an_age_is_shown_from_two_seconds_and_vanishes() -> None:
    clock = Clock()
    age = SourceAge(clock.now, clock.monotonic)
    age.failed()
    assert age.text() == "", "nothing was asked yet"
    age.asked()
    clock.seconds = 7.0
    assert (age.text(), age.stale_since) == ("server not answering for 7s", None)
    clock.seconds = 0.0
    age.answered(0.0)
    clock.seconds = 2.0
    assert (age.text(), age.stale_since) == ("", None)
    clock.seconds = 7.5
    assert (age.text(), age.stale_since) == ("updated 7s ago", NOW)
    age.failed()
    assert age.text("figures") == "server not answering for 7s; figures as of 15:09:26"
    age.answered(7.4)
    assert (age.text(), age.stale_since) == ("", None)


async def test_an_empty_screen_says_that_the_server_does_not_answer(stage) -> None:
    answers = asyncio.Event()

    class SilentReader(FakeReader):
        async def invocations(self, **options: Any) -> Any:
            await answers.wait()
            return await super().invocations(**options)

    source = SilentReader([summary("inv_1", "S/run", "running", 10)])
    clock = Clock()
    async with stage(source, size=(80, 12), now=clock.now) as s:
        screen = s.app.screen
        screen.age = SourceAge(clock.now, clock.monotonic)
        screen.age.asked()
        clock.seconds = 6.0
        await s.shows("Reading ... server not answering for 6s")
        answers.set()
        await s.shows("S/run")
        assert "not answering" not in s.text


async def test_a_list_says_since_when_the_server_does_not_answer(stage) -> None:
    """The rows stay, and the durations of those that ran do not grow."""
    source = FakeReader([summary("inv_1", "S/run", "running", 10)])
    clock = Clock()
    async with stage(source, size=(120, 20), now=clock.now) as s:
        screen = s.app.screen
        await s.until(lambda: screen.listing.rows)
        screen.live._clock = clock.monotonic
        screen.age = SourceAge(clock.now, clock.monotonic)
        await s.until(lambda: screen.age.answered_at == 0.0)
        source.error = ConnectionError("gone")
        clock.seconds = 60.0
        await s.shows("server not answering for 1m; rows as of 15:09:26")
        await s.shows(" 1m ")
        row = next(line for line in s.text.splitlines() if "S/run" in line)
        assert {"1m", "10.0s"} <= set(row.split()), "the age grows, the duration does not"
        source.error = None
        await s.until(lambda: "not answering" not in s.text)


async def test_a_server_that_answers_again_ends_what_was_said_of_it(stage) -> None:
    """With a recorder, pages are read every 15 seconds only; they find what is missing."""
    source = FakeReader([summary("inv_1", "S/run", "running", 10)])
    source.feed = ChangeFeed()
    missing = "The answer has no rows. Is this the admin API?"
    async with stage(source, size=(120, 20)) as s:
        screen = s.app.screen
        await s.until(lambda: screen.fed and screen.reads > 1)
        screen.FED_PAGES_SECONDS = 10_000.0
        source.missing = (missing,)
        screen.refresh_now()
        await s.shows(missing)
        source.error = ConnectionError("gone")
        await s.until(lambda: screen.age._failed)
        source.missing, source.error = (), None
        await s.until(lambda: missing not in s.text)


async def test_what_the_recorder_has_not_copied_is_said_and_vanishes(stage) -> None:
    source = FakeReader()
    source.copying = (BEHIND,)
    async with stage(source, size=(100, 30)) as s:
        await s.shows(BEHIND)
        source.copying = (BEHIND.replace("36,000", "49,000"),)
        await s.shows("copied 49,000 of 50,000")
        assert "36,000" not in s.text
        source.copying = ()
        await s.until(lambda: "catching up" not in s.text)


async def test_a_reported_change_is_read_at_once(stage) -> None:
    """Spans change the figures of a row that the server does not report as modified."""
    source = FakeReader()
    source.feed = ChangeFeed()
    async with stage(source, size=(140, 40)) as s:
        screen = s.app.screen
        await s.until(lambda: screen.listing.rows)
        reads = screen.reads
        for poller in screen.pollers[:5]:
            poller.seconds = 3600.0  # only the report leads to a read of figures
            poller.wake()
        await s.until(lambda: screen.reads > reads)
        place = next(n for n, row in enumerate(source.rows) if row.id == "inv_1eLegal")
        source.rows[place] = replace(source.rows[place], llm_calls=55)
        source.feed.add(["inv_1eLegal"], "spans")
        await s.until(lambda: screen.cache.get("inv_1eLegal").llm_calls == 55)


async def test_an_open_invocation_shows_its_end_before_the_rest_is_read(stage) -> None:
    source = FakeReader()
    async with stage(source) as s:
        s.app.open_invocation("inv_1cIntake")
        await s.until(lambda: getattr(s.app.screen, "detail", None))
        screen = s.app.screen
        screen.poller.seconds = 3600.0
        place = next(n for n, row in enumerate(source.rows) if row.id == "inv_1cIntake")
        source.rows[place] = replace(
            source.rows[place], status="succeeded", completed_at=ago(1), modified_at=ago(1)
        )
        await s.until(lambda: "succeeded" in s.text.splitlines()[0])
        await s.until(lambda: screen.detail.summary.completed_at == ago(1))
