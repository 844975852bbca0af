"""Snapshots of the screens, with fixed data at a fixed time."""

from __future__ import annotations

from typing import Any

import pytest
from playhead_tui.app import PlayheadApp
from playhead_tui.drawing.palette import LIGHT
from tui_fakes import NOW, FakeControl, FakeReader, connector
from tui_stage import wait_until
from tui_stories import details

SIZES = [(80, 24), (120, 40)]


def app(**more: Any) -> PlayheadApp:
    source = FakeReader()
    source.details = details(source.rows)
    return PlayheadApp(connector(source, FakeControl()), now=lambda: NOW, **more)


def ready(*keys: str) -> Any:
    async def run(pilot: Any) -> None:
        await wait_until(pilot, lambda: pilot.app.connection)
        await wait_until(pilot, lambda: pilot.app.screen.query("InvocationList").first().rows
                         if pilot.app.screen.query("InvocationList")
                         else pilot.app.screen.waterfall.rows)  # fmt: skip
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
        pilot.app.screen.set_focus(pilot.app.screen.focused)

    return run


@pytest.mark.parametrize("size", SIZES)
def test_list(snap_compare, size) -> None:
    assert snap_compare(app(), terminal_size=size, run_before=ready("j", "j", "j"))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("ident", ["inv_1aWeather", "inv_1bApprove", "inv_1gChat"])
def test_invocation(snap_compare, size, ident) -> None:
    shown = app(invocation=ident)
    assert snap_compare(shown, terminal_size=size, run_before=ready("g", *["j"] * 4))


@pytest.mark.parametrize("size", SIZES)
def test_messages(snap_compare, size) -> None:
    shown = app(invocation="inv_1aWeather")
    keys = ["g", *["j"] * 4, "right_square_bracket"]
    assert snap_compare(shown, terminal_size=size, run_before=ready(*keys))


def test_light(snap_compare) -> None:
    shown = app(invocation="inv_1aWeather")
    shown.theme = LIGHT.name
    assert snap_compare(shown, terminal_size=(120, 40), run_before=ready("g"))


def test_ascii(snap_compare) -> None:
    shown = app(invocation="inv_1aWeather", ascii_only=True)
    assert snap_compare(shown, terminal_size=(120, 40), run_before=ready("g"))


def test_no_color(snap_compare, monkeypatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(app(), terminal_size=(120, 40), run_before=ready("j"))


def test_question(snap_compare) -> None:
    shown = app(invocation="inv_1bApprove")
    assert snap_compare(shown, terminal_size=(80, 24), run_before=ready("a"))
