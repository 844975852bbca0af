"""A running app under test, with waits for conditions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playhead_tui.widgets.chips import Chips
from waiting import until_async


async def wait_until(pilot: Any, predicate: Callable[[], object], seconds: float = 60.0) -> None:
    """Let the app run until the predicate is true; a failure shows the screen."""

    async def condition() -> object:
        await pilot.pause()
        return predicate()

    try:
        await until_async(condition, repr(predicate), seconds=seconds)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{screen_text(pilot.app)}") from None
    await pilot.pause()


def screen_text(app: Any) -> str:
    """Return the screen as text."""
    height = app.screen.size.height
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(s.text for s in line).rstrip() for line in lines[:height])


def chips(app: Any) -> str:
    """Return the chips above a list."""
    return " ".join(app.screen.query_one(Chips).texts)


class Stage:
    """A running app under test."""

    def __init__(self, app: Any, pilot: Any) -> None:
        self.app = app
        self.pilot = pilot

    async def until(self, predicate: Callable[[], object]) -> None:
        await wait_until(self.pilot, predicate)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    @property
    def text(self) -> str:
        return screen_text(self.app)

    async def shows(self, text: str) -> None:
        await wait_until(self.pilot, lambda: text in self.text)
