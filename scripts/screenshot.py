"""Take the screenshots in docs/images: the dashboard on a running demo.

Needs libcairo and a monospaced font with box and block characters, such as DejaVu Sans Mono.
With the argument `tour`, takes only those of the screens besides invocation and replay.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import cairosvg  # pyright: ignore[reportMissingTypeStubs]
import httpx
from playhead.settings import Settings
from playhead_samples import demo_requests as demo
from playhead_samples import tool_faults
from playhead_samples.stack import Stack
from playhead_tui.app import PlayheadApp
from playhead_tui.sources.connector import connector
from textual.pilot import Pilot
from textual.widgets import TextArea

CHECKOUT = str(Path(__file__).resolve().parent.parent)
IMAGES = Path(CHECKOUT) / "docs" / "images"
SIZE = (120, 34)
LOW = (120, 20)
"""Terminal size for screens with few rows."""
ALL_COLUMNS = (152, 20)
"""Terminal size for screens with many columns."""
FONT = "DejaVu Sans Mono"
WAIT_SECONDS = 60.0
CODE = "playhead_samples.app:create_app()"
FAILURES = {
    "Oslo": ("WeatherAgent/run", "What is the weather in Oslo?"),
    "A-666": ("OrderDesk/run", "Where is order A-666?"),
}
"""Requests that fail: one is retried while its tool is down, the other one ends with 403."""
ANSWER = '"I do not know Denver. Did you mean Dresden?"'


def save(app: PlayheadApp, name: str) -> None:
    """Write the screen as PNG, with the font of this machine instead of one from the network."""
    svg = app.export_screenshot(title="playhead")
    svg = re.sub(r"@font-face\s*{[^}]*}", "", svg).replace("Fira Code", FONT)
    svg = svg.replace(CHECKOUT, f"/home/ada/{'agents' * 20}"[: len(CHECKOUT)])
    IMAGES.mkdir(parents=True, exist_ok=True)
    target = IMAGES / f"{name}.png"
    cairosvg.svg2png(bytestring=svg.encode(), write_to=str(target), output_width=1400)  # pyright: ignore[reportUnknownMemberType]
    print(f"written {target.name}, {target.stat().st_size // 1024} KB")  # noqa: T201


class Camera:
    """A running dashboard, its screen and its keys."""

    def __init__(self, app: PlayheadApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    def shows(self, *texts: str) -> bool:
        """Return whether all the texts are on the screen."""
        shown = self.app.export_screenshot().replace("&#160;", " ")
        return all(text in shown for text in texts)

    async def until(self, *texts: str, press: str = "") -> None:
        """Wait until all texts are on the screen; press `press`, if given, before each check."""
        await self.wait(lambda: self.shows(*texts), f"{texts} on the screen", press)

    async def wait(self, condition: Callable[[], bool], what: str, press: str = "") -> None:
        """Wait until the condition is true."""
        deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
        while not condition():
            if asyncio.get_running_loop().time() > deadline:
                save(self.app, "failed")
                raise TimeoutError(f"not within {WAIT_SECONDS:g} s: {what}")
            if press:
                await self.pilot.press(press)
            await self.pilot.pause(0.3)

    async def take(self, name: str) -> None:
        """Save the screen after a pause for pending updates."""
        await self.pilot.pause(1)
        save(self.app, name)


@asynccontextmanager
async def dashboard(
    settings: Settings, invocation: str | None = None, size: tuple[int, int] = SIZE
) -> AsyncGenerator[Camera]:
    """Run a headless dashboard."""
    app = PlayheadApp(connector(settings, record=False), read_only=True, invocation=invocation)
    async with app.run_test(size=size) as pilot:
        yield Camera(app, pilot)


async def show(settings: Settings, ids: dict[str, str]) -> None:
    """Take all screenshots."""
    async with dashboard(settings, size=LOW) as camera:
        await camera.until("ClaimIntake", "suspended", "backing-off", "403")
        await camera.pilot.pause(6)
        await camera.take("list")
    async with dashboard(settings, ids["Denver"]) as camera:
        await camera.until("attempt 3", "Get weather")
        await camera.pilot.press("g", *"jjjj")  # to the first model call
        await camera.until("You are a weather agent", press="right_square_bracket")
        await camera.take("invocation")
    async with dashboard(settings, ids["Oslo"]) as camera:
        await camera.until("attempt 3", press="g")  # of many, on a slow machine
        await camera.pilot.press("g", *"jjjjjj")  # to the step whose tries fail
        await camera.until("the station is down")
        await camera.take("failures")
    async with dashboard(settings, ids["Denver"]) as camera:
        await camera.until("attempt 3", "Get weather")
        await camera.pilot.press("r")
        await camera.until("weather_agent")
        await camera.pilot.press("g", "right")
        await camera.until("You are a weather agent", press="right_square_bracket")
        await camera.take("replay")
        await camera.pilot.press("left", "e")
        await camera.wait(lambda: bool(camera.app.screen.query(TextArea)), "an editor")
        camera.app.screen.query_one(TextArea).text = ANSWER
        await camera.pilot.press("ctrl+s")
        await camera.wait(
            lambda: not camera.app.screen.query(TextArea) and camera.shows("Dresden?"),
            "both runs",
        )
        await camera.pilot.resize_terminal(*LOW)
        await camera.take("what-if")


QUERY = """SELECT model, count(*) AS calls, sum(input_tokens) AS input,
  sum(output_tokens) AS output, quantile_disc(seconds, 0.95) AS p95
FROM llm_calls WHERE answered GROUP BY model"""


async def show_tour(settings: Settings, ids: dict[str, str]) -> None:
    """Take the screenshots of the screens that capital letters open."""
    async with dashboard(settings, size=LOW) as camera:
        press, until = camera.pilot.press, camera.until
        await until("ClaimIntake", "suspended", "403")
        await press("F")
        await until("recorded,", "Get weather")
        await camera.pilot.resize_terminal(*ALL_COLUMNS)
        await camera.take("failure-groups")
        await press("escape", "A")
        await until("LLM calls,", "gpt-local")
        await camera.take("agents")
        await camera.pilot.resize_terminal(*LOW)
        await press("escape", "O")
        await until("ChatAgent/ada", "ClaimIntake/ada")
        await press("G", "enter")
        await until("last_specialist", "key")
        await press("h")
        await until("Difference to the value before")
        await camera.take("state-history")
        await press("escape", "escape", "k", "enter")
        await until("history", "Hello, my name is Ada")
        await camera.take("state")
        await press("escape", "escape", "D")
        await until("ApprovalAgent", "newest")
        await press("j")
        await until("exclusive")
        await camera.take("services")
        await press("escape", "Q")
        await camera.wait(lambda: bool(camera.app.screen.query(TextArea)), "an editor")
        camera.app.screen.query_one(TextArea).text = QUERY
        await press("ctrl+s")
        await until(" in ", "gpt-local")
        await camera.take("sql")
    async with dashboard(settings, ids["Denver"], size=LOW) as camera:
        await camera.until("attempt 3", "Get weather")
        await camera.pilot.press("v", "2")
        await camera.until("Conversation", "attempt 3", "backoff")
        await camera.take("attempts")
        await camera.pilot.press("escape")
        await camera.until("TIMELINE")
        await camera.pilot.press("C")
        camera.app.open_invocation(ids["Berlin"])
        await camera.until("attempt 2", "2 tries")
        await camera.pilot.press("C")
        await camera.until("steps differ", "Denver", "Berlin")
        await camera.take("compare")


def send(stack: Stack, path: str, message: str) -> str:
    """Send one request; return its invocation id."""
    url = f"{stack.settings.ingress_url}/{path}/send"
    response = httpx.post(url, json={"message": message}, timeout=WAIT_SECONDS).raise_for_status()
    return str(response.json()["invocationId"])


def main() -> None:
    """Run the demo's requests and two failures, then take the screenshots."""
    agents = (*demo.AGENTS, "error_handling")
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder), only=agents) as stack:
        demo.inject_faults(stack)
        down = tool_faults.ToolFault(
            "get_weather", "raise", match="Oslo", message="the station is down"
        )
        tool_faults.set_faults(stack.faults_file, [*demo.TOOL_FAULTS, down])
        ids = {name: send(stack, *request) for name, request in FAILURES.items()}
        ids |= {s.request.message.rstrip("?").split()[-1]: s.invocation_id
                for s in demo.send(stack)}  # fmt: skip
        others = [id_ for word, id_ in ids.items() if word not in ("took.", "Oslo")]
        demo.wait_for_status(stack, others, "completed")
        only_tour = "tour" in sys.argv[1:]
        if not only_tour:
            asyncio.run(show(replace(stack.settings, app=CODE), ids))
        asyncio.run(show_tour(replace(stack.settings, app=CODE), ids))


if __name__ == "__main__":
    main()
