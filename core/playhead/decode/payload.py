"""Bytes that a handler or an SDK serialised, as values."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["decode_value"]


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
