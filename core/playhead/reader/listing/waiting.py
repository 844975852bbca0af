"""The reason why an invocation makes no progress, in one line.

The texts begin with a verb: `waits for …`, `sleeps until …`, `queued behind …`, `scheduled for …`,
`retries at …`, `paused after …`. Not here: the queries (`reader/reasons.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, cast

from playhead import formatting
from playhead.journal.steps import steps as journal_steps
from playhead.model import Invocation, Status, Step, Waiting, WaitingKind
from playhead.restate import ids
from playhead.restate.protocol import CANCEL_SIGNAL, FIRST_AWAKEABLE_SIGNAL
from playhead.restate.rows import JournalRow
from playhead.text import clean
from playhead.values import as_list

__all__ = ["Awaited", "Evidence", "Other", "Queue", "awaited", "awaited_steps", "waiting_of"]

ID_LENGTH = 20
"""Characters of an id in a text. Ids on one key have the first 16 in common."""

_INTERNAL_ERROR = re.compile(r"^\[500[^\]]*\] ")
"""The code of every exception that a handler does not raise as a terminal error."""

_DOING: Mapping[Status, str] = {
    "paused": "paused", "backing-off": "retrying", "suspended": "suspended", "running": "running",
    "pending": "queued", "inboxed": "queued", "scheduled": "scheduled", "ready": "ready",
}  # fmt: skip
_STUCK: tuple[Status, ...] = ("paused", "backing-off")

_NOUNS: Mapping[WaitingKind, str] = {
    "awakeable": "answers",
    "promise": "promises",
    "signal": "signals",
    "call": "calls",
    "attach": "results of invocations",
    "sleep": "sleeps",
    "unknown": "results",
}
"""Several of each kind; the kinds that a person can end come first."""


@dataclass(frozen=True, slots=True)
class Queue:
    """The place of an invocation in the queue of its key."""

    holder: str | None
    """Id of the invocation that has the lock; None when it is not known."""
    place: int | None = None
    """1 for the next in line."""


@dataclass(frozen=True, slots=True)
class Other:
    """An invocation that another one waits for."""

    status: Status
    target: str


@dataclass(frozen=True, slots=True)
class Awaited:
    """Results that a suspended invocation waits for, in the server's order."""

    completions: tuple[int, ...] = ()
    """Completion ids."""
    signals: tuple[int | str, ...] = ()
    """Indexes or names of signals, without the signal that cancels."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was read beyond the row of the invocation."""

    steps: Sequence[Step] | None = None
    """Steps that a suspended invocation waits for; None when its journal was not read."""
    queue: Queue | None = None
    failure: str | None = None
    """Error at which a paused invocation stopped."""
    others: Mapping[str, Other] = field(default_factory=dict[str, Other])
    """Invocations that it waits for, by id."""


def waiting_of(row: Invocation, found: Evidence, now: datetime) -> Waiting | None:
    """Return why an invocation makes no progress; None while it runs, and after its end."""
    match row.status:
        case "paused":
            return Waiting("pause", _paused(row, row.last_failure or found.failure))
        case "backing-off":
            return _retry(row, now)
        case "scheduled":
            return _scheduled(row, now)
        case "pending" | "inboxed":
            return _queued(row, found)
        case "ready":
            return Waiting("attempt", "waits for an attempt to start")
        case "suspended":
            return _suspended(found, now)
        case _:
            return None


def awaited(row: Mapping[str, Any]) -> Awaited:
    """Return the results that the row of a suspended invocation names."""
    completions: list[int] = []
    signals: list[int | str] = []
    for single in _singles(_document(row.get("suspended_waiting_future_json"))):
        if isinstance(number := single.get("CompletionId"), int):
            completions.append(number)
        else:
            signals.append(single.get("SignalIndex", single.get("SignalName", CANCEL_SIGNAL)))
    if not completions and not signals:  # servers before 1.7
        completions = as_list(row.get("suspended_waiting_for_completions"))
        signals = as_list(row.get("suspended_waiting_for_signals"))
    return Awaited(
        tuple(dict.fromkeys(completions)),
        tuple(number for number in dict.fromkeys(signals) if number != CANCEL_SIGNAL),
    )


def awaited_steps(
    invocation_id: str, wanted: Awaited, commands: Sequence[JournalRow]
) -> tuple[Step, ...]:
    """Return the steps that an invocation waits for; a result without a command has none.

    Args:
        invocation_id: Id of the invocation.
        wanted: The results that it waits for.
        commands: At least the commands that these results complete.
    """
    found = journal_steps(invocation_id, commands)
    by_completion = {step.completion_id: step for step in found if step.completion_id is not None}
    pending = [by_completion[number] for number in wanted.completions if number in by_completion]
    pending.sort(key=lambda step: step.index)
    return (*pending, *(_signal(invocation_id, number) for number in wanted.signals))


def _signal(invocation_id: str, number: int | str) -> Step:
    is_awakeable = isinstance(number, int) and number >= FIRST_AWAKEABLE_SIGNAL
    awakeable = None
    if is_awakeable and ids.is_invocation_id(invocation_id):
        awakeable = ids.awakeable_id(invocation_id, cast("int", number))
    return Step(
        index=-1,
        command_index=None,
        kind="awakeable" if is_awakeable else "signal",
        type="Awakeable" if is_awakeable else "Signal",
        name=str(number),
        state="pending",
        started_at=None,
        ended_at=None,
        awakeable_id=awakeable,
    )


def _paused(row: Invocation, failure: str | None) -> str:
    known = row.attempts is not None or row.attempts_at_least
    after = f" after {_attempts(row)}" if known else ""
    return f"paused{after}: {_failure(failure)}" if failure else f"paused{after}"


def _attempts(row: Invocation) -> str:
    return f"{formatting.attempts(row)} attempt{'' if row.attempts == 1 else 's'}"


def _retry(row: Invocation, now: datetime) -> Waiting:
    due = row.next_retry_at
    when = f"retries at {formatting.moment(due, now)}" if due and due > now else "retries now"
    failure = f": {_failure(row.last_failure)}" if row.last_failure else ""
    return Waiting("retry", f"{when}{failure}", until=due)


def _scheduled(row: Invocation, now: datetime) -> Waiting:
    due = row.scheduled_for
    text = f"scheduled for {formatting.moment(due, now)}" if due else "scheduled for later"
    return Waiting("schedule", text, until=due)


def _queued(row: Invocation, found: Evidence) -> Waiting:
    queue = found.queue or Queue(None)
    key = formatting.one_line(row.key or "")
    if queue.holder is None:
        return Waiting("queue", f"queued for key {key}")
    before = (queue.place or 1) - 1
    place = f", {before} before it" if before else ""
    return Waiting(
        "queue", f"queued behind {_short(queue.holder)} for key {key}{place}", queue.holder
    )


def _suspended(found: Evidence, now: datetime) -> Waiting:
    if not found.steps:
        return Waiting("unknown", "waits for a result")
    parts = [_part(step, found.others, now) for step in found.steps]
    if len(parts) == 1:
        return parts[0]
    untils = [part.until for part in parts if part.until]
    kinds: dict[WaitingKind, list[Waiting]] = {}
    for part in parts:
        kinds.setdefault(part.kind, []).append(part)
    order: list[WaitingKind] = [kind for kind in _NOUNS if kind in kinds]
    nouns = [_noun(kind, kinds[kind]) for kind in order]
    stuck = [
        other.status
        for part in parts
        if (other := found.others.get(part.invocation_id or "")) and other.status in _STUCK
    ]
    counts = [f"{stuck.count(status)} {_DOING[status]}" for status in _STUCK if status in stuck]
    about = f" ({', '.join(counts)})" if counts else ""
    text = f"waits for {', '.join(nouns)}{about}"
    return replace(kinds[order[0]][0], text=text, until=min(untils, default=None))


def _noun(kind: WaitingKind, parts: Sequence[Waiting]) -> str:
    if len(parts) > 1:
        return f"{len(parts)} {_NOUNS[kind]}"
    text = parts[0].text
    return f"a sleep{text.removeprefix('sleeps')}" if kind == "sleep" else text[len("waits for ") :]


def _part(step: Step, others: Mapping[str, Other], now: datetime) -> Waiting:
    """Return the reason for one awaited result."""
    name = formatting.one_line(step.name)
    match step.kind:
        case "awakeable":
            about = f" (awakeable {_short(step.awakeable_id)})" if step.awakeable_id else ""
            return Waiting("awakeable", f"waits for an answer{about}", name=step.awakeable_id)
        case "promise":
            name = name.partition(" ")[2] or name
            return Waiting("promise", f"waits for promise {name}", name=name)
        case "sleep":
            until = step.wake_at
            when = f" until {formatting.moment(until, now)}" if until else ""
            return Waiting("sleep", f"sleeps{when}", until=until)
        case "call":
            other = others.get(step.child_id or "")
            target = name or (clean(other.target) if other else "")
            return Waiting(
                "call", f"waits for its call to {target}{_doing(other)}", step.child_id, target
            )
        case "attach":
            other = others.get(step.child_id or "")
            target = clean(other.target) if other else None
            of = " ".join(filter(None, (target, _short(step.child_id or ""))))
            text = f"waits for the result of {of or 'an invocation'}{_doing(other)}"
            return Waiting("attach", text, step.child_id, target)
        case "signal":
            return Waiting("signal", f"waits for signal {name}", name=name)
        case _:
            return Waiting("unknown", f"waits for {formatting.step_label(step)}", name=name)


def _doing(other: Other | None) -> str:
    word = _DOING.get(other.status) if other else None
    return f", which is {word}" if word else ""


def _failure(text: str | None) -> str:
    return _INTERNAL_ERROR.sub("", formatting.failure_line(text))


def _short(id_: str) -> str:
    return clean(id_) if len(id_) <= ID_LENGTH else f"{clean(id_[:ID_LENGTH])}…"


def _document(value: object) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return None


def _singles(document: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the single results of a combination of results, at any depth."""
    if isinstance(document, Mapping):
        for name, inner in cast("Mapping[str, Any]", document).items():
            if name == "Single" and isinstance(inner, Mapping):
                yield cast("Mapping[str, Any]", inner)
            else:
                yield from _singles(inner)
    elif isinstance(document, list):
        for inner in cast("list[Any]", document):
            yield from _singles(inner)
