"""The check before a resume, which never delays the resume."""

from __future__ import annotations

from typing import Any

import pytest
from playhead.replay import Recording, RecordingError
from playhead_tui.actions import journal_check
from playhead_tui.dialogs.checked_menu import CheckedMenu
from playhead_tui.dialogs.dialog import Menu
from playhead_tui.interfaces import AppLocation
from tui_fakes import FakeControl
from tui_replays import HANDLERS, RECORDINGS, connecting, until


async def resuming(s: Any) -> None:
    """Open the confirmation for resuming the paused invocation."""
    listing = s.app.screen.listing
    await s.until(lambda: listing.rows)
    listing.go_to("inv_1lPause")
    await s.press("x")
    await s.until(lambda: isinstance(s.app.screen, Menu))
    await s.press("r")
    await s.until(lambda: isinstance(s.app.screen, CheckedMenu))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("", "", "accepts the journal: 9 of 9 commands replayed."),
        ('"pay", pay', '"charge", pay', "does not accept the journal: 4 of 9 commands replayed"),
    ],
)
async def test_the_current_code_is_checked(stage, tmp_path, old, new, message) -> None:
    text = (RECORDINGS / "handlers.py").read_text()
    assert old in text
    (tmp_path / "agent.py").write_text(text.replace(old, new) if old else text)
    actions = FakeControl()
    connect = connecting("trip", AppLocation("agent:app", str(tmp_path)), actions=actions)
    async with stage(None, connect=connect) as s:
        await resuming(s)
        await until(s, lambda: message in " ".join(s.text.replace("│", " ").split()))
        assert actions.done == []
        await s.press("y")
        await s.until(lambda: actions.done == [("resume", "inv_1lPause")])


async def test_a_resume_can_use_the_newest_deployment(stage) -> None:
    actions = FakeControl()
    async with stage(None, connect=connecting("trip", AppLocation(""), actions=actions)) as s:
        await resuming(s)
        await s.press("l")
        await s.until(lambda: actions.done == [("resume", "inv_1lPause", "deployment=latest")])


async def test_a_failure_past_the_journal_is_shown(stage, tmp_path) -> None:
    text = (RECORDINGS / "handlers.py").read_text()
    second = '    two = await ctx.run_typed("second"'
    assert second in text
    broken = text.replace(second, '    raise ValueError("not [yet]")\n' + second)
    (tmp_path / "agent.py").write_text(broken)
    recording = Recording.load(RECORDINGS / "v6" / "run_ok.journal.json").prefix(3)
    code = AppLocation("agent:app", str(tmp_path))
    async with stage(None, connect=connecting(recording, code, actions=FakeControl())) as s:
        await resuming(s)
        await until(s, lambda: "accepts the journal: 1 of 1 commands" in s.text)
        await s.shows("But after the end of the journal, the handler raises")


async def test_without_an_app_the_check_shows_a_hint(stage) -> None:
    async with stage(None, connect=connecting("trip", AppLocation(""), actions=FakeControl())) as s:
        await resuming(s)
        await s.shows("Set PLAYHEAD_APP=module:attribute")


async def test_a_resume_does_not_wait_for_the_check(stage, tmp_path) -> None:
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(600)\n")
    actions = FakeControl()
    connect = connecting("trip", AppLocation("slow:app", str(tmp_path)), actions=actions)
    async with stage(None, connect=connect) as s:
        await resuming(s)
        await s.shows("Checking whether the current code accepts")
        await s.press("y")
        await s.until(lambda: actions.done == [("resume", "inv_1lPause")])


async def test_a_slow_or_failed_check_is_shown(stage, tmp_path, monkeypatch) -> None:
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setattr(journal_check, "SECONDS", 0.5)
    connect = connecting("trip", AppLocation("slow:app", str(tmp_path)), actions=FakeControl())
    async with stage(None, connect=connect) as s:
        await resuming(s)
        await s.shows("Not checked: slow:app took more than 0.5 s")
    error = RecordingError("no [journal]")
    async with stage(None, connect=connecting(error, HANDLERS, actions=FakeControl())) as s:
        await resuming(s)
        await s.shows("Not checked: no [journal]")
