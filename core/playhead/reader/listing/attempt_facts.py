"""What the sources say about the attempts of an invocation: its row, the store, the recorder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from playhead.model import Status
from playhead.restate.rows import parse_time
from playhead.values import as_dict, as_int, as_list

__all__ = [
    "ENDED",
    "AttemptFacts",
    "KnownAttempt",
    "Period",
    "StoredAttempts",
    "attempt_facts",
]

ENDED = ("succeeded", "failed", "killed", "cancelled")
"""Statuses that do not change."""


@dataclass(frozen=True, slots=True)
class KnownAttempt:
    """An attempt that left a span. Times are in microseconds since 1970."""

    started: int
    """Start of the server's span, or else of the agents' first span."""
    ended: int | None = None
    """End of the server's span; None when only spans of agents arrived."""
    status: str = "unset"
    """`ok` if the handler ended, `error` if the attempt failed, else `unset`."""
    suspended: bool = False
    commands: int = 0
    """Commands that it appended to the journal."""
    events: int = 0
    """Events of the server's span, of which OpenTelemetry keeps 128 at most."""
    number: int | None = None
    """`playhead.attempt.number` of its agents' spans."""


@dataclass(frozen=True, slots=True)
class AttemptFacts:
    """What the sources say about one invocation's attempts. Times in microseconds since 1970."""

    status: str
    current: bool = True
    """Whether the row is the server's present one, or one that no longer changes."""
    running_at: int | None = None
    completed_at: int | None = None
    modified_at: int | None = None
    last_start_at: int | None = None
    retry_count: int = 0
    commands: int = 0
    """Commands in the journal, Input included; 0 when unknown."""
    restarted: bool = False
    """Whether the journal began with entries of another invocation."""
    attempts: tuple[KnownAttempt, ...] = ()
    """Those with a span of the server by start, then those with spans of agents only."""
    failures: int = 0
    """TransientError events of the journal."""
    first_failure: int | None = None
    watched: tuple[tuple[int, int], ...] = ()
    """Periods in which the recorder and its server ran without interruption, by start."""

    def covers(self, since: int, until: int) -> bool:
        """Return whether one period of recording covers this interval."""
        return any(start <= since and until <= end for start, end in self.watched)


@dataclass(frozen=True, slots=True)
class Period:
    """A period in which the recorder and a server ran without interruption, in microseconds."""

    started: int
    seen: int
    """Latest answer of the server."""
    cluster: str | None = None
    """Cluster of the server; None if it was written before this was kept."""


@dataclass(frozen=True, slots=True)
class StoredAttempts:
    """What the store knows about the attempts of some invocations."""

    found: Mapping[str, Mapping[str, Any]]
    """Rows of `playhead.store.attempt_counts.attempt_facts` by invocation id."""
    watched: tuple[Period, ...]
    """Periods of recording, by start."""

    def watching(self, cluster: str | None) -> tuple[tuple[int, int], ...]:
        """Return start and end of the periods that may be of this cluster."""
        return tuple(
            (period.started, period.seen)
            for period in self.watched
            if cluster is None or period.cluster in (None, cluster)
        )

    def of(self, invocation_id: str) -> list[Mapping[str, Any]]:
        """Return the list `attempts` of an invocation."""
        found = self.found.get(invocation_id, {})
        return [as_dict(attempt) for attempt in as_list(found.get("attempts"))]


def attempt_facts(
    row: Mapping[str, Any],
    found: Mapping[str, Any] | None = None,
    watched: Sequence[tuple[int, int]] = (),
    *,
    status: Status,
    current: bool,
) -> AttemptFacts:
    """Return the facts about one invocation.

    Args:
        row: Its row of sys_invocation, or of the store's copy.
        found: Its row of `playhead.store.attempt_counts.attempt_facts`; None without one.
        watched: Periods of recording.
        status: Its status.
        current: Whether the row is the server's present one. A stored row of an ended invocation
            always is.
    """
    found = found or {}
    return AttemptFacts(
        status=status,
        current=current or status in ENDED,
        running_at=_micros(row.get("running_at")),
        completed_at=_micros(row.get("completed_at")),
        modified_at=_micros(row.get("modified_at")),
        last_start_at=_micros(row.get("last_start_at")),
        retry_count=as_int(row.get("retry_count")),
        commands=as_int(row.get("journal_commands_size")),
        restarted=bool(row.get("restarted_from")),
        attempts=tuple(_known(as_dict(attempt)) for attempt in as_list(found.get("attempts"))),
        failures=as_int(found.get("failures")),
        first_failure=found.get("first_failure"),
        watched=tuple(watched),
    )


def _known(attempt: Mapping[str, Any]) -> KnownAttempt:
    return KnownAttempt(
        started=int(attempt["started"]),
        ended=attempt["ended"],
        status=str(attempt["status"]),
        suspended=bool(attempt["suspended"]),
        commands=int(attempt["commands"]),
        events=int(attempt["events"]),
        number=attempt["number"],
    )


def _micros(value: object) -> int | None:
    at: datetime | None = parse_time(value)
    return None if at is None else round(at.timestamp() * 1_000_000)
