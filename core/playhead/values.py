"""Conversions of untrusted JSON and payload bytes, none of which raises; times in JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

__all__ = [
    "as_dict",
    "as_int",
    "as_json",
    "as_list",
    "as_text",
    "decode_value",
    "json_or_text",
    "readable",
    "to_json_line",
    "utc_text",
]


def utc_text(at: datetime, *, timespec: str = "auto") -> str:
    """Return a time as in all JSON: ISO 8601 in UTC with `Z`.

    Args:
        at: The time; in UTC if it has no time zone.
        timespec: As for `datetime.isoformat`.
    """
    utc = at.astimezone(UTC) if at.tzinfo else at
    return utc.replace(tzinfo=None).isoformat(timespec=timespec) + "Z"


def as_dict(value: object) -> Mapping[str, Any]:
    """Return the mapping, or an empty one for anything else."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def as_list(value: object) -> list[Any]:
    """Return the list, or an empty one for anything else."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def as_int(value: object) -> int:
    """Return the value as a whole number, or 0."""
    try:
        return int(value) if isinstance(value, int | float | str) else 0
    except (ValueError, OverflowError):
        return 0


def as_text(value: object) -> str | None:
    """Return the text; None when it is empty or not text."""
    return value if isinstance(value, str) and value else None


def as_json(value: Any) -> Any:
    """Parse a value that may be JSON in text, as tool arguments are; else return it unchanged."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def decode_value(data: bytes) -> Any:
    """Decode bytes as JSON, else as text, else return the bytes; None for empty bytes."""
    if not data:
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return data
    return json_or_text(text)


def json_or_text(text: str) -> Any:
    """Decode a text as JSON, else return it."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def readable(data: bytes | None) -> Any:
    """Decode payload bytes for display: as JSON, else as text, else as hex."""
    if data is None:
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return data.hex()
    try:
        return json.loads(text)
    except ValueError:
        return text


def to_json_line(value: Any) -> str:
    """Return a JSON value as text on one line."""
    return json.dumps(value, ensure_ascii=False, default=str)
