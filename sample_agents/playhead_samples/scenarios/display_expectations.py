"""Expectations on what Playhead shows to people: the same rows as `playhead ls` and the screens.

They hold for every scenario, whatever failed in it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from playhead.model import Invocation, Tokens
from playhead.reader.reader import Reader
from playhead.record import client as recorder
from playhead.restate.client import RestateClient

from playhead_samples.scenarios.scenario import Check
from playhead_samples.scenarios.world import World

__all__ = ["AnswersShown", "StatusShown"]

MANY = 1000
ENDINGS = {"killed": "failed", "cancelled": "failed"}
"""Finer words of Playhead for what is `failed` to the server."""


@dataclass(frozen=True, slots=True)
class StatusShown:
    """Every request has the status that the server gives it."""

    def check(self, world: World) -> Check:
        """The reader against the server's SQL."""
        rows = {row.id: row for row in _shown(world)}
        expected: list[str] = []
        observed: list[str] = []
        for name, invocation in world.invocations.items():
            expected.append(f"{name} {world.status(name)}")
            row = rows.get(invocation)
            status = ENDINGS.get(row.status, row.status) if row else "not shown"
            observed.append(f"{name} {status}")
        return Check.of("status shown", ", ".join(expected), ", ".join(observed))


@dataclass(frozen=True, slots=True)
class AnswersShown:
    """As many answers of the LLM, and tokens, as the LLM gave: neither lost nor counted twice."""

    def check(self, world: World) -> Check:
        """The reader against the LLM server's log, over all invocations of the scenario."""
        given = [e for e in world.model_log() if e["delivered"] and e["input_tokens"]]
        expected = _words(
            len(given),
            Tokens(sum(e["input_tokens"] for e in given), sum(e["output_tokens"] for e in given)),
        )
        rows = _shown(world)
        tokens = sum((row.tokens for row in rows if row.tokens), Tokens())
        observed = _words(sum(row.llm_calls or 0 for row in rows), tokens)
        return Check.of("LLM answers and tokens shown", expected, observed)


def _words(answers: int, tokens: Tokens) -> str:
    return f"{answers}, {tokens.input} in, {tokens.output} out"


def _shown(world: World) -> list[Invocation]:
    """The invocations of this scenario as Playhead lists them."""

    async def ask() -> list[Invocation]:
        settings = world.stack.settings
        client = RestateClient(settings.admin_url, ingress_url=settings.ingress_url)
        reader = Reader(client, await recorder.connect(settings))
        try:
            since = datetime.fromtimestamp(world.started, UTC)
            page = await reader.invocations(limit=MANY, since=since)
        finally:
            await reader.close()
        return [
            r for r in page.rows if world.ended is None or r.created_at.timestamp() < world.ended
        ]

    return asyncio.run(ask())
