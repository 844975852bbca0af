"""Measure how long after a server's recovery the dashboard and the recorder are current again.

    python -m benchmarks recovery [--seconds 15] [--write]

A proxy in front of a real restate-server misbehaves for some seconds, in one way each. During that
time an invocation starts and ends, which neither the dashboard nor the recorder can see. The table
has the seconds from the moment at which the proxy passes requests again until the list shows the
invocation and the store has its journal, and the seconds until the screen showed a problem or the
age of its rows. `--write` replaces the table in docs/security.md.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from playhead import AsyncClient
from playhead.local import ManagedProcess, RestateServer, free_port
from playhead.record.process import start_recorder
from playhead.settings import Settings
from playhead_tui.app import PlayheadApp
from playhead_tui.sources.connector import connector

from benchmarks.freshness import SERVICE
from benchmarks.scale import answers

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from bad_server import BadServer

PAGE = Path(__file__).parents[1] / "docs" / "security.md"
BEGIN, END = "<!-- recovery -->\n", "<!-- end of recovery -->\n"
MODES = {
    "hang": "is silent",
    "drip": "sends single bytes",
    "endless": "never ends its answer",
    "cut": "closes in the middle",
    "close": "closes at once",
    "refuse": "answers 401",
    "limit": "answers 429",
    "error page": "answers 500",
    "garbage": "sends garbage",
}
LOOK_SECONDS = 0.02
GIVE_UP_SECONDS = 120.0


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> float:
    """Wait for a condition; return the seconds that it took."""
    begun = time.monotonic()
    while not await condition():
        if time.monotonic() - begun > GIVE_UP_SECONDS:
            raise TimeoutError(f"{what} did not happen in {GIVE_UP_SECONDS:g} s")
        await asyncio.sleep(LOOK_SECONDS)
    return time.monotonic() - begun


def screen(app: PlayheadApp) -> str:
    """Return the text of the screen."""
    strips = app.screen._compositor.render_strips()  # pyright: ignore[reportPrivateUsage]
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


async def finish(server: RestateServer, key: str) -> str:
    """Start an invocation past the proxy and wait for its end; return its id."""
    async with httpx.AsyncClient(timeout=60) as http:
        sent = await http.post(f"{server.ingress_url}/Quick/{key}/done/send", json=1)
        id_: str = sent.raise_for_status().json()["invocationId"]
        await http.get(f"{server.ingress_url}/restate/invocation/{id_}/attach")
    return id_


async def recover(
    mode: str, seconds: float, server: RestateServer, proxy: BadServer, app: Any, store: AsyncClient
) -> tuple[float, float, float]:
    """Return the seconds until the problem was on screen, the list current, the journal copied."""

    async def shown(text: str) -> bool:
        return text in screen(app)

    async def problem() -> bool:
        text = screen(app)
        age = "updated" in text or "server not answering" in text
        return age or any(one.notes for one in app.screen.query("Notes"))

    async def quiet() -> bool:
        return not await problem()

    async def copied(id_: str) -> bool:
        return bool(await store.sql(f"SELECT 1 FROM invocations WHERE id = '{id_}'"))

    fine = await finish(server, f"before-{mode.replace(' ', '-')}")
    await until(lambda: copied(fine), "the copy of an invocation before")
    await until(lambda: shown(f"Quick/before-{mode.replace(' ', '-')}"), "the row before")
    await until(quiet, "the end of all notes")
    proxy.mode = mode
    begun = time.monotonic()

    said = await until(problem, f"a note about the server that {MODES[mode]}")
    key = f"during-{mode.replace(' ', '-')}"
    id_ = await finish(server, key)
    await asyncio.sleep(max(seconds - (time.monotonic() - begun), 0))
    assert not await shown(f"Quick/{key}")
    proxy.mode = "pass"
    listed, stored = await asyncio.gather(
        until(lambda: shown(f"Quick/{key}"), "the row"), until(lambda: copied(id_), "the copy")
    )
    return said, listed, stored


async def run(server: RestateServer, folder: Path, seconds: float) -> list[str]:
    """Measure all modes; return the table's lines."""
    port = int(server.admin_url.rpartition(":")[2])
    lines = [
        f"Measured on {datetime.now(UTC):%Y-%m-%d} with `python -m benchmarks recovery`; the "
        f"server misbehaves for {seconds:g} s:\n",
        "| The server … | Reported on screen after | List current after recovery "
        "| Journal copied after recovery |",
        "| --- | --: | --: | --: |",
    ]
    async with BadServer(port) as proxy:
        settings = replace(
            Settings(),
            store=folder / "store",
            admin_url=proxy.url,
            ingress_url=server.ingress_url,
        )
        recorder = start_recorder(settings, folder / "recorder.log", free_ports=True)
        try:
            app = PlayheadApp(connector(settings, record=False))
            async with app.run_test(size=(140, 50)), AsyncClient(settings=settings) as store:
                for mode, words in MODES.items():
                    said, listed, stored = await recover(mode, seconds, server, proxy, app, store)
                    lines.append(f"| {words} | {said:.1f} s | {listed:.1f} s | {stored:.1f} s |")
                    print(lines[-1], flush=True)
        finally:
            recorder.stop()
    return lines


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recovery", description=__doc__)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--write", action="store_true", help="write the table into docs")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, RestateServer(Path(name) / "restate") as server:
        folder, port = Path(name), free_port()
        script = folder / "gate.py"
        script.write_text(SERVICE)
        command = [sys.executable, script, str(port)]
        url = f"http://127.0.0.1:{port}"
        with ManagedProcess("gate", command, log=folder / "gate.log") as child:
            child.wait_until(lambda: answers(url), seconds=120, what="it answered")
            server.register(url)
            lines = asyncio.run(run(server, folder, chosen.seconds))
    if chosen.write:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text(before + BEGIN + "\n".join(lines) + "\n" + END + after)
    return 0


if __name__ == "__main__":
    sys.exit(main())
