"""What the server was asked and what it answered: counts that owe nothing to Restate."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

__all__ = ["Entry", "RequestLog"]


@dataclass(slots=True)
class Entry:
    """One request."""

    number: int
    at: str
    """When it arrived, ISO 8601 in UTC."""
    api: str
    """`chat` or `responses`."""
    agent: str
    model: str
    stream: bool
    prompt_hash: str
    user: str
    """The beginning of the latest user message."""
    answer: str
    """`text`, `tool_calls`, or the fault's name."""
    text: str
    tool_calls: list[dict[str, Any]]
    fault: str | None
    input_tokens: int
    """0 when no answer with tokens left the server."""
    output_tokens: int
    delivered: bool = False
    """Whether the whole answer was handed to the connection."""


class RequestLog:
    """Every request since the start or the last `clear()`."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._next = 1

    def add(self, **values: Any) -> Entry:
        """Note a request that has just arrived."""
        entry = Entry(number=self._next, at=datetime.now(UTC).isoformat(), **values)
        self._next += 1
        self._entries.append(entry)
        return entry

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()

    def entries(self, agent: str | None = None) -> list[dict[str, Any]]:
        """As JSON, oldest first; of one agent or all."""
        return [dataclasses.asdict(e) for e in self._entries if agent in (None, e.agent)]

    def counts(self) -> dict[str, dict[str, Any]]:
        """Per agent and for all (`*`): requests, good answers delivered, faults, tokens."""
        names = sorted({e.agent for e in self._entries})
        return {"*": _count(self._entries)} | {
            name: _count([e for e in self._entries if e.agent == name]) for name in names
        }


def _count(entries: list[Entry]) -> dict[str, Any]:
    good = [e for e in entries if e.delivered and e.input_tokens]
    return {
        "requests": len(entries),
        "answers": len(good),
        "faults": dict(Counter(e.fault for e in entries if e.fault)),
        "input_tokens": sum(e.input_tokens for e in good),
        "output_tokens": sum(e.output_tokens for e in good),
    }
