"""Copies: what is shown, and the file for terminals that ignore OSC 52."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playhead_tui.dialogs.dialog import Prompt
from playhead_tui.sources.clipboard import LIMIT, leave_copy, refuses_copies
from textual.widgets import Input
from tui_fakes import FakeReader
from tui_stories import long_journal, step, step_row


@pytest.mark.parametrize(
    ("environ", "refused"),
    [
        ({"TERM": "xterm-256color"}, False),
        ({"TERM": "screen-256color", "TMUX": "/tmp/tmux"}, False),
        ({"TERM": "screen"}, True),
        ({"TERM": "screen", "TMUX": ""}, True),
        ({"TERM": "linux"}, True),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, True),
        ({"TERM": "xterm-256color", "VTE_VERSION": "7006"}, True),
        ({"TERM": "xterm-256color", "VTE_VERSION": "7802"}, False),
    ],
)
def test_terminals_that_are_known_to_ignore_copies(environ: dict[str, str], refused: bool) -> None:
    assert refuses_copies("id", environ) is refused
    assert refuses_copies("x" * (LIMIT + 1), environ)


def test_a_copy_is_left_for_its_owner_only(tmp_path: Path) -> None:
    leave_copy("first", tmp_path)
    (tmp_path / "copied.txt").chmod(0o644)
    path = leave_copy("käse", tmp_path)
    assert path.read_text(encoding="utf-8") == "käse"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_y_shows_what_it_copied(stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("TMUX", raising=False)
    monkeypatch.delenv("VTE_VERSION", raising=False)
    async with stage(FakeReader()) as s:
        listing = s.app.screen.listing
        await s.until(lambda: listing.rows)
        listing.go_to("inv_1gChat")
        await s.press("y", "i")
        await s.shows("Copied 10 B: inv_1gChat")
        assert s.app.clipboard == "inv_1gChat"


@pytest.mark.parametrize("works", [True, False])
async def test_in_tmux_the_copy_goes_through_tmux(
    stage: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, works: bool
) -> None:
    """With its default settings, it drops what programs copy by OSC 52."""
    tmux = tmp_path / "tmux"
    end = "" if works else "exit 1"
    tmux.write_text(f'#!/bin/sh\necho "$@" > "{tmp_path}/args"; cat > "{tmp_path}/buffer"; {end}\n')
    tmux.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("TMUX", "/tmp/tmux-0/default,1,0")
    monkeypatch.setenv("TERM", "tmux-256color")
    async with stage(FakeReader()) as s:
        await s.until(lambda: s.app.screen.listing.rows)
        s.app.screen.listing.go_to("inv_1gChat")
        await s.press("y", "i")
        await s.shows("Copied into tmux's buffer, 10 B" if works else "Copied 10 B: inv_1gChat")
        assert (tmp_path / "buffer").read_text() == "inv_1gChat"
        assert (tmp_path / "args").read_text() == "load-buffer -w -\n"
        assert s.app.clipboard == ("" if works else "inv_1gChat")


def left_in(folder: Path) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in folder.rglob("copied.txt")]


async def test_y_names_the_file_where_the_terminal_ignores_copies(
    stage: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TERM", "linux")
    monkeypatch.delenv("TMUX", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    async with stage(FakeReader(), size=(200, 30)) as s:
        listing = s.app.screen.listing
        await s.until(lambda: listing.rows)
        await s.press("y", "i")
        await s.shows("The terminal may not have copied")
        assert left_in(tmp_path) == [listing.cursor]


async def test_w_saves_the_payload_of_a_step_as_the_journal_has_it(
    stage: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    source = FakeReader()
    row = source.rows[0]
    one = step(row.created_at, 0, 1, "run", "big", 1, notification_index=2)
    source.details[row.id] = replace(long_journal(row, 1), timeline=(step_row(one, 0),))
    sent, result = b'{"text": "[b]\xe6\x9d\xb1[/b] \\u001b]0;x\\u0007"}', b"\x00\xff" * 100
    source.payloads = {1: sent, 2: result}
    full: list[OSError] = []

    def write(descriptor: int) -> None:
        if full:
            raise full.pop()

    monkeypatch.setattr("playhead_tui.actions.save.os.fsync", write)
    async with stage(source, size=(160, 30)) as s:
        s.app.open_invocation(row.id)
        await s.shows("big")
        await s.press("y")
        await s.shows("The whole payload of the step, in a file")
        await s.press("w")
        await s.shows("#2, 200 B")
        await s.press("s")
        await s.shows("Save 39 B as")
        await s.press("enter")
        await s.until(lambda: (tmp_path / f"{row.id}-1.json").exists())
        await s.until(lambda: s.app.screen_stack and not isinstance(s.app.screen, Prompt))
        assert (tmp_path / f"{row.id}-1.json").read_bytes() == sent

        await s.press("y", "w")
        await s.shows("Save what?")
        await s.press("r")
        await s.shows("Save 200 B as")
        prompt = s.app.screen.query_one(Input)
        for wrong, problem in (
            (f"{row.id}-1.json", "exists: choose another name"),
            ("no/where", "does not exist"),
            (str(tmp_path), "add a file name"),
            (" ", "Type the name of a file"),
            ("x" * 300, "Not the name of a file: File name too long"),
            ("a\0b", "Not the name of a file"),
        ):
            prompt.value = wrong
            await s.press("enter")
            await s.until(lambda problem=problem: problem in s.text.replace("│", ""))
        full.append(OSError(errno.ENOSPC, "No space left on device"))
        prompt.value = "full"
        await s.press("enter")
        await s.shows("Not saved: No space left on device")
        assert not (tmp_path / "full").exists(), "nothing is left of a file that is incomplete"
        await s.press("enter")
        await s.until(lambda: (tmp_path / "full").exists())
        await s.until(lambda: not isinstance(s.app.screen, Prompt))
        assert (tmp_path / "full").read_bytes() == result
        assert stat.S_IMODE((tmp_path / "full").stat().st_mode) == 0o600


async def test_a_step_without_a_payload_says_so(stage: Any) -> None:
    source = FakeReader()
    row = source.rows[0]
    source.details[row.id] = long_journal(row, 1)
    async with stage(source) as s:
        s.app.open_invocation(row.id)
        await s.shows("step 0")
        await s.press("y", "w")
        await s.shows("The step has no payload.")
