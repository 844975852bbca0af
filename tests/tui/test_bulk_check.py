"""What the current code makes of the journals of many invocations, before they are changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playhead.replay import Recording, RecordingError
from playhead_tui.actions import bulk_check
from playhead_tui.dialogs.checked_menu import CheckedMenu
from playhead_tui.dialogs.dialog import Menu, Prompt
from playhead_tui.interfaces import AppLocation, Connection
from tui_fakes import FakeControl, FakeReader, summary
from tui_replays import RECORDINGS, until

TRIP = Recording.load(RECORDINGS / "v6" / "trip.journal.json")
STATE = Recording.load(RECORDINGS / "v6" / "state.journal.json")


def app(folder: Path) -> AppLocation:
    """Write an app that refuses the trips, because a step has another name."""
    text = (RECORDINGS / "handlers.py").read_text()
    assert '"pay", pay' in text
    (folder / "agent.py").write_text(text.replace('"pay", pay', '"charge", pay'))
    return AppLocation("agent:app", str(folder))


def connecting(
    rows: int, location: AppLocation, actions: Any, fetched: list[str], status: str
) -> Any:
    """Return a connect function: three of four invocations are trips, one cannot be read."""

    async def fetch(ident: str) -> Recording:
        fetched.append(ident)
        number = int(ident[-4:])
        if number == 1:
            raise RecordingError("The journal of this invocation is gone")
        return STATE if number % 4 == 0 else TRIP

    found = [
        replace(summary(f"inv_{n:04}", "S/run", status, n), deployment_id=f"dp_{n % 2}")
        for n in range(rows)
    ]

    async def connect(publish: Any) -> None:
        reader: Any = FakeReader(found)
        publish(Connection(reader, actions, fetch_recording=fetch, app_location=location))

    return connect


async def ask(s: Any, letter: str) -> None:
    """Mark all invocations, and choose an action."""
    await s.until(lambda: s.app.screen.listing.rows)
    await s.press("space", "G", "ctrl+@", "x")
    await s.until(lambda: type(s.app.screen) is Menu)
    await s.press(letter)
    await s.until(lambda: isinstance(s.app.screen, CheckedMenu))


def told(s: Any) -> str:
    return " ".join(s.text.replace("│", " ").split())


async def test_a_resume_says_how_many_the_current_code_would_refuse(
    stage: Any, tmp_path: Path
) -> None:
    actions, fetched = FakeControl(), list[str]()
    connect = connecting(8, app(tmp_path), actions, fetched, "paused")
    async with stage(None, connect=connect, size=(120, 40)) as s:
        await ask(s, "r")
        await until(
            s, lambda: "5 of 8 would be refused by the current code (agent:app):" in told(s)
        )
        assert "1 of 8 could not be checked: 1: The journal of this invocation is gone" in told(s)
        assert "2 of 8 would be accepted." in told(s)
        assert "5: #9 Run pay: name: pay != charge" in told(s)
        assert sorted(fetched) == [f"inv_{n:04}" for n in range(8)]
        assert actions.done == []
        await s.press("l")
        await s.until(lambda: len(actions.done) == 8)
        assert {more for _, _, more in actions.done} == {"deployment=latest"}


async def test_a_restart_checks_the_inputs_and_asks_for_deployment_and_word(
    stage: Any, tmp_path: Path
) -> None:
    actions, fetched = FakeControl(), list[str]()
    connect = connecting(24, app(tmp_path), actions, fetched, "failed")
    async with stage(None, connect=connect, size=(120, 40)) as s:
        await ask(s, "n")
        # A restart keeps the input only, so the renamed step does not matter.
        await until(s, lambda: "23 of 24 would be accepted." in told(s))
        await s.press("y")
        await s.until(lambda: type(s.app.screen) is Prompt)
        await s.shows("They run on their own deployment.")
        await s.press(*"restart", "enter")
        await s.until(lambda: len(actions.done) == 24)
        assert {more for _, _, more in actions.done} == {"deployment=keep"}


async def test_the_check_is_bounded_and_never_delays_the_answer(
    stage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_check, "CHECKED", 4)
    actions, fetched = FakeControl(), list[str]()
    connect = connecting(12, app(tmp_path), actions, fetched, "paused")
    async with stage(None, connect=connect, size=(120, 40)) as s:
        await ask(s, "r")
        await until(s, lambda: "Checked 4 of 12: some of each handler." in told(s))
        assert len(fetched) == 4
        # Of each deployment in turn.
        assert {int(ident[-1]) % 2 for ident in fetched} == {0, 1}
        await s.press("escape", "x", "r", "y")
        await s.until(lambda: len(actions.done) == 12)


@pytest.mark.parametrize("size", [(40, 10), (40, 8)])
async def test_a_small_screen_shows_the_verdict_and_the_choices(
    stage: Any, tmp_path: Path, size: tuple[int, int]
) -> None:
    actions, fetched = FakeControl(), list[str]()
    connect = connecting(8, app(tmp_path), actions, fetched, "paused")
    async with stage(None, connect=connect, size=size) as s:
        await ask(s, "r")
        await until(s, lambda: "5 of 8 would be refused" in told(s))
        await s.shows("y  Yes, on their own deployment")


async def test_only_paused_ones_change_their_deployment(stage: Any) -> None:
    actions = FakeControl()
    rows = [
        summary(f"inv_{n:04}", "S/run", "paused" if n % 2 else "backing-off", n) for n in range(5)
    ]
    async with stage(FakeReader(rows), actions, size=(120, 40)) as s:
        await ask(s, "r")
        await s.shows("3 invocations not paused: Restate retries on the own deployment")
        await s.press("l")
        await s.until(lambda: len(actions.done) == 5)
        on = {ident: how for _, ident, how in actions.done}
        assert on == {f"inv_{n:04}": f"deployment={'latest' if n % 2 else None}" for n in range(5)}


async def test_without_an_app_nothing_is_replayed(stage: Any) -> None:
    actions, fetched = FakeControl(), list[str]()
    connect = connecting(3, AppLocation(""), actions, fetched, "paused")
    async with stage(None, connect=connect, size=(120, 40)) as s:
        await ask(s, "r")
        await s.shows("The current code was not checked against the journals.")
        assert fetched == []
