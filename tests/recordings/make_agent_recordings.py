"""Make the recordings in `agents/`, one journal of each sample agent.

    python tests/recordings/make_agent_recordings.py [NAME ...]

The models are the samples' own local LLM server; everything else is real.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path

import httpx
from make_recordings import SECONDS, Server, listens, without_paths
from playhead.local import ManagedProcess, RestateServer, free_port
from playhead.replay import Recording
from playhead.replay.child.operations import annotate
from playhead.replay.engine.app import App, load_app
from playhead_samples.sample_requests import EXAMPLES, Example

FOLDER = Path(__file__).parent / "agents"
LEFT_OUT = {"scheduled", "changing-code", "approval-workflow", "streaming"}
"""Agents that never end, change their own code, or repeat the patterns of others."""


def approve(server: Server, effects: Path) -> None:
    """Resolve the newest awakeable that a tool sent to a person."""

    def awakeables() -> list[str]:
        lines = effects.read_text().splitlines() if effects.exists() else []
        found = [json.loads(line)["details"].get("awakeable_id") for line in lines]
        return [ident for ident in found if ident]

    ident = server.wait("a request for approval", awakeables)[-1]
    httpx.post(
        f"{server.restate.ingress_url}/restate/awakeables/{ident}/resolve", json=True
    ).raise_for_status()


def record(server: Server, app: App, example: Example, effects: Path) -> None:
    """Send the example's request, wait for its end, and save the journal."""
    effects.unlink(missing_ok=True)
    ident = server.send(example.path.removeprefix("/"), example.body)
    if example.waits and example.name != "approval-timeout":
        approve(server, effects)
    server.wait(example.name, server.ended(ident))
    recording = without_paths(asyncio.run(Recording.fetch(server.restate.admin_url, ident)))
    annotate(app, recording).save(FOLDER / f"{example.name}.journal.json")
    print(f"{example.name}: {len(recording.entries)} entries")  # noqa: T201


def main(names: list[str]) -> None:
    """Record the named examples, or all."""
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as running:
        work = Path(scratch)
        llm, agents = free_port(), free_port()
        restate = running.enter_context(RestateServer(work / "restate"))
        env = {
            "PLAYHEAD_LLM_URL": f"http://127.0.0.1:{llm}",
            "PLAYHEAD_EFFECTS": str(work / "effects.jsonl"),
            "OTEL_SDK_DISABLED": "true",
        }
        for module, port in (("playhead_samples.llm", llm), ("playhead_samples", agents)):
            command = [sys.executable, "-m", module, "--port", str(port)]
            child = ManagedProcess(module, command, log=work / f"{module}.log", env=env)
            running.enter_context(child)
            child.wait_until(lambda p=port: listens(p), seconds=2 * SECONDS, what="it listened")
        restate.register(f"http://127.0.0.1:{agents}")
        os.environ.update(env)
        os.environ.pop("PLAYHEAD_EFFECTS")
        app = load_app("playhead_samples.app:create_app()")
        for example in EXAMPLES:
            if example.name in (names or {e.name for e in EXAMPLES} - LEFT_OUT):
                record(Server(restate), app, example, work / "effects.jsonl")


if __name__ == "__main__":
    main(sys.argv[1:])
