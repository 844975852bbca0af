"""The parts of an invocation's time: scheduled, queued, running, suspended, backoff.

The server's own columns give the first two. The others come from its attempt spans, and are known
only if no attempt is missing: a gap after a suspended attempt is a suspension, one after a failed
attempt is backoff, which includes pauses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from playhead.model import Invocation, Phase, PhaseKind, Status, Times
from playhead.restate.rows import parse_time

__all__ = ["Spell", "SpellEnd", "phases_of", "spells_of", "times_of"]

SpellEnd = Literal["suspended", "failed", "other"]

PHASES: Sequence[PhaseKind] = ("scheduled", "queued", "running", "suspended", "backoff")
BEFORE: Sequence[PhaseKind] = ("scheduled", "queued")
"""The phases before the first attempt."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WAITS_AFTER: dict[Status, SpellEnd] = {
    "suspended": "suspended", "backing-off": "failed", "paused": "failed",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Spell:
    """One attempt, by the server's clock."""

    started: datetime
    ended: datetime | None
    """None while it runs, or when its end was not recorded."""
    end: SpellEnd = "other"


def spells_of(attempts: Iterable[Mapping[str, Any]]) -> list[Spell]:
    """Return the attempts that have a span of the server, by start.

    Args:
        attempts: The list `attempts` of `playhead.store.attempt_counts.attempt_facts`.
    """
    ours = sorted((a for a in attempts if a.get("server")), key=lambda a: a["started"])
    return [
        Spell(
            _EPOCH + timedelta(microseconds=attempt["started"]),
            None if (end := attempt["ended"]) is None else _EPOCH + timedelta(microseconds=end),
            "suspended" if attempt["suspended"] else
            "failed" if attempt["status"] == "error" else "other",
        )
        for attempt in ours
    ]  # fmt: skip


def times_of(
    row: Invocation,
    raw: Mapping[str, Any],
    spells: Sequence[Spell],
    now: datetime,
    *,
    attempts: int | None,
) -> Times:
    """Return the parts of the time from creation to completion, or to `now`.

    Known parts do not overlap, and if all are known, they add up to the whole time.

    Args:
        row: The invocation.
        raw: Its row of sys_invocation.
        spells: Its attempts in order of start, as far as they are known.
        now: Time to which the current part is counted.
        attempts: Its number of attempts; None when it is not certain.
    """
    known, parts = _divide(row, raw, spells, now, attempts)
    sums = dict.fromkeys(known, 0.0)
    for kind, since, until in parts:
        sums[kind] += _seconds(since, until)
    return Times(**sums)


def phases_of(
    row: Invocation, raw: Mapping[str, Any], spells: Sequence[Spell], now: datetime
) -> tuple[Phase, ...]:
    """Return the parts of `times_of` as intervals in order; the current one has no end.

    The invocation has its number of attempts.
    """
    _, parts = _divide(row, raw, spells, now, row.attempts)
    found: list[Phase] = []
    for kind, since, until in parts:
        if found and found[-1].kind == kind and found[-1].ended_at == since:
            since = found.pop().started_at
        found.append(Phase(kind, since, until))
    found = [phase for phase in found if phase.ended_at != phase.started_at]
    if found and not row.ended and row.origin == "live" and found[-1].ended_at == now:
        found[-1] = replace(found[-1], ended_at=None)
    return tuple(found)


_Part = tuple[PhaseKind, datetime, datetime]
_Division = tuple[Sequence[PhaseKind], list[_Part]]
"""The kinds whose whole time is known, and the intervals of these kinds."""


def _divide(
    row: Invocation,
    raw: Mapping[str, Any],
    spells: Sequence[Spell],
    now: datetime,
    attempts: int | None,
) -> _Division:
    if row.ended and row.completed_at is None:
        return (), []  # the server has deleted it; its end is unknown
    end = max(row.completed_at or now, row.created_at)
    current = row.ended or row.origin == "live"
    due = min(max(row.scheduled_for or row.created_at, row.created_at), end)
    parts: list[_Part] = [("scheduled", row.created_at, due)]
    running_at = parse_time(raw.get("running_at"))
    if running_at is None:
        # It has not started, or was ended before.
        if not current:
            return (("scheduled",), parts) if row.status != "scheduled" else ((), [])
        return PHASES, [*parts, ("queued", due, end)]
    latest = parse_time(raw.get("last_start_at"))
    if row.status == "running" and latest and (not spells or latest > spells[-1].started):
        spells = (*spells, Spell(latest, None))
    complete = attempts is not None and attempts == len(spells)
    first = spells[0].started if complete and spells else running_at
    first = min(max(first, due), end)
    if complete and not spells:
        if not current:
            return ("scheduled", "running", "suspended", "backoff"), parts
        return PHASES, [*parts, ("queued", due, end)]
    parts.append(("queued", due, first))
    if not complete:
        return BEFORE, parts
    return _after_start(row, parts, first, end if current else None, spells)


def _after_start(
    row: Invocation,
    before: list[_Part],
    first: datetime,
    end: datetime | None,
    spells: Sequence[Spell],
) -> _Division:
    """Return all parts, given that no attempt is missing."""
    parts = list(before)
    at, unknown = first, False
    for place, spell in enumerate(spells):
        last = place == len(spells) - 1
        until = end if last else spells[place + 1].started
        stopped = spell.ended or (until if last and _runs_to_end(row) else None)
        if stopped is None or until is None:
            return BEFORE, before
        until = max(until, at) if end is None else min(max(until, at), end)
        stopped = min(max(stopped, at), until)
        parts.append(("running", at, stopped))
        kind = _gap_after(row, spell) if last else spell.end
        match kind:
            case "suspended":
                parts.append(("suspended", stopped, until))
            case "failed":
                parts.append(("backoff", stopped, until))
            case "run":
                parts.append(("running", stopped, until))
            case _:
                unknown = unknown or until > stopped
        at = until
    if unknown:
        known = (*BEFORE, "running")
        return known, [part for part in parts if part[0] in known]
    return PHASES, parts


def _runs_to_end(row: Invocation) -> bool:
    return row.status == "running" or row.ended


def _gap_after(row: Invocation, spell: Spell) -> SpellEnd | Literal["run"]:
    """Return how the time after the last attempt was spent.

    After an attempt that ended the invocation, the server needs a moment to complete it.
    """
    if row.ended:
        outside = row.status in ("killed", "cancelled")
        return spell.end if outside and spell.end != "other" else "run"
    expected = _WAITS_AFTER.get(row.status)
    return spell.end if expected == spell.end else "other"


def _seconds(since: datetime, until: datetime) -> float:
    return (until - since).total_seconds()
