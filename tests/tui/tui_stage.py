"""A running app under test, waited for on conditions, never on time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


async def wait_until(pilot: Any, predicate: Callable[[], object], seconds: float = 10.0) -> None:
    """Let the app work until the predicate holds."""
    deadline = time.monotonic() + seconds
    while not predicate():
        assert time.monotonic() < deadline, (
            f"never came true: {predicate}\n{screen_text(pilot.app)}"
        )
        await pilot.pause(0.01)
    await pilot.pause()


def screen_text(app: Any) -> str:
    """What is on the screen, as text."""
    height = app.screen.size.height
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(s.text for s in line).rstrip() for line in lines[:height])


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
