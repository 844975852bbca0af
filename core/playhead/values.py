"""JSON of unknown shape, and payload bytes, as Python values that never raise."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

__all__ = [
    "as_dict",
    "as_int",
    "as_json",
    "as_list",
    "as_text",
    "decode_value",
    "readable",
    "to_json_line",
]


def as_dict(value: object) -> Mapping[str, Any]:
    """The mapping, or an empty one."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def as_list(value: object) -> list[Any]:
    """The list, or an empty one."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def as_int(value: object) -> int:
    """The whole number, or 0."""
    try:
        return int(value) if isinstance(value, int | float | str) else 0
    except (ValueError, OverflowError):
        return 0


def as_text(value: object) -> str | None:
    """The text; None when it is none or empty."""
    return value if isinstance(value, str) and value else None


def as_json(value: Any) -> Any:
    """A value that may be JSON in text (tool arguments are), parsed where it is."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def decode_value(data: bytes) -> Any:
    """JSON where it is JSON, else text, else the bytes; None for no bytes."""
    if not data:
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return data
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def readable(data: bytes | None) -> Any:
    """Payload bytes for people: decoded JSON, else text, else hex."""
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
    """A JSON value as text on one line."""
    return json.dumps(value, ensure_ascii=False, default=str)
