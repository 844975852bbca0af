"""Snapshots of the replay screen with fixed stops; untrusted text; 20,000 stops."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playhead.replay import Divergence, Isolation, Report, WhatIfResult
from playhead.replay import WhatIfRow as Row
from playhead_tui.app import PlayheadApp
from playhead_tui.drawing.palette import LIGHT
from playhead_tui.interfaces import AppLocation
from playhead_tui.screens.replay.what_if import WhatIfScreen
from playhead_tui.widgets.chips import Chips
from tui_fakes import NOW
from tui_replays import REPORT, SOURCE, HandMade, connecting, opened, some_stops, stop
from tui_stage import wait_until

SIZES = [(80, 24), (120, 40)]
OUTCOME = WhatIfResult(
    rows=(
        Row("Run Model call", {"parts": ["yes"]}, "Run Model call", {"parts": ["yes"]}, "recorded"),
        Row("Run look up", {"paid": 120.0}, "Run look up", {"paid": 20.0}, "changed", "desk.py:13"),
        Row("Run pay [bold]back[/]", None, None, None, ""),
        Row(None, None, "Call Mail/refuse", None, "none", "desk.py:15"),
    ),
    ended=False, stopped="the recording does not know the result of Call Mail/refuse",
    waiting_at="desk.py:15", original_output="paid",
)  # fmt: skip


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return stops in `desk.py`, which is not imported."""
    path = tmp_path / "desk.py"
    path.write_text(SOURCE)
    monkeypatch.setattr("playhead_tui.screens.replay.opening.Replayer", HandMade)
    monkeypatch.setattr(HandMade, "stops", some_stops(path))
    monkeypatch.setattr(HandMade, "outcome", OUTCOME)
    return path


def app(path: Path, **more: Any) -> PlayheadApp:
    code = AppLocation("desk:app", str(path.parent))
    return PlayheadApp(connecting("run_ok", code), now=lambda: NOW, **more)


def ready(*keys: str) -> Any:
    async def run(pilot: Any) -> None:
        await wait_until(pilot, lambda: pilot.app.connection)
        pilot.app.open_replay("inv_1", "Desk/refund")
        await wait_until(pilot, lambda: getattr(pilot.app.screen, "report", None))
        await wait_until(pilot, lambda: pilot.app.screen.panes.source._file.lines)
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
        if "e" in keys:
            await pilot.press("ctrl+s")
            await wait_until(pilot, lambda: isinstance(pilot.app.screen, WhatIfScreen))

    return run


@pytest.mark.parametrize("size", SIZES)
def test_variables(snap_compare, by_hand, size) -> None:
    assert snap_compare(app(by_hand), terminal_size=size, run_before=ready("l"))


@pytest.mark.parametrize("size", SIZES)
def test_differences(snap_compare, by_hand, size) -> None:
    keys = ready("N", "N", "left_square_bracket")
    assert snap_compare(app(by_hand), terminal_size=size, run_before=keys)


@pytest.mark.parametrize("size", SIZES)
def test_outcome(snap_compare, by_hand, size) -> None:
    assert snap_compare(app(by_hand), terminal_size=size, run_before=ready("l", "e"))


def test_light(snap_compare, by_hand) -> None:
    shown = app(by_hand)
    shown.theme = LIGHT.name
    keys = ready(*["right_square_bracket"] * 2)
    assert snap_compare(shown, terminal_size=(120, 40), run_before=keys)


def test_ascii(snap_compare, by_hand) -> None:
    shown = app(by_hand, ascii_only=True)
    assert snap_compare(shown, terminal_size=(80, 24), run_before=ready("l", "l"))


def test_no_color(snap_compare, by_hand, monkeypatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(app(by_hand), terminal_size=(120, 40), run_before=ready("l", "l"))


async def test_ascii_is_ascii_throughout(stage, by_hand, monkeypatch) -> None:
    stops = tuple(replace(found, conversation=()) for found in HandMade.stops)
    monkeypatch.setattr(HandMade, "stops", stops)
    code = AppLocation("desk:app", str(by_hand.parent))
    for size in SIZES:
        async with stage(None, connect=connecting("run_ok", code), ascii_only=True, size=size) as s:
            await opened(s)
            for key in ("l", "l", *["right_square_bracket"] * 4, "slash"):
                assert s.text.isascii(), s.text
                await s.press(key)


async def test_untrusted_text_is_not_interpreted(stage, by_hand, monkeypatch) -> None:
    evil = "\x1b[31m[blink]\x9b2J\u202eevil[/] \x1b]0;title\x07"
    stops = (
        stop(1, f"Run {evil}", result={evil: evil}, failure=None, arguments={evil: [evil]},
             state={evil: evil}, conversation=({"role": evil, "text": evil},),
             divergences=(evil,), stacks=some_stops(by_hand)[0].stacks),
        stop(2, f"Run {evil}", failure=f"500: {evil}"),
    )  # fmt: skip
    report = Report("diverged", "inv_1", evil, sdk_message=evil, notes=(evil,), blocked=(evil,),
                    divergences=(Divergence(1, evil, evil, evil, evil, True, evil),),
                    isolation=Isolation({"network": (evil,)}))  # fmt: skip
    monkeypatch.setattr(HandMade, "stops", stops)
    monkeypatch.setattr(HandMade, "report_", report)
    by_hand.write_text(f"x = 1\n# {evil}\n" + SOURCE)
    row = Row(f"Run {evil}", evil, f"Run {evil}", {evil: 1}, "changed", evil)
    outcome = WhatIfResult((row,), True, output=evil, blocked=(evil,), isolation=report.isolation)
    monkeypatch.setattr(HandMade, "outcome", outcome)
    code = AppLocation("desk:app", str(by_hand.parent))
    async with stage(None, connect=connecting("run_ok", code)) as s:
        await opened(s)
        for key in (*["right_square_bracket"] * 4, "l", "h", "e", "ctrl+s"):
            await s.press(key)
            assert "evil[/]" in s.text
            assert not set(s.text) & set("\x1b\x9b\x07\u202e")
        await s.until(lambda: isinstance(s.app.screen, WhatIfScreen))
        await s.press("right_square_bracket")
        assert "[blink]" in s.text
        assert not set(s.text) & set("\x1b\x9b\x07\u202e")


def many_stops(number: int, by_hand: Path) -> tuple[Any, ...]:
    """Return stops of which each thousandth asks a model."""
    stacks = some_stops(by_hand)[0].stacks
    return tuple(
        stop(n, f"Run {'Model call' if n % 1000 == 0 else f'step {n}'}", asks_model=n % 1000 == 0,
             result={"n": n}, stacks=stacks)
        for n in range(1, number + 1)
    )  # fmt: skip


async def test_20_000_stops(stage, by_hand, monkeypatch) -> None:
    stops = many_stops(20_000, by_hand)
    monkeypatch.setattr(HandMade, "stops", stops)
    monkeypatch.setattr(HandMade, "report_", replace(REPORT, divergences=()))
    code = AppLocation("desk:app", str(by_hand.parent))
    async with stage(None, connect=connecting("run_ok", code)) as s:
        screen = await opened(s)
        await s.press("G")
        assert screen.session.position == 19_999
        assert "20000 of 20000" in s.text
        await s.press("g", "n")
        assert screen.session.current.command_index == 1000
        assert "before" in s.text
        assert "after" in s.text
        await s.press(*["l"] * 20)
        assert screen.panes.steps.place == 1019
        screen.set_filter("step 19")
        assert len(screen.hits) == sum("step 19" in found.title for found in stops)
        assert f"{len(screen.hits)} of 20000 stops" in screen.query_one(Chips).texts


async def test_a_step_costs_the_same_among_20_000_as_among_1_000(
    stage, by_hand, monkeypatch
) -> None:
    monkeypatch.setattr(HandMade, "report_", replace(REPORT, divergences=()))
    code = AppLocation("desk:app", str(by_hand.parent))
    spent: dict[int, float] = {}
    for number in (1_000, 20_000):
        monkeypatch.setattr(HandMade, "stops", many_stops(number, by_hand))
        async with stage(None, connect=connecting("run_ok", code)) as s:
            await opened(s)
            await s.press(*["l"] * 5)
            began = time.process_time()
            await s.press(*["l"] * 20)
            spent[number] = time.process_time() - began
    assert spent[20_000] < 4 * spent[1_000], spent
