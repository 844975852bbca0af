"""The reason why an invocation makes no progress."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

__all__ = ["Waiting", "WaitingKind"]

WaitingKind = Literal[
    "awakeable", "promise", "sleep", "call", "attach", "signal", "queue", "schedule", "retry",
    "pause", "attempt", "unknown",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Waiting:
    """What an invocation waits for."""

    kind: WaitingKind
    text: str
    """One line, such as `waits for promise decision` or `paused after 6 attempts: ...`."""
    invocation_id: str | None = None
    """Invocation that it waits for: the callee, or the holder of the lock."""
    name: str | None = None
    """Name of the promise, id of the awakeable, or target of the call."""
    until: datetime | None = None
    """When a sleep, a schedule or a backoff ends."""
