"""Every screen of the dashboard, whichever of server, recorder and store are available."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playhead_tui.app import PlayheadApp
from playhead_tui.screens.help import HelpScreen
from playhead_tui.sources.connector import connector
from playhead_tui.widgets.notes import Notes
from situations import SIZES, SOURCES, Situation
from textual.command import CommandPalette
from tui_stage import screen_text, wait_until

SUPPORT = Path(__file__).parents[1] / "support"
TERMINALS = ((40, 10), (80, 24), (200, 60))
BUSY_SECONDS = 1.0
"""CPU time for which no step of the dashboard may keep the keyboard waiting."""


def cells() -> Iterator[Any]:
    for rows in SIZES:
        for sources in SOURCES:
            every = rows == 10 and sources in ("server and recorder", "file")
            for terminal in TERMINALS if every or sources == "nothing" else TERMINALS[1:2]:
                if rows == 0 or sources != "nothing":
                    width, height = terminal
                    name = f"{rows}-{sources}-{width}x{height}"
                    yield pytest.param(rows, sources, terminal, id=name)


@contextlib.asynccontextmanager
async def dashboard(there: Situation, size: tuple[int, int]) -> AsyncGenerator[Any]:
    """Run the dashboard; fail when its event loop computes for too long without a pause."""
    busiest = 0.0

    async def watch() -> None:
        nonlocal busiest
        while True:
            before = time.thread_time()
            await asyncio.sleep(0)
            busiest = max(busiest, time.thread_time() - before)
            await asyncio.sleep(0.01)

    settings = replace(there.settings, app="journal_service:app", app_dir=str(SUPPORT))
    app = PlayheadApp(connector(settings, record=False))
    async with app.run_test(size=size, notifications=True) as pilot:
        watching = asyncio.create_task(watch())
        try:
            yield pilot
        finally:
            watching.cancel()
    assert busiest < BUSY_SECONDS


@pytest.mark.parametrize(("rows", "sources", "terminal"), list(cells()))
async def test_screens(
    situation: Callable[[str, int], Situation],
    rows: int,
    sources: str,
    terminal: tuple[int, int],
) -> None:
    there = situation(sources, rows)
    async with dashboard(there, terminal) as pilot:
        app = pilot.app
        screen = app.screen
        await wait_until(pilot, lambda: getattr(screen, "reads", 0) > 0)
        await wait_until(pilot, lambda: len(screen.listing.rows) == min(rows, 200))
        await says_what_is_missing(pilot, there)
        if not rows:
            assert "No invocations" in screen_text(app)
        else:
            await search(pilot, there)
        await pilot.press("question_mark")
        await wait_until(
            pilot, lambda: isinstance(app.screen, HelpScreen) and "Errors" in screen_text(app)
        )
        await pilot.press("escape", "colon")
        await wait_until(pilot, lambda: isinstance(app.screen, CommandPalette))
        await pilot.press("escape")
        await wait_until(pilot, lambda: app.screen is screen)
        if rows:
            await one_invocation(pilot, there, replays=rows == 10 and terminal == (80, 24))
            assert app.screen is screen
            await says_what_is_missing(pilot, there)


async def search(pilot: Any, there: Situation) -> None:
    """Find one of the oldest invocations by the words of its failure, and nothing by others."""
    screen = pilot.app.screen
    await pilot.press("slash", *"terminally EVERY/")
    await wait_until(pilot, lambda: [row.id for row in screen.listing.rows] == [there.ids["fails"]])
    await pilot.press("escape", "slash", *"nowhere")
    nothing = "No invocation matches the filter"
    await wait_until(pilot, lambda: nothing in " ".join(screen_text(pilot.app).split()))
    assert not screen.cache.more or screen.search.done
    await pilot.press("escape", "e")
    await wait_until(pilot, lambda: {row.id for row in screen.listing.rows} == {there.ids["fails"]})
    await pilot.press("escape")
    await wait_until(pilot, lambda: len(screen.listing.rows) == min(there.rows, 200))


async def one_invocation(pilot: Any, there: Situation, *, replays: bool) -> None:
    app = pilot.app
    app.open_invocation(there.ids["ask"])
    await wait_until(pilot, lambda: getattr(app.screen, "detail", None))
    screen = app.screen
    assert [step.kind for step in screen.detail.steps].count("llm") == 2
    await says_what_is_missing(pilot, there)
    await pilot.press("x")
    if there.server:
        await close(pilot, screen)
    else:  # what is only stored cannot be changed
        await wait_until(pilot, lambda: any("is only stored" in one for one in shown(app)))
    await pilot.press("y")
    await close(pilot, screen)
    if replays:
        await pilot.press("r")
        await wait_until(pilot, lambda: getattr(app.screen, "report", None))
        assert app.screen.report.verdict == "same"
        await pilot.press("escape")
        await wait_until(pilot, lambda: app.screen is screen)
    await pilot.press("escape")


async def close(pilot: Any, screen: Any) -> None:
    """Close the dialog that a key has opened."""
    await wait_until(pilot, lambda: pilot.app.screen is not screen)
    await pilot.press("escape")
    await wait_until(pilot, lambda: pilot.app.screen is screen)


def shown(app: Any) -> list[str]:
    """Return the messages on the screen."""
    return [toast._notification.message for toast in app.screen.query("Toast")]


async def says_what_is_missing(pilot: Any, there: Situation) -> None:
    def said() -> bool:
        [notes] = pilot.app.screen.query(Notes)
        text = " ".join(notes.notes)
        return (
            ("No Restate server answers" in text) == (not there.server)
            and ("Start restate-server" in text) == (not there.server)
            and ("No recorder is running" in text) == (not there.recorder)
            and ("`playhead record`" in text) == (not there.recorder)
            and ("No Restate server" in screen_text(pilot.app)) == (not there.server)
            and ("No recorder is running" in screen_text(pilot.app)) == (not there.recorder)
        )

    await wait_until(pilot, said)
