"""Texts and payloads, on one line or several."""

from __future__ import annotations

import json
from typing import Any

from playhead.text import clean, escape_json

__all__ = [
    "failure_line",
    "one_line",
    "payload_text",
    "pretty",
]

_STACK_TRACE = "Traceback (most recent call last):"


def one_line(text: str, limit: int | None = None) -> str:
    """Return text on one line, safe for a terminal, cut with `…` beyond the limit."""
    flat = " ".join(clean(text).split())
    return flat if limit is None or len(flat) <= limit else flat[: max(limit - 1, 0)] + "…"


def failure_line(text: str | None, limit: int | None = None) -> str:
    """Return a failure on one line, without its Python stack trace; empty for None."""
    flat = one_line(text or "")
    return one_line(flat.partition(f" {_STACK_TRACE}")[0], limit)


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
