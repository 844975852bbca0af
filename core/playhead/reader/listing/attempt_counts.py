"""The number of attempts of an invocation, from all sources that know of some of them.

Sources lose attempts: the server sends an attempt's span after the attempt, does not send it again
when the recorder is away, and loses unsent spans when it is killed; agents may be untraced; the
server drops an error equal to the previous one. So one function weighs them all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from playhead.model import Invocation
from playhead.reader.listing.attempt_facts import (
    ENDED,
    AttemptFacts,
    KnownAttempt,
    StoredAttempts,
    attempt_facts,
)
from playhead.store.attempt_counts import (
    COARSE_MICROS,
    EXPORT_MICROS,
    FIRST_MICROS,
    FULL_EVENTS,
    SAME_MICROS,
    TICK_MICROS,
)

__all__ = ["AttemptCount", "attempts_of", "count_attempts", "with_attempts"]

_NOT_STARTED = ("scheduled", "pending", "inboxed")
_ATTEMPTED = ("running", "suspended", "backing-off", "succeeded")
"""Statuses that follow an attempt; the others can be reached without one."""


@dataclass(frozen=True, slots=True)
class AttemptCount:
    """The number of attempts, as far as it is known."""

    attempts: int | None
    """The number; None when it is not certain."""
    at_least: int
    suspensions: int | None
    """Attempts that ended with a suspension; None when it is not certain."""


def count_attempts(facts: AttemptFacts) -> AttemptCount:
    """Return the number of attempts if it is certain, and a lower bound.

    The number is certain in these cases:

    - The invocation never ran: no attempt.
    - It runs, its latest attempt began when the server says that it first ran, nothing failed
      before, and nothing was suspended: its journal has no command, or the spans of agents
      name it as the first one, or the recorder would have the span of an earlier one. One attempt.
    - The first attempt with a span is the first one; between any two of them no attempt is
      missing; the last one is the last one; and no other source has more.

    The first is the first one if it began within 250 ms of `running_at` with no failure before, or
    if the recorder ran the whole time in between. Between two attempts none is missing if recorder
    and server ran the whole time: the server exports spans in order, so what ended before the
    second one arrived before it. An attempt is the last one if its handler ended, if it was cut off
    when the invocation ended, if its end is the time at which the server suspended or paused the
    invocation, if its start is the server's `last_start_at`, or if the recorder ran from its end
    until 10 s after the last change, when any later span would have arrived.

    Earlier attempts without a span are counted by `playhead.attempt.number`, if the attempt with
    number 1 began within 250 ms of `running_at`. (A process that takes over an invocation whose
    journal has only its input, after a pause, counts from 1 again.)

    Times of server and agents are only compared for these numbers. Clocks that differ make them
    uncertain, never wrong.
    """
    known = sorted((a for a in facts.attempts if a.ended is not None), key=lambda a: a.started)
    others = [a for a in facts.attempts if a.ended is None]
    running = _is_running(facts, known)
    anchor = _anchor(facts, known, others)
    before = (known[anchor].number or 0) - anchor - 1 if anchor is not None else 0
    unseen = _unseen(facts, known, others, running=running)
    at_least = max(
        len(known) + max(unseen, before),
        _highest_number(others) if anchor is not None or _trusted(facts, known, others) else 0,
        _reported(facts),
    )
    exact = _exact(facts, known, others, anchor, before, unseen, running=running)
    if exact is None or exact < at_least:
        return AttemptCount(None, at_least, None)
    return AttemptCount(exact, exact, _suspensions(facts, known) if before == 0 else None)


def _is_running(facts: AttemptFacts, known: Sequence[KnownAttempt]) -> bool:
    """Return whether the server has an attempt that is not among those that have ended.

    The row may be older than the spans: its latest attempt may have ended since.
    """
    if facts.status != "running" or not known:
        return facts.status == "running"
    last, latest = known[-1], facts.last_start_at
    return last.status != "ok" and (latest is None or last.started < latest - TICK_MICROS)


def _trusted(
    facts: AttemptFacts, known: Sequence[KnownAttempt], others: Sequence[KnownAttempt]
) -> bool:
    """Return whether the attempts' own numbers can be trusted."""
    at, every = facts.running_at, [a for a in (*known, *others) if a.number is not None]
    numbers = [attempt.number for attempt in every]
    ordered = [attempt.number for attempt in known if attempt.number is not None]
    return (
        at is not None
        and any(a.number == 1 and abs(a.started - at) <= FIRST_MICROS for a in every)
        and len(set(numbers)) == len(numbers)
        and ordered == sorted(ordered)
        and all(a.number is None or a.number >= n for n, a in enumerate(known, 1))
    )


def _anchor(
    facts: AttemptFacts, known: Sequence[KnownAttempt], others: Sequence[KnownAttempt]
) -> int | None:
    """Return the position of the last attempt with a trusted number."""
    numbered = [n for n, attempt in enumerate(known) if attempt.number is not None]
    return numbered[-1] if numbered and _trusted(facts, known, others) else None


def _highest_number(others: Sequence[KnownAttempt]) -> int:
    return max((attempt.number or 0 for attempt in others), default=0)


def _unseen(
    facts: AttemptFacts,
    known: Sequence[KnownAttempt],
    others: Sequence[KnownAttempt],
    *,
    running: bool,
) -> int:
    """Return a lower bound of the attempts without a span of the server."""
    failures = facts.failures - sum(attempt.status == "error" for attempt in known)
    stored = facts.commands - 1 - sum(attempt.commands for attempt in known)
    comparable = not facts.restarted and all(a.events < FULL_EVENTS for a in known)
    return max(len(others), failures + running, int(running), int(stored > 0 and comparable))


def _reported(facts: AttemptFacts) -> int:
    """Return the number of attempts that the server's row of the invocation shows."""
    in_series = facts.retry_count if facts.status in ("running", "backing-off") else 0
    return max(in_series, int(facts.status in _ATTEMPTED))


def _exact(
    facts: AttemptFacts,
    known: Sequence[KnownAttempt],
    others: Sequence[KnownAttempt],
    anchor: int | None,
    before: int,
    unseen: int,
    *,
    running: bool,
) -> int | None:
    if not facts.current:
        return None
    if facts.running_at is None:
        unused = facts.status in _NOT_STARTED or facts.completed_at is not None
        return 0 if unused and not known and not unseen else None
    if unseen > before + running:
        return None
    if not known:
        return 1 if running and _is_only(facts, others) else None
    if anchor is None and not _is_first(facts, known[0].started, known[0].ended):
        return None
    start = anchor or 0
    pairs = zip(known[start:], known[start + 1 :], strict=False)
    if all(_follows(facts, *pair) for pair in pairs) and _is_last(facts, known[-1]):
        return len(known) + before + running
    return None


def _is_only(facts: AttemptFacts, others: Sequence[KnownAttempt]) -> bool:
    """Return whether the running attempt, whose span comes later, is the first one."""
    at, started = facts.running_at, facts.last_start_at
    if at is None or started is None or not _is_first(facts, started, None):
        return False
    if others:
        return all(a.number == 1 and a.started >= started - TICK_MICROS for a in others)
    # An attempt that was suspended at once, whose span is on its way, left a command.
    return facts.commands == 1 or facts.covers(at, started + EXPORT_MICROS)


def _is_first(facts: AttemptFacts, started: int | None, ended: int | None) -> bool:
    at, failed = facts.running_at, facts.first_failure
    if at is None or started is None:
        return False
    if failed is not None and failed + COARSE_MICROS <= started:
        return False
    return started - at <= FIRST_MICROS or facts.covers(at, _arrived(started, ended))


def _follows(facts: AttemptFacts, earlier: KnownAttempt, later: KnownAttempt) -> bool:
    return facts.covers(earlier.ended or 0, _arrived(later.started, later.ended))


def _arrived(started: int, ended: int | None) -> int:
    """Return the time by which all spans had arrived that ended before this attempt."""
    return started + EXPORT_MICROS if ended is None else min(started + EXPORT_MICROS, ended)


def _is_last(facts: AttemptFacts, attempt: KnownAttempt) -> bool:
    """Return whether no attempt that has ended followed this one."""
    ended = attempt.ended or 0
    if attempt.status == "ok":
        return True
    cut_off = attempt.status == "unset" and not attempt.suspended
    changed_at, fits = facts.modified_at, False
    match facts.status:
        case "running":
            changed_at = facts.last_start_at
        case "backing-off":
            changed_at = None
            fits = _same(facts.last_start_at, attempt.started)
        case "suspended":
            fits = attempt.suspended and _same(changed_at, ended)
        case "paused":
            fits = attempt.status == "error" and _same(changed_at, ended)
        case "ready":
            pass
        case status if status in ENDED:
            changed_at = facts.completed_at
            fits = cut_off and _same(changed_at, ended)
        case _:
            return False
    covered = changed_at is not None and facts.covers(ended, changed_at + EXPORT_MICROS)
    return fits or covered


def _same(one: int | None, other: int) -> bool:
    return one is not None and abs(one - other) <= SAME_MICROS


def _suspensions(facts: AttemptFacts, known: Sequence[KnownAttempt]) -> int | None:
    """Count the suspended attempts; None when the event that says so may have been dropped."""
    found = 0
    for number, attempt in enumerate(known, 1):
        if attempt.suspended:
            found += 1
        elif attempt.status == "unset" and attempt.events >= FULL_EVENTS:
            if number == len(known) and facts.status != "suspended":
                return None
            found += 1  # an attempt that neither failed nor was the last one was suspended
    return found


def attempts_of(
    invocation: Invocation, row: Mapping[str, Any], stored: StoredAttempts | None
) -> AttemptCount:
    """Return the number of attempts of an invocation.

    Args:
        invocation: The invocation.
        row: Its row of sys_invocation, or of the store's copy.
        stored: The store's facts about it; None without a store.
    """
    facts = attempt_facts(
        row,
        stored.found.get(invocation.id) if stored else None,
        stored.watching(invocation.cluster) if stored else (),
        status=invocation.status,
        current=invocation.origin == "live",
    )
    return count_attempts(facts)


def with_attempts(
    invocation: Invocation, row: Mapping[str, Any], stored: StoredAttempts | None
) -> Invocation:
    """Return the invocation with its number of attempts; arguments as for `attempts_of`."""
    count = attempts_of(invocation, row, stored)
    return replace(
        invocation,
        attempts=count.attempts,
        attempts_at_least=count.at_least,
        suspensions=count.suspensions,
    )
