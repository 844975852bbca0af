"""Numbers, times and statuses in few characters."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from playhead.text import clean

if TYPE_CHECKING:
    from playhead.model import Invocation, Tokens

__all__ = [
    "STYLES",
    "age",
    "count",
    "duration",
    "elapsed",
    "one_line",
    "pretty",
    "seconds_of",
    "tokens",
]

STYLES = {
    "succeeded": "green", "done": "green", "completed": "green", "running": "cyan",
    "pending": "yellow", "scheduled": "yellow", "inboxed": "yellow", "ready": "yellow",
    "suspended": "blue", "paused": "magenta", "backing-off": "yellow", "retrying": "yellow",
    "failed": "red", "killed": "red", "cancelled": "red", "interrupted": "red", "unknown": "dim",
}  # fmt: skip
"""Colour of a status; its word stands beside it always."""

_UNITS = (("d", 86400), ("h", 3600), ("m", 60))


def duration(seconds: float) -> str:
    """A length of time: `12ms`, `3.42s`, `2m05s`, `1h10m`, `3d04h`."""
    if seconds < 0:
        return "-" + duration(-seconds)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 59.995:
        return f"{seconds:.2f}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"


def age(at: datetime, now: datetime | None = None) -> str:
    """How long ago, in the largest unit: `5s`, `3m`, `2h`, `4d`."""
    seconds = max(0, int(((now or datetime.now(UTC)) - at).total_seconds()))
    for unit, size in _UNITS:
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def seconds_of(row: Invocation, now: datetime | None = None) -> float:
    """Seconds from creation to completion, or to now."""
    return ((row.completed_at or now or datetime.now(UTC)) - row.created_at).total_seconds()


def elapsed(row: Invocation) -> str:
    """How long it took; of what has not ended, so far."""
    text = duration(seconds_of(row))
    return text if row.ended else f"{text}…"


def count(number: int | None) -> str:
    """A count, or `-` when nobody knows it."""
    return "-" if number is None else str(number)


def tokens(value: Tokens | None) -> str:
    """Input and output tokens: `412/38`, `12.3k/900`."""
    return "-" if value is None else f"{_short(value.input)}/{_short(value.output)}"


def _short(number: int) -> str:
    for unit, size in (("M", 1_000_000), ("k", 1000)):
        if number >= 10 * size or (size > 1000 and number >= size):
            return f"{number / size:.1f}{unit}"
    return str(number)


def one_line(text: str, limit: int | None = None) -> str:
    """Text of anybody on one line, cut with `…` when longer than the limit."""
    flat = " ".join(clean(text).split())
    return flat if limit is None or len(flat) <= limit else flat[: max(limit - 1, 0)] + "…"


def pretty(value: Any) -> str:
    """A decoded payload for people: text as it is, else indented JSON; safe for a terminal."""
    if isinstance(value, str):
        return clean(value, lines=True)
    if isinstance(value, bytes):
        return f"{len(value)} bytes: {value[:64].hex(' ')}{' …' if len(value) > 64 else ''}"
    try:
        text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    except (ValueError, RecursionError):
        text = repr(value)
    return clean(text, lines=True)
