"""A recorder, a server that traces into it, and agents, for tests of what their spans tell."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any

import httpx
from playhead.model import Span
from playhead.reader.recordings import find_recording
from playhead.reader.stored import StoredInvocations
from playhead.record.client import connect
from playhead.replay import Recording
from playhead.settings import Settings
from playhead_samples.stack import Stack

SECONDS = 60.0


class World:
    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.settings: Settings = stack.settings

    def send(self, path: str, body: Any) -> str:
        url = f"{self.settings.ingress_url}{path}"
        answer = httpx.post(f"{url}/send", json=body, timeout=SECONDS).raise_for_status()
        return answer.json()["invocationId"]

    def ended(self, path: str, body: Any) -> str:
        ident = self.send(path, body)
        url = f"{self.settings.ingress_url}/restate/invocation/{ident}/attach"
        httpx.get(url, timeout=SECONDS).raise_for_status()
        return ident

    def spans(self, ident: str) -> list[Span]:
        async def ask() -> list[Span]:
            source = await connect(self.settings)
            assert source is not None
            try:
                return await StoredInvocations(source).spans(ident)
            finally:
                await source.close()

        return asyncio.run(ask())

    def recorded(self, ident: str) -> list[Span]:
        """The spans, once all of them have come: what a handler's server sends, it sends last."""

        def come() -> list[Span]:
            found = self.spans(ident)
            names = [span.name.partition(" ")[0] for span in found]
            steps = names.count("run")
            journal = asyncio.run(Recording.fetch(self.settings.admin_url, ident)).journal()
            runs = sum(command.type == "Run" for command in journal.commands)
            whole = steps >= runs and all(span.end for span in found)
            return found if whole and "invocation-attempt" in names else []

        return until(come)

    def found(self, ident: str) -> Recording:
        self.recorded(ident)
        return asyncio.run(find_recording(self.settings, ident))


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return found


def listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
