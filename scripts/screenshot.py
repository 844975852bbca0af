"""Makes docs/images/*.png: the dashboard over a demo that really runs, drawn by the program itself.

Needs libcairo and a monospaced font with box and block characters (DejaVu Sans Mono, say).
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import cairosvg  # pyright: ignore[reportMissingTypeStubs]
from playhead_samples import demo_requests as demo
from playhead_samples.stack import Stack
from playhead_tui.app import PlayheadApp
from playhead_tui.sources.connector import connector
from textual.pilot import Pilot

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
SIZE = (120, 34)
FONT = "DejaVu Sans Mono"
WAIT_SECONDS = 60.0


def save(app: PlayheadApp, name: str) -> None:
    """Write the screen as PNG, with the font of this machine instead of one from the network."""
    svg = app.export_screenshot(title="playhead")
    svg = re.sub(r"@font-face\s*{[^}]*}", "", svg).replace("Fira Code", FONT)
    IMAGES.mkdir(parents=True, exist_ok=True)
    target = IMAGES / f"{name}.png"
    cairosvg.svg2png(bytestring=svg.encode(), write_to=str(target), output_width=1400)  # pyright: ignore[reportUnknownMemberType]
    print(f"written {target.name}")  # noqa: T201


async def wait_for_text(pilot: Pilot[None], *texts: str) -> None:
    """Wait until all the texts are on the screen."""

    def there() -> bool:
        shown = pilot.app.export_screenshot().replace("&#160;", " ")
        return all(text in shown for text in texts)

    await _wait(pilot, there, f"{texts} on the screen")


async def _wait(pilot: Pilot[None], condition: Callable[[], bool], what: str) -> None:
    deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
    while not condition():
        if asyncio.get_running_loop().time() > deadline:
            raise TimeoutError(f"not within {WAIT_SECONDS:g} s: {what}")
        await pilot.pause(0.2)


async def show(stack: Stack, ids: dict[str, str]) -> None:
    """Open the list, and the invocation whose tool failed twice."""
    app = PlayheadApp(connector(stack.settings, record=False), read_only=True)
    async with app.run_test(size=SIZE) as pilot:
        await wait_for_text(pilot, "ClaimIntake", "suspended")
        await pilot.pause(6)
        save(app, "list")
    app = PlayheadApp(
        connector(stack.settings, record=False), read_only=True, invocation=ids["Denver"]
    )
    async with app.run_test(size=SIZE) as pilot:
        await wait_for_text(pilot, "attempt 3", "Get weather")
        await pilot.pause(1)
        await pilot.press("G", "k")
        await wait_for_text(pilot, "Messages")
        while "You are a weather agent" not in app.export_screenshot().replace("&#160;", " "):
            await pilot.press("right_square_bracket")
            await pilot.pause(0.5)
        save(app, "invocation")


def main() -> None:
    """Run the demo's traffic, then take the pictures."""
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder), only=demo.AGENTS) as stack:
        demo.inject_faults(stack)
        ids = {sent.request.message.rstrip("?").split()[-1]: sent.invocation_id
               for sent in demo.send(stack)}  # fmt: skip
        claim = next(id_ for word, id_ in ids.items() if word == "took.")
        others = [id_ for id_ in ids.values() if id_ != claim]
        demo.wait_for_status(stack, others, "completed")
        asyncio.run(show(stack, ids))


if __name__ == "__main__":
    main()
