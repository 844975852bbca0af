"""Restart as new: kept entries, deployment, check and confirmation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from playhead.replay import Recording
from playhead_tui.dialogs.checked_menu import CheckedMenu
from playhead_tui.dialogs.dialog import Menu
from playhead_tui.interfaces import AppLocation
from tui_fakes import FakeControl, FakeReader
from tui_replays import HANDLERS, RECORDINGS, connecting, until
from tui_stories import details

TRIP = Recording.load(RECORDINGS / "v6" / "trip.journal.json")


async def open_restart(s: Any, ident: str, *keys: str) -> None:
    """Open the last question of a restart, from the list."""
    listing = s.app.screen.listing
    await s.until(lambda: listing.rows)
    listing.go_to(ident)
    await s.press("x")
    await s.until(lambda: isinstance(s.app.screen, Menu))
    await s.press("n", *keys)
    await s.until(lambda: isinstance(s.app.screen, CheckedMenu))


@pytest.mark.parametrize(
    ("ident", "key", "verb", "deployment"),
    [
        ("inv_1iFail", "y", "restart_as_new", "latest"),
        ("inv_1eLegal", "o", "restart_as_new", "keep"),
        ("inv_1jKill", "y", "restart_as_new", "latest"),
        ("inv_1lPause", "y", "kill_and_restart", "latest"),
        ("inv_1aWeather", "o", "kill_and_restart", "keep"),
    ],
)
async def test_keeping_the_input_only(stage, ident, key, verb, deployment) -> None:
    actions = FakeControl()
    async with stage(None, connect=connecting(TRIP, actions=actions)) as s:
        await open_restart(s, ident)
        assert ("The invocation is killed first" in s.text) == (verb == "kill_and_restart")
        await until(s, lambda: "(handlers:app) accepts the input." in s.text)
        assert actions.done == []
        await s.press(key)
        await s.until(lambda: actions.done)
        assert actions.done == [(verb, ident, "from_entry=0", f"deployment={deployment}")]
        # The screen shows the new invocation.
        await s.until(lambda: getattr(s.app.screen, "invocation_id", "") == "inv_1eLegal")


@pytest.mark.parametrize("keys", [["n"], ["escape"]])
async def test_no_change_without_confirmation(stage, keys) -> None:
    actions = FakeControl()
    async with stage(None, connect=connecting(TRIP, actions=actions)) as s:
        await open_restart(s, "inv_1iFail")
        await s.press(*keys)
        await s.until(lambda: len(s.app.screen_stack) == 1)
        assert actions.done == []


async def selected(s: Any, source: FakeReader, ident: str) -> Any:
    """Open an invocation, select its first model call, and return that step."""
    s.app.open_invocation(ident)
    await s.until(lambda: getattr(s.app.screen, "detail", None))
    screen = s.app.screen
    step = next(t for t in source.details[ident].steps if t.kind == "llm" and t.state == "done")
    await s.until(lambda: screen.waterfall.rows)
    screen.waterfall.go_to(next(r.row.key for r in screen.waterfall.rows if r.row.step == step))
    return step


def connecting_with(actions: Any, recording: Recording, source: FakeReader) -> Any:
    """Return a connect function for this reader, with one recording for every id."""
    connect = connecting(recording, HANDLERS, actions=actions)

    async def with_reader(publish: Any) -> None:
        await connect(lambda connection: publish(replace(connection, reader=source)))

    return with_reader


@pytest.fixture
def source() -> FakeReader:
    found = FakeReader()
    found.details = details(found.rows)
    return found


async def test_keeping_all_up_to_the_selected_step(stage, source) -> None:
    actions = FakeControl()
    async with stage(None, connect=connecting_with(actions, TRIP, source), size=(120, 40)) as s:
        step = await selected(s, source, "inv_1gChat")
        await s.press("x")
        await s.until(lambda: isinstance(s.app.screen, Menu))
        await s.press("n")
        await s.shows(f"All up to #{step.index} {step.name}")
        await s.press("s")
        await s.until(lambda: isinstance(s.app.screen, CheckedMenu))
        await s.shows(f"The new invocation keeps all up to #{step.index} {step.name}.")
        await until(s, lambda: "accepts the journal" in s.text)
        await s.press("y")
        await s.until(lambda: actions.done)
        wanted = ("inv_1gChat", f"from_entry={step.index}", "deployment=latest")
        assert actions.done == [("restart_as_new", *wanted)]


async def test_an_invocation_is_not_killed_when_its_step_cannot_be_kept(stage, source) -> None:
    actions = FakeControl()
    step = next(t for t in source.details["inv_1aWeather"].steps if t.kind == "llm")
    cut = TRIP.prefix(step.index + 1)  # The step's result is missing.
    async with stage(None, connect=connecting_with(actions, cut, source), size=(120, 40)) as s:
        await selected(s, source, "inv_1aWeather")
        for key in ("x", "n", "s"):
            await s.press(key)
            await s.until(lambda: isinstance(s.app.screen, Menu))
        await s.until(lambda: isinstance(s.app.screen, CheckedMenu))
        await s.shows("The invocation is killed first")
        await s.shows("has no result yet")
        await s.press("y")
        await s.until(lambda: len(s.app.screen_stack) == 2)
        await s.shows("Request failed")
        assert actions.done == []


async def test_without_an_app_the_check_shows_a_hint(stage) -> None:
    connect = connecting(TRIP, AppLocation(""), actions=FakeControl())
    async with stage(None, connect=connect) as s:
        await open_restart(s, "inv_1iFail")
        await s.shows("Set PLAYHEAD_APP=module:attribute")
