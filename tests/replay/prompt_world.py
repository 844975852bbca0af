"""A recorder, a server that traces into it, and agents, for tests of prompts from spans."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import httpx
from playhead.model import Span
from playhead.reader.listing.stored import StoredInvocations
from playhead.reader.recordings import find_recording
from playhead.record.client import connect
from playhead.replay import Recording
from playhead.settings import Settings
from playhead_samples.stack import Stack
from waiting import until

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
                return await StoredInvocations(source).spans.read(ident)
            finally:
                await source.close()

        return asyncio.run(ask())

    def recorded(self, ident: str) -> list[Span]:
        """Wait until the store has all spans, of which the server's are last, and return them."""

        def complete() -> list[Span]:
            found = self.spans(ident)
            names = [span.name.partition(" ")[0] for span in found]
            # Failed tries have spans, too: only the last try of a step shows that all have arrived.
            last_tries = sum(s.name.startswith("run ") and s.status != "error" for s in found)
            journal = asyncio.run(Recording.fetch(self.settings.admin_url, ident)).journal()
            runs = [command for command in journal.commands if command.type == "Run"]
            results = [journal.result_of(command) for command in runs]
            whole = last_tries >= sum(r is not None and r.kind != "failure" for r in results)
            whole = whole and names.count("run") >= len(runs) and all(span.end for span in found)
            # The spans of model calls end after their steps, so they may arrive later.
            ids = {span.span_id for span in found}
            whole = whole and all(s.parent_span_id in ids for s in found if s.name[:4] == "run ")
            return found if whole and "invocation-attempt" in names else []

        return until(complete, "every span is in the store", seconds=SECONDS)

    def found(self, ident: str) -> Recording:
        self.recorded(ident)
        return asyncio.run(find_recording(self.settings, ident))


def listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
