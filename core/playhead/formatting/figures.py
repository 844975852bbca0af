"""Formats of durations, counts, costs, sizes and times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from playhead.model import (
    Cost,
    Tokens,
)

__all__ = [
    "UNKNOWN",
    "age",
    "at_least",
    "calls_of",
    "clock",
    "cost",
    "cost_line",
    "count",
    "date_time",
    "dollars",
    "duration",
    "moment",
    "seconds_between",
    "size",
    "sparkline",
    "tokens",
    "usage_line",
    "whole",
]

UNKNOWN = "-"
"""Placeholder for a figure that was not recorded."""


_UNITS = (("d", 86400), ("h", 3600), ("m", 60))


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


def age(at: datetime, now: datetime | None = None, *, took: float | None = None) -> str:
    """Format how long ago a moment was, in one unit: `5s`, `3m`, `2h`, `4d`.

    Args:
        at: The moment.
        now: The current time.
        took: Seconds of what began then, which stand beside the age. Where one unit would look
            shorter than these, there are two: `2m 40s` and not `2m` beside `2m 31s`. Below a
            minute, seconds are rounded up in every row, so that ages in order look ordered.
    """
    seconds = max(0.0, ((now or datetime.now(UTC)) - at).total_seconds(), took or 0.0)
    unit = next((length for _, length in _UNITS if seconds >= length), 1)
    if took is not None and seconds < 60:
        return duration(math.ceil(seconds), coarse=True)
    if took is None or seconds // unit * unit >= took:
        return duration(seconds, coarse=True)
    return duration(seconds)


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Return the seconds from start to end, never negative; None when either is unknown."""
    if start is None or end is None:
        return None
    return max(0.0, (end - start).total_seconds())


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


def usage_line(calls: int | None, spent: Tokens | None, price: Cost | None) -> str:
    """Format LLM calls with tokens and cost: `2 LLM calls, 192/17 tokens, $0.01`; may be empty."""
    if not calls:
        return ""
    amount = cost(price, unknown="")
    parts = (
        calls_of(calls, "LLM call"),
        f"{tokens(spent)} tokens",
        "cost unknown" if amount == "?" else amount,
    )
    return ", ".join(filter(None, parts))


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


def date_time(moment: datetime | None, *, exact: bool = False) -> str:
    """Format date and time in the local time zone, with its name; empty for None.

    Args:
        moment: The time.
        exact: Add milliseconds.
    """
    if moment is None:
        return ""
    local = moment.astimezone()
    return f"{local:%Y-%m-%d} {clock(local) if exact else f'{local:%H:%M:%S}'} {local:%Z}"
