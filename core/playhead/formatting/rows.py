"""What lines say about invocations, steps, tries and groups; headings of columns."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, cast

from playhead.conventions import TOOL_CALL, TOOL_CALL_RESULT
from playhead.formatting.figures import (
    UNKNOWN,
    age,
    at_least,
    calls_of,
    clock,
    cost,
    count,
    duration,
    seconds_between,
    tokens,
    whole,
)
from playhead.formatting.texts import failure_line, one_line, pretty
from playhead.model import (
    ClockOffset,
    FailureGroup,
    Invocation,
    LlmCall,
    PinnedCount,
    Step,
    TimelineRow,
    Totals,
)
from playhead.values import as_json

__all__ = [
    "HEADINGS",
    "answer_line",
    "attempts",
    "attempts_line",
    "clock_line",
    "elapsed",
    "known_seconds",
    "origin_line",
    "pinned_line",
    "place",
    "reason",
    "result_line",
    "row_age",
    "row_result_line",
    "step_label",
    "times",
    "totals_line",
    "tries_line",
    "try_lines",
    "unexplained_line",
]

HEADINGS: Mapping[str, str] = MappingProxyType(
    {
        "id": "ID",
        "target": "TARGET",
        "service": "SERVICE",
        "invocations": "INVOCATIONS",
        "status": "STATUS",
        "age": "AGE",
        "duration": "DURATION",
        "attempts": "ATTEMPTS",
        "llm_calls": "LLM CALLS",
        "tokens": "TOKENS",
        "cost": "COST",
        "reason": "REASON",
    }
)
"""Headings of the columns that list invocations.

`TOKENS` are input/output, in the format of `tokens`, and `REASON` is `reason`. A narrow screen may
leave columns out, but does not rename them.
"""


def attempts(row: Invocation, *, suspensions: bool = False) -> str:
    """Format the number of attempts: `4` when it is certain, else `≥ 3`, or `?` without any.

    Args:
        row: The invocation.
        suspensions: Add how many were suspended: `4 (3 suspended)`.
    """
    return _attempts(row, "", suspensions=suspensions)


def attempts_line(row: Invocation) -> str:
    """Format the number of attempts with its unit: `1 attempt`, `4 attempts (3 suspended)`."""
    return _attempts(row, " attempt" if row.attempts == 1 else " attempts", suspensions=True)


def _attempts(row: Invocation, unit: str, *, suspensions: bool) -> str:
    text = at_least(row.attempts, row.attempts_at_least)
    suspended = f" ({row.suspensions} suspended)" if suspensions and row.suspensions else ""
    return f"{text}{unit}{suspended}"


def elapsed(row: Invocation, now: datetime | None = None) -> str:
    """Format how long it took: `4.2s`, `4.2s+` while it has not ended, `≥ 4.2s` if it is gone.

    The duration of an invocation is always the time from its creation to its completion, with
    delays, queues, suspensions and backoff.
    """
    if row.ended and row.completed_at is None:
        known = duration(seconds_between(row.created_at, row.modified_at))
        return f"≥ {known}" if known else UNKNOWN
    seconds = seconds_between(row.created_at, row.completed_at or now or datetime.now(UTC))
    return duration(seconds) if row.ended else f"{duration(seconds)}+"


def row_age(row: Invocation, now: datetime | None = None) -> str:
    """Format the time since it was created, which never looks shorter than its duration."""
    now = now or datetime.now(UTC)
    return age(row.created_at, now, took=known_seconds(row, now))


def known_seconds(row: Invocation, now: datetime) -> float | None:
    """Return how long it has taken until now; what is known of one whose end is not."""
    over = row.completed_at or (row.modified_at if row.ended else now)
    return seconds_between(row.created_at, over)


def times(row: Invocation) -> str:
    """Format the parts of the duration that occurred: `queued 2.1s, running 1.2s, suspended ?`.

    Unknown parts are `?`; empty while nothing but running is known.
    """
    parts = row.times
    if parts is None:
        return ""
    named = {
        "scheduled": parts.scheduled, "queued": parts.queued, "running": parts.running,
        "suspended": parts.suspended, "backoff": parts.backoff,
    }  # fmt: skip
    return ", ".join(
        f"{name} {'?' if seconds is None else duration(seconds)}"
        for name, seconds in named.items()
        if seconds is None or seconds >= 0.0005
    )


def pinned_line(counts: Sequence[PinnedCount]) -> str:
    """Format invocations by status: `2 suspended, 1,400 ended`; empty without any."""
    numbers: dict[str, int] = {}
    for one in sorted(counts, key=lambda one: (one.ended, one.status)):
        numbers[one.status] = numbers.get(one.status, 0) + one.number
    return ", ".join(f"{whole(number)} {status}" for status, number in numbers.items())


def place(group: FailureGroup) -> str:
    """Format a place in the code: `agent.py:41 in run`; empty if it is unknown."""
    file, _, function = group.place.partition(" in ")
    if not file:
        return ""
    line = f":{group.line}" if group.line else ""
    return one_line(f"{file}{line} in {function}" if function else f"{file}{line}")


def totals_line(totals: Totals) -> str:
    """Format totals: `120 invocations, 412 LLM calls, 1.2M/88k tokens, $3.21`."""
    sign = "" if totals.complete else "≥ "
    parts = [f"{sign}{calls_of(totals.invocations, 'invocation')}"]
    if totals.llm_calls:
        parts += [calls_of(totals.llm_calls, "LLM call"), f"{tokens(totals.tokens)} tokens"]
        if totals.cost and totals.cost.usd is not None:
            parts.append(cost(totals.cost))
    return ", ".join(parts)


def origin_line(row: Invocation, id_length: int | None = None) -> str:
    """Format where a restarted invocation comes from: `inv_1x…, 2 answers copied`; else empty.

    Args:
        row: The invocation.
        id_length: Number of characters of the id; None for all.
    """
    if row.restarted_from is None:
        return ""
    origin = one_line(row.restarted_from, id_length)
    copied = row.copied_llm_calls
    if not copied:
        return origin
    return f"{origin}, {count(copied)} answer{'' if copied == 1 else 's'} copied"


def step_label(step: Step) -> str:
    """Name a step by its journal index, kind and name: `#3 run Get weather`, `#0 input`."""
    index = f"#{step.index} " if step.index >= 0 else ""
    return (
        f"{index}{step.kind}" if step.name in ("", step.kind) else f"{index}{step.kind} {step.name}"
    )


def result_line(step: Step, limit: int = 80) -> str:
    """Format what a model answered or a tool returned, on one line; empty for other steps.

    For example: `get_weather(Denver)`, `It rains in Denver`, `{"sky": "rain"}`.
    """
    if step.llm is not None:
        return answer_line(step.llm, limit)
    if step.kind != "tool" or step.state != "done":
        return ""
    result = step.output
    if result is None and step.tool is not None:
        result = step.tool.result
    return "" if result is None else one_line(_compact(result), limit)


def row_result_line(row: TimelineRow, limit: int = 80) -> str:
    """Format what a row's model answered or its tool returned, on one line; else empty.

    The result of a tool that is no step of its own comes from its span.
    """
    if row.step is not None:
        return result_line(row.step, limit)
    span = row.span
    if span is None:
        return ""
    ended = span.end is not None and span.end_received
    if not TOOL_CALL.matches(span.attributes, ended=ended, status=span.status):
        return ""
    result = TOOL_CALL_RESULT.of(span.attributes)
    return "" if result is None else one_line(_compact(as_json(result)), limit)


def answer_line(call: LlmCall, limit: int = 80) -> str:
    """Format what a model answered, on one line: its tool calls, or else its text."""
    calls = [f"{tool.name}({_arguments(tool.arguments)})" for tool in call.tool_calls]
    return one_line(", ".join(calls) or call.text, limit)


def _arguments(arguments: Any) -> str:
    """Return the values of arguments, without their names."""
    value = as_json(arguments) if isinstance(arguments, str) else arguments
    if not isinstance(value, Mapping):
        return "" if value is None else _compact(value)
    pairs = cast("Mapping[str, Any]", value)
    return ", ".join(map(_compact, pairs.values()))


def tries_line(step: Step) -> str:
    """Format tries and waits: `3 tries (2 failed), 2 waits of 3.1s in all`, `≥ 2 tries`."""
    number = len(step.tries)
    unsuccessful = Counter(one.state for one in step.tries if one.state not in ("done", "running"))
    states = ", ".join(f"{times} {state}" for state, times in unsuccessful.items())
    text = f"{'≥ ' if step.more_tries else ''}{number} {'try' if number == 1 else 'tries'}"
    text += f" ({states})" if states else ""
    if step.waits:
        known = (seconds_between(wait.started_at, wait.ended_at) for wait in step.waits)
        ended = [seconds for seconds in known if seconds is not None]
        most = "at most " if any(wait.at_most for wait in step.waits) else ""
        if ended:
            waits = f"{len(ended)} wait{'s' if len(ended) > 1 else ''}"
            text += (
                f", {waits} of {most}{duration(sum(ended))}{' in all' if len(ended) > 1 else ''}"
            )
        if len(ended) < len(step.waits):
            text += ", and one now" if ended else ", 1 wait"
    return text


def try_lines(step: Step, now: datetime | None = None) -> Iterator[str]:
    """Yield a line for each try of a step, and one for each wait after it.

    Args:
        step: The step.
        now: The current time, for the length of a wait that lasts; None to leave it out.
    """
    waits = {wait.started_at: wait for wait in step.waits}
    for one in step.tries:
        took = duration(seconds_between(one.started_at, one.ended_at)) or "for an unknown time"
        took = took if one.ended_at else "until now"
        attempt = f", attempt {one.attempt}" if one.attempt else ""
        state = "lost with the process" if one.state == "lost" else one.state
        began = clock(one.started_at) or f"before {clock(one.ended_at)}"
        error = f": {failure_line(one.error)}" if one.error else ""
        yield f"try {one.number}  {began}  {state} {took}{attempt}{error}"
        wait = waits.get(one.ended_at) if one.ended_at else None
        if wait is not None:
            length = duration(seconds_between(wait.started_at, wait.ended_at or now))
            most = "at most " if wait.at_most else ""
            lasts = "" if wait.ended_at else " so far" if now else "until the next try"
            yield f"wait   {clock(wait.started_at)}  {most}{length}{lasts}"


def clock_line(offset: ClockOffset) -> str:
    """Describe a clock: `The clock of agents is 2.3s ahead of the server's; …`."""
    way = "ahead of" if offset.seconds > 0 else "behind"
    return (
        f"The clock of {one_line(offset.service)} is {duration(abs(offset.seconds))} {way} the "
        "server's; its spans are shifted."
    )


def reason(row: Invocation, limit: int | None = None) -> str:
    """Return why the invocation makes no progress, or else its last failure; may be empty."""
    if row.waiting:
        return one_line(row.waiting.text, limit)
    return failure_line(row.last_failure, limit)


def unexplained_line(keys: Sequence[str]) -> str:
    """Describe keys of a state whose values do not follow from its history."""
    names = ", ".join(one_line(key, 40) or '""' for key in keys)
    return (
        f"The current value of {names} is not what these changes lead to: the state was edited, or "
        "journals are gone."
    )


def _compact(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return pretty(value)
    return json.dumps(value, ensure_ascii=False, default=str)
