"""Copies: what is shown, and the file for terminals that ignore OSC 52."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from playhead_tui.sources.clipboard import LIMIT, leave_copy, refuses_copies
from tui_fakes import FakeReader


@pytest.mark.parametrize(
    ("environ", "refused"),
    [
        ({"TERM": "xterm-256color"}, False),
        ({"TERM": "screen-256color", "TMUX": "/tmp/tmux"}, False),
        ({"TERM": "screen"}, True),
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
    monkeypatch.delenv("VTE_VERSION", raising=False)
    async with stage(FakeReader()) as s:
        listing = s.app.screen.listing
        await s.until(lambda: listing.rows)
        listing.go_to("inv_1gChat")
        await s.press("y", "i")
        await s.shows("Copied 10 B: inv_1gChat")
        assert s.app.clipboard == "inv_1gChat"


def left_in(folder: Path) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in folder.rglob("copied.txt")]


async def test_y_names_the_file_where_the_terminal_ignores_copies(
    stage: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TERM", "linux")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    async with stage(FakeReader(), size=(200, 30)) as s:
        listing = s.app.screen.listing
        await s.until(lambda: listing.rows)
        await s.press("y", "i")
        await s.shows("The terminal may not have copied")
        assert left_in(tmp_path) == [listing.cursor]
