"""Every request to the server and its answer: counts that do not depend on Restate."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

__all__ = ["LoggedRequest", "RequestLog"]


@dataclass(slots=True)
class LoggedRequest:
    """A request and its answer."""

    number: int
    at: str
    """Time of arrival, ISO 8601 in UTC."""
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
    invocation: str
    """Id of the invocation that sent the request; empty when the client does not say."""
    input_tokens: int
    """0 when the request failed."""
    output_tokens: int
    delivered: bool = False
    """Whether the whole answer was handed to the connection."""


class RequestLog:
    """The requests since the start or the last `clear()`."""

    def __init__(self) -> None:
        self._requests: list[LoggedRequest] = []
        self._next = 1

    def add(self, **values: Any) -> LoggedRequest:
        """Add a request that has just arrived."""
        logged = LoggedRequest(number=self._next, at=datetime.now(UTC).isoformat(), **values)
        self._next += 1
        self._requests.append(logged)
        return logged

    def clear(self) -> None:
        """Remove all requests."""
        self._requests.clear()

    def as_json(self, agent: str | None = None) -> list[dict[str, Any]]:
        """Return the requests of one agent or of all as JSON, oldest first."""
        return [dataclasses.asdict(e) for e in self._requests if agent in (None, e.agent)]

    def counts(self) -> dict[str, dict[str, Any]]:
        """Count requests, delivered answers, faults and tokens: per agent, and in total (`*`)."""
        names = sorted({e.agent for e in self._requests})
        return {"*": _count(self._requests)} | {
            name: _count([e for e in self._requests if e.agent == name]) for name in names
        }


def _count(requests: list[LoggedRequest]) -> dict[str, Any]:
    answers = [e for e in requests if e.delivered and e.input_tokens]
    return {
        "requests": len(requests),
        "answers": len(answers),
        "faults": dict(Counter(e.fault for e in requests if e.fault)),
        "input_tokens": sum(e.input_tokens for e in answers),
        "output_tokens": sum(e.output_tokens for e in answers),
    }
