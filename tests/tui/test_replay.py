"""The replay screen over real recordings, with the code in a real process."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from playhead.replay import RecordingError, Replayer, UnsupportedJournalError
from playhead_tui.dialogs.app_location import AppLocationDialog
from playhead_tui.interfaces import AppLocation
from playhead_tui.widgets.chips import Chips
from playhead_tui.widgets.filter_bar import FilterBar
from playhead_tui.widgets.notes import Notes
from running_processes import processes_below
from tui_replays import HANDLERS, RECORDINGS, connecting, opened, until

TRIP = (
    'ctx.get("visits"', '"fetch plan"', "service_call(echo", "ctx.sleep(", '"pay", pay',
    "object_send(add", "resolve_awakeable", 'ctx.set("visits"',
)  # fmt: skip
"""Text of the lines of the handler `trip` that write its commands, in order."""


def trip_lines() -> list[int]:
    """Return the numbers of these lines in the source."""
    lines = (RECORDINGS / "handlers.py").read_text().splitlines()
    begin = next(n for n, line in enumerate(lines) if "def trip(" in line)
    return [next(n for n in range(begin, len(lines)) if text in lines[n]) + 1 for text in TRIP]


async def test_every_step_shows_its_line_and_variables(stage) -> None:
    async with stage(None, connect=connecting("trip")) as s:
        screen = await opened(s)
        await s.shows("✓ same: 9 of 9 commands replayed, same output")
        seen: list[int] = []
        for _ in TRIP:
            await s.until(lambda: screen.panes.source._file.lines)
            seen.append(screen.panes.source.line)
            at = next(line for line in s.text.splitlines() if line.startswith(f" ▸ {seen[-1]}"))
            assert TRIP[len(seen) - 1][:12] in at
            await s.press("right")
        assert seen == trip_lines()
        await s.shows("9 of 9")
        assert '▸ 378      return {"plan": plan' in s.text
        await s.press("g", "l", "l")
        details = screen.panes.details.text
        assert "plan: ['Oslo day 0', 'Oslo day 1']" in details
        assert "hotel" not in details
        await s.press("h")
        assert "plan" not in screen.panes.details.text
        await s.press("right_square_bracket")
        assert "Journal entry #2, result in #3" in screen.panes.details.text
        assert '"Oslo day 0"' in screen.panes.details.text
        await s.press("l", "3", "j")
        assert screen.session.position == 3
        assert screen.panes.steps.place == 3


async def test_a_key_goes_to_the_difference_of_changed_code(stage, tmp_path) -> None:
    text = (RECORDINGS / "handlers.py").read_text()
    hotel = 'await ctx.service_call(echo, f"hotel in {city}")'
    assert hotel in text
    changed = text.replace(hotel, f'await ctx.run_typed("[bold]pay[/]", pay)\n    hotel = {hotel}')
    (tmp_path / "changed.py").write_text(changed)
    code = AppLocation("changed:app", str(tmp_path))
    async with stage(None, connect=connecting("trip", code)) as s:
        screen = await opened(s)
        await s.shows("✗ diverged: 1 difference that Restate would refuse")
        await s.press("n")
        await s.shows("not in the journal")
        line = 1 + next(n for n, row in enumerate(changed.splitlines()) if "[bold]pay" in row)
        await s.until(lambda: screen.panes.source.line == line)
        await s.press("left_square_bracket")
        details = screen.panes.details.text
        assert "command 3 Run [bold]pay[/]: added" in details
        assert f"Where: {tmp_path}/changed.py:{line}" in details
        assert "Recorded: nothing" in details
        assert "Deploy the change as a new deployment" in details
        (tmp_path / "changed.py").write_text(text)
        await s.press("r")
        await until(s, lambda: screen.report and screen.report.verdict == "same")
        assert screen.session.position == 2


async def test_every_task_is_shown_when_tools_run_in_parallel(stage) -> None:
    async with stage(None, connect=connecting("tasks")) as s:
        screen = await opened(s)
        details = screen.panes.details.text
        assert "Task at this command" in details
        assert details.count("tasks.tool  handlers.py:") == 2
        assert "city: 'Oslo'" in details
        assert "city: 'Bergen'" in details
        first = screen.panes.source.line
        await s.press("u")
        assert screen.panes.source.line != first


async def test_breakpoints_by_name_entry_and_expression(stage) -> None:
    async with stage(None, connect=connecting("trip")) as s:
        screen = await opened(s)
        for typed, stops in (
            ("pay", {4}),
            ("#6", {2}),
            ("= visits == 0", {1, 2, 3, 4, 5, 6, 7, 8}),
        ):
            await s.press("g", "slash")
            screen.query_one(FilterBar).value = typed
            await s.press("enter")
            await until(s, lambda stops=stops: screen.hits == stops)
            assert screen.query_one(Chips).texts[0] == f"/ {typed}"
        await s.press("slash")
        screen.query_one(FilterBar).value = "= visits ="
        await s.press("enter")
        await until(s, lambda: "visits =" in s.text and screen.query_one(Notes).notes)
        await s.press("escape")
        assert screen.search == ""
        assert s.app.screen is screen
        await s.press("escape")
        assert s.app.screen is not screen


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("raise ValueError('no [red]config[/]')", "ValueError: no [red]config[/]"),
        ("import os; os.abort()", "killed by signal 6"),
        ("import restate\nthings = restate.VirtualObject('Counter')\n@things.handler()\n"
         "async def trip(ctx, city: str) -> str:\n    while True: pass\n"
         "app = restate.app([things])\n", "it did not finish within 1 s"),
    ],
)  # fmt: skip
async def test_a_crash_of_the_code_is_shown_and_harmless(
    stage, tmp_path, monkeypatch, source, message
) -> None:
    monkeypatch.setattr(
        "playhead_tui.screens.replay.opening.Replayer", partial(Replayer, timeout=1.0)
    )
    (tmp_path / "agent.py").write_text(source)
    code = AppLocation("agent:app", str(tmp_path))
    async with stage(None, connect=connecting("trip", code), size=(100, 30)) as s:
        s.app.open_replay("inv_1", "Counter/trips/trip")
        await until(s, lambda: s.app.screen.error)
        await s.until(lambda: message in s.text)
        assert "What to do" in s.text
        shutil.copy(RECORDINGS / "handlers.py", tmp_path / "agent.py")
        monkeypatch.setattr("playhead_tui.screens.replay.opening.Replayer", Replayer)
        screen: Any = s.app.screen
        await s.press("e", "n", "l", "slash", "plus", "y", "r")
        await until(s, lambda: screen.report and screen.report.verdict == "same")
        assert "ready" in screen.classes


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (UnsupportedJournalError("inv_1 has journal version 1: too old"), "cannot be replayed"),
        (RecordingError("No Restate admin API answers\nno store either"), "no store either"),
    ],
)
async def test_an_unreadable_journal_shows_why(stage, error, message) -> None:
    async with stage(None, connect=connecting(error)) as s:
        s.app.open_replay("inv_1", "Counter/trips/trip")
        await s.shows(message)
        await s.press("escape")
        assert len(s.app.screen_stack) == 1


async def test_leaving_ends_the_process_at_once(stage, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(600)\n")
    code = AppLocation("slow:app", str(tmp_path))

    def children() -> list[psutil.Process]:
        return [
            seen.process
            for seen in processes_below()
            if "playhead.replay.child" in seen.command and seen.process not in of_other_tests
        ]

    of_other_tests: list[psutil.Process] = []
    of_other_tests += children()

    async with stage(None, connect=connecting("trip", code)) as s:
        s.app.open_replay("inv_1", "Counter/trips/trip")
        await until(s, children)
        assert "Importing slow:app" in s.text
        await s.press("escape")
        await until(s, lambda: not children())
        assert s.app.is_running


async def test_the_app_is_requested_once(stage) -> None:
    async with stage(None, connect=connecting("run_ok", AppLocation(""))) as s:
        s.app.open_invocation("inv_1gChat")
        await s.press("r")
        await s.until(lambda: isinstance(s.app.screen, AppLocationDialog))
        await s.press("escape")
        await s.until(lambda: s.app.screen.id != "replay" and len(s.app.screen_stack) == 2)
        await s.press("r")
        await s.until(lambda: isinstance(s.app.screen, AppLocationDialog))
        await s.press(*"handlers", "enter")
        await s.shows("Enter module:attribute")
        s.app.screen.query_one("#folder").value = HANDLERS.app_dir
        await s.press(*":app", "enter")
        await until(s, lambda: getattr(s.app.screen, "report", None))
        assert s.app.screen.report.verdict == "same"
        await s.press("escape", "r")
        await until(s, lambda: getattr(s.app.screen, "report", None))
        assert s.app.app_location == HANDLERS
