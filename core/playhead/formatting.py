"""Durations, counts, sizes, times and payloads as text: the same in every command and screen."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from playhead.model import Invocation, Tokens
from playhead.text import clean

__all__ = [
    "age",
    "clock",
    "count",
    "duration",
    "elapsed",
    "one_line",
    "pretty",
    "seconds_between",
    "size",
    "tokens",
]

UNKNOWN = "-"
"""Stands for a figure that nobody recorded."""

_UNITS = (("d", 86400), ("h", 3600), ("m", 60))


def duration(seconds: float | None, *, coarse: bool = False) -> str:
    """A length of time: `12ms`, `4.2s`, `1m 03s`, `2h 05m`, `3d 04h`; empty for None.

    Args:
        seconds: how long; negative where the clocks of two machines differ.
        coarse: one unit only, as ages are shown: `4s`, `1m`, `2h`, `3d`.
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
    """How long ago, in one unit: `5s`, `3m`, `2h`, `4d`."""
    seconds = ((now or datetime.now(UTC)) - at).total_seconds()
    return duration(max(0.0, seconds), coarse=True)


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Seconds from start to end, never negative; None when one of them is not known."""
    if start is None or end is None:
        return None
    return max(0.0, (end - start).total_seconds())


def elapsed(row: Invocation, now: datetime | None = None) -> str:
    """How long the invocation took; with `…` while it has not ended."""
    seconds = seconds_between(row.created_at, row.completed_at or now or datetime.now(UTC))
    return duration(seconds) if row.ended else f"{duration(seconds)}…"


def count(number: int | None, *, unknown: str = UNKNOWN) -> str:
    """A number in at most four characters: `412`, `1.2k`, `34k`, `1.2M`."""
    if number is None:
        return unknown
    for unit, size_ in (("M", 1_000_000), ("k", 1_000)):
        if number >= size_:
            value = number / size_
            return f"{value:.1f}{unit}" if value < 9.95 else f"{value:.0f}{unit}"
    return str(number)


def tokens(value: Tokens | None, *, unknown: str = UNKNOWN) -> str:
    """Input and output tokens: `412/38`, `12k/900`."""
    return unknown if value is None else f"{count(value.input)}/{count(value.output)}"


def size(octets: int) -> str:
    """A number of bytes: `812 B`, `1.4 KB`, `2.0 MB`."""
    if octets < 1000:
        return f"{octets} B"
    return f"{octets / 1000:.1f} KB" if octets < 1_000_000 else f"{octets / 1_000_000:.1f} MB"


def clock(moment: datetime | None) -> str:
    """Time of day in the viewer's zone, with milliseconds; empty for None."""
    return "" if moment is None else moment.astimezone().strftime("%H:%M:%S.%f")[:-3]


def one_line(text: str, limit: int | None = None) -> str:
    """Anybody's text on one line, cut with `…` when it is longer than the limit."""
    flat = " ".join(clean(text).split())
    return flat if limit is None or len(flat) <= limit else flat[: max(limit - 1, 0)] + "…"


def pretty(value: Any) -> str:
    """A decoded payload: text as it is, bytes as hex, else indented JSON; safe for a terminal."""
    if isinstance(value, str):
        return clean(value, lines=True)
    if isinstance(value, bytes):
        return f"{len(value)} bytes: {value[:64].hex(' ')}{' …' if len(value) > 64 else ''}"
    try:
        text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    except (ValueError, RecursionError):
        text = repr(value)
    return clean(text, lines=True)
