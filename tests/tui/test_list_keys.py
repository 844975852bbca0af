"""Keys of the list that cannot do anything yet, or ever: each says so, once."""

from __future__ import annotations

import asyncio

from playhead.model import InvocationPage
from playhead_tui.screens.invocation import InvocationScreen
from playhead_tui.screens.invocations import InvocationsScreen
from textual.widgets._toast import Toast
from tui_fakes import FakeReader, summary
from tui_stories import details


async def test_no_key_does_nothing_unseen(stage) -> None:
    async with stage(FakeReader([])) as s:
        await s.until(lambda: s.app.screen.reads)
        for key in ("enter", "space", "ctrl+@", "x", "a", "y", "n", "N", "escape"):
            texts = {"n": "No row is failing.", "N": "No row is failing.", "escape": "Nothing to"}
            text = texts.get(key, "No row is selected.")
            assert text not in s.text
            await s.press(key)
            await s.shows(text)
            s.app.clear_notifications()
            await s.until(lambda text=text: text not in s.text)


async def test_no_key_waits_for_rows_once_all_were_searched(stage) -> None:
    async with stage(FakeReader([summary("inv_1", "S/run", "succeeded", 5, took=1)])) as s:
        await s.shows("S/run")
        await s.press("e")
        await s.shows("No invocation matches the filter.")
        await s.press("space")
        await s.shows("No row is selected.")


async def test_the_footer_is_made_again_only_for_other_keys(stage) -> None:
    async with stage(FakeReader()) as s:
        await s.shows("WeatherAgent/run")
        before = list(s.app.screen.query("FooterKey"))
        assert len(before) > 3
        screen = s.app.screen
        for key in ("question_mark", "colon"):
            await s.press(key)
            await s.until(lambda: s.app.screen is not screen)
            await s.press("escape")
            await s.until(lambda: s.app.screen is screen)
        assert list(s.app.screen.query("FooterKey")) == before
        await s.press("slash")
        await s.until(lambda: list(s.app.screen.query("FooterKey")) != before)


async def test_a_message_that_is_on_screen_is_not_shown_twice(stage) -> None:
    async with stage(FakeReader()) as s:
        await s.press("escape", "escape", "escape")
        await s.shows("Nothing to undo")
        assert len(s.app.screen.query(Toast)) == 1


async def test_messages_that_wait_to_be_shown_are_not_repeated(stage) -> None:
    async with stage(FakeReader()) as s:
        for _ in range(6):
            s.app.notify("No row is selected.")
        await s.shows("No row is selected.")
        assert len(s.app.screen.query(Toast)) == 1


class SlowReader(FakeReader):
    """Answers searches, and reads of invocations, only once it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may = asyncio.Event()
        self.details = details(self.rows)

    async def invocations(self, **more) -> InvocationPage:
        if not more.get("filter"):
            return await super().invocations(**more)
        await self.may.wait()
        return InvocationPage(tuple(self.rows[7:9]), more=False, sources=("stored",))

    async def invocation(self, *args, **more):
        await self.may.wait()
        return await super().invocation(*args, **more)


async def test_enter_during_a_search_opens_the_first_match(stage) -> None:
    source = SlowReader()
    source.may.set()
    async with stage(source) as s:
        await s.until(lambda: s.app.screen.listing.rows)
        source.may.clear()
        await s.press(*"6", "enter")
        await s.shows("Searching all")
        await s.press("enter")
        source.may.set()
        await s.until(lambda: isinstance(s.app.screen, InvocationScreen))
        matching = [row.id for row in s.app.screen_stack[0].listing.rows]
        assert s.app.screen.invocation_id == matching[0]


async def test_a_key_after_enter_during_a_search_takes_it_back(stage) -> None:
    source = SlowReader()
    source.may.set()
    async with stage(source) as s:
        await s.until(lambda: s.app.screen.listing.rows)
        source.may.clear()
        await s.press(*"6", "enter", "y")
        await s.shows("Reading ... Press the key again")
        source.may.set()
        await s.until(lambda: s.app.screen.listing.rows)
        assert isinstance(s.app.screen, InvocationsScreen)


async def test_keys_of_an_invocation_that_is_being_read_say_so(stage) -> None:
    source = SlowReader()
    async with stage(source) as s:
        await s.until(lambda: s.app.screen.listing.rows)
        s.app.open_invocation("inv_1aWeather")
        await s.until(lambda: isinstance(s.app.screen, InvocationScreen))
        await s.press("v")
        await s.shows("Reading ... Press the key again in a moment.")
        source.may.set()
        await s.until(lambda: s.app.screen.detail)
        await s.press("v")
        await s.shows("Conversation")
