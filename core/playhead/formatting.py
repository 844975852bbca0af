"""Formats of durations, counts, sizes, times and payloads, and column headings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, cast

from playhead.model import (
    ClockOffset,
    Cost,
    FailureGroup,
    Invocation,
    PinnedCount,
    Step,
    Tokens,
    Totals,
)
from playhead.text import clean, escape_json
from playhead.values import as_json

__all__ = [
    "HEADINGS",
    "UNKNOWN",
    "age",
    "at_least",
    "attempts",
    "attempts_line",
    "calls_of",
    "clock",
    "clock_line",
    "cost",
    "cost_line",
    "count",
    "date_time",
    "dollars",
    "duration",
    "elapsed",
    "failure_line",
    "moment",
    "one_line",
    "origin_line",
    "payload_text",
    "pinned_line",
    "place",
    "pretty",
    "reason",
    "result_line",
    "seconds_between",
    "size",
    "sparkline",
    "step_label",
    "times",
    "tokens",
    "totals_line",
    "tries_line",
    "try_lines",
    "unexplained_line",
]

UNKNOWN = "-"
"""Placeholder for a figure that was not recorded."""

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

_STACK_TRACE = "Traceback (most recent call last):"
_UNITS = (("d", 86400), ("h", 3600), ("m", 60))


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


def at_least(number: int | None, known: int) -> str:
    """Format a number that may not be certain: `4`, or `≥ 3` from the known part, or `?`."""
    if number is not None:
        return count(number)
    return f"≥ {count(known)}" if known else "?"


def duration(seconds: float | None, *, coarse: bool = False) -> str:
    """Format a length of time: `12ms`, `4.2s`, `1m 03s`, `2h 05m`, `3d 04h`; empty for None.

    Args:
        seconds: The length; it may be negative if the clocks of two machines differ.
        coarse: Use one unit only, such as for ages: `4s`, `1m`, `2h`, `3d`.
    """
    if seconds is None:
        return ""
    if seconds < 0:
        return f"-{duration(-seconds, coarse=coarse)}"
    if coarse:
        for unit, length in _UNITS:
            if seconds >= length:
                return f"{int(seconds // length)}{unit}"
        return f"{int(seconds)}s"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d {whole % 86400 // 3600:02d}h"


def age(at: datetime, now: datetime | None = None) -> str:
    """Format how long ago a moment was, in one unit: `5s`, `3m`, `2h`, `4d`."""
    seconds = ((now or datetime.now(UTC)) - at).total_seconds()
    return duration(max(0.0, seconds), coarse=True)


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Return the seconds from start to end, never negative; None when either is unknown."""
    if start is None or end is None:
        return None
    return max(0.0, (end - start).total_seconds())


def elapsed(row: Invocation, now: datetime | None = None) -> str:
    """Format how long it took: `4.2s`, `4.2s…` while it has not ended, `≥ 4.2s` if it is gone.

    The duration of an invocation is always the time from its creation to its completion, with
    delays, queues, suspensions and backoff.
    """
    if row.ended and row.completed_at is None:
        known = duration(seconds_between(row.created_at, row.modified_at))
        return f"≥ {known}" if known else UNKNOWN
    seconds = seconds_between(row.created_at, row.completed_at or now or datetime.now(UTC))
    return duration(seconds) if row.ended else f"{duration(seconds)}…"


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


def count(number: int | None, *, unknown: str = UNKNOWN) -> str:
    """Format a number in at most four characters: `412`, `1.2k`, `34k`, `1.2M`."""
    if number is None:
        return unknown
    for unit, size_ in (("M", 1_000_000), ("k", 1_000)):
        if number >= size_:
            value = number / size_
            return f"{value:.1f}{unit}" if value < 9.95 else f"{value:.0f}{unit}"
    return str(number)


def whole(number: int) -> str:
    """Format a number with all its digits: `36,000`."""
    return f"{number:,}"


def tokens(value: Tokens | None, *, unknown: str = UNKNOWN) -> str:
    """Format input and output tokens: `412/38`, `12k/900`."""
    return unknown if value is None else f"{count(value.input)}/{count(value.output)}"


def dollars(amount: float) -> str:
    """Format US dollars: `$0`, `<$0.0001`, `$0.0042`, `$1.23`, `$340`, `$1.2k`."""
    if amount == 0:
        return "$0"
    if amount < 0.0001:
        return "<$0.0001"
    if amount < 0.01:
        return f"${amount:.4f}"
    if amount < 99.995:
        return f"${amount:.2f}"
    return f"${count(round(amount))}"


def cost(value: Cost | None, *, unknown: str = UNKNOWN) -> str:
    """Format a cost: `$1.23`, `≥ $1.23` if some prices are unknown, `?` if all are."""
    if value is None:
        return unknown
    if value.usd is None or (value.unpriced_calls and not value.usd):
        return "?"
    return f"≥ {dollars(value.usd)}" if value.unpriced_calls else dollars(value.usd)


def cost_line(value: Cost | None) -> str:
    """Format a cost with what it leaves out: `≥ $1.23 (2 calls of unknown price)`; may be empty."""
    if value is None:
        return ""
    number = value.unpriced_calls
    if value.usd is None or (number and not value.usd):
        return f"unknown ({calls_of(number)} of unknown price)"
    return f"{cost(value)} ({calls_of(number)} of unknown price)" if number else cost(value)


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


def sparkline(values: Sequence[int], *, ascii_only: bool = False) -> str:
    """Draw numbers as bars of equal width, one character each; a space for 0."""
    bars = ".:-=+*#@" if ascii_only else "▁▂▃▄▅▆▇█"
    most = max(values, default=0)
    return "".join(
        bars[max(0, -(-value * len(bars) // most) - 1)] if value else " " for value in values
    )


def calls_of(number: int, noun: str = "call") -> str:
    """Format a number of calls: `1 call`, `2 calls`."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


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


def size(octets: int) -> str:
    """Format a number of bytes: `812 B`, `1.4 KB`, `2.0 MB`, `48.1 GB`."""
    for unit, length in (("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1000)):
        if octets >= length:
            return f"{octets / length:.1f} {unit}"
    return f"{octets} B"


def clock(moment: datetime | None) -> str:
    """Format the time of day in the local time zone, with milliseconds; empty for None."""
    return "" if moment is None else moment.astimezone().strftime("%H:%M:%S.%f")[:-3]


def moment(at: datetime, now: datetime) -> str:
    """Format a time in the local time zone as briefly as it is clear.

    `14:05:03` within an hour of now, `14:05` on the same day, else `Nov 22 14:05`, with the year
    where it is another one.
    """
    local, today = at.astimezone(), now.astimezone()
    if local.date() != today.date() and abs(at - now) > timedelta(hours=1):
        year = f"{local.year} " if local.year != today.year else ""
        return f"{year}{local:%b} {local.day} {local:%H:%M}"
    return f"{local:%H:%M:%S}" if abs(at - now) <= timedelta(hours=1) else f"{local:%H:%M}"


def date_time(moment: datetime | None) -> str:
    """Format date and time in the local time zone, with its name; empty for None."""
    return "" if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


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
        calls = [f"{call.name}({_arguments(call.arguments)})" for call in step.llm.tool_calls]
        return one_line(", ".join(calls) or step.llm.text, limit)
    if step.kind != "tool" or step.state != "done":
        return ""
    result = step.output
    if result is None and step.tool is not None:
        result = step.tool.result
    return "" if result is None else one_line(_compact(result), limit)


def _arguments(arguments: Any) -> str:
    """Return the values of arguments, without their names."""
    value = as_json(arguments) if isinstance(arguments, str) else arguments
    if not isinstance(value, Mapping):
        return "" if value is None else _compact(value)
    pairs = cast("Mapping[str, Any]", value)
    return ", ".join(map(_compact, pairs.values()))


def _compact(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return pretty(value)
    return json.dumps(value, ensure_ascii=False, default=str)


def tries_line(step: Step) -> str:
    """Format tries and waits: `3 tries (2 failed), 2 waits of 3.1s in all`, `≥ 2 tries`."""
    number = len(step.tries)
    failed = sum(one.state not in ("done", "running") for one in step.tries)
    text = f"{'≥ ' if step.more_tries else ''}{number} {'try' if number == 1 else 'tries'}"
    text += f" ({failed} failed)" if failed else ""
    if step.waits:
        waits = f"{len(step.waits)} wait{'s' if len(step.waits) > 1 else ''}"
        ended = [seconds_between(wait.started_at, wait.ended_at) for wait in step.waits]
        most = "at most " if any(wait.at_most for wait in step.waits) else ""
        open_ = ", one of them now" if None in ended and len(ended) > 1 else ""
        total = duration(sum(seconds or 0 for seconds in ended))
        lasting = "" if ended == [None] else f" of {most}{total} in all"
        text += f", {waits}{lasting}{open_}"
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


def one_line(text: str, limit: int | None = None) -> str:
    """Return text on one line, safe for a terminal, cut with `…` beyond the limit."""
    flat = " ".join(clean(text).split())
    return flat if limit is None or len(flat) <= limit else flat[: max(limit - 1, 0)] + "…"


def failure_line(text: str | None, limit: int | None = None) -> str:
    """Return a failure on one line, without its Python stack trace; empty for None."""
    flat = one_line(text or "")
    return one_line(flat.partition(f" {_STACK_TRACE}")[0], limit)


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


def payload_text(raw: bytes) -> str:
    """Format the bytes of a payload: indented JSON, plain text, or hex digits if they are neither.

    Unlike `pretty` of a decoded payload, it tells a JSON string from plain text by its quotes, and
    loses no character of JSON: those that a terminal would obey are escaped.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return raw.hex()
    try:
        return escape_json(json.dumps(json.loads(text), ensure_ascii=False, indent=2))
    except (ValueError, RecursionError):
        return clean(text, lines=True)


def pretty(value: Any) -> str:
    """Format a decoded payload for a terminal: text unchanged, bytes as hex, else indented JSON."""
    if isinstance(value, str):
        return clean(value, lines=True)
    if isinstance(value, bytes):
        return f"{len(value)} bytes: {value[:64].hex(' ')}{' …' if len(value) > 64 else ''}"
    try:
        text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    except (ValueError, RecursionError):
        text = repr(value)
    return clean(text, lines=True)
