"""Prompts in a plain form, for comparisons.

Spans and running code write the same prompt in several forms, such as tool arguments as text or as
data, and tool results under different roles. This module reduces them to one form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from playhead.model import Message
from playhead.values import as_dict, as_json

__all__ = ["Messages", "plain_messages"]

Messages = Sequence[Mapping[str, str]]
"""The messages of a prompt in order, each `{"role", "text"}`."""

_FILE = "(a file)"
"""Placeholder for the content of files, which some instrumentations leave out."""
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def plain_messages(prompt: Iterable[Message]) -> list[dict[str, str]]:
    """Return one message for each part of the prompt.

    Reasoning and calls of a provider's built-in tools are left out: both are parts of answers,
    which are in the journal, and frameworks send reasoning back in different ways.
    """
    return [
        {"role": role, "text": _clean(text)}
        for message in prompt
        for role, text in (_plain(message.role, part) for part in message.parts)
        if role
    ]


def _plain(role: str, part: Mapping[str, Any]) -> tuple[str, str]:
    match part.get("type"):
        case "text":
            return role, str(part.get("content") or "")
        case "tool_call" if not part.get("builtin"):
            return "assistant", f"{part.get('name')}({_text(part.get('arguments'))})"
        case "tool_call_response" if not part.get("builtin"):
            return "tool", f"{part.get('name')} → {_text(part.get('response'))}"
        case "reasoning" | "tool_call" | "tool_call_response":
            return "", ""
        case _:
            return role, _FILE


def _text(value: Any) -> str:
    if isinstance(value, str):
        found: Any = as_json(value)
        return _written(found) if isinstance(found, dict | list) else value
    return _written(value)


def _written(value: Any) -> str:
    return json.dumps(_data(value), ensure_ascii=False)


def _data(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_data(item) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    if value.get("kind") == "binary" and "media_type" in value:  # pyright: ignore[reportUnknownMemberType]
        return _FILE
    return {name: _data(item) for name, item in sorted(as_dict(cast("object", value)).items())}


def _clean(text: str) -> str:
    """Remove memory addresses, and replace characters that UTF-8 cannot encode."""
    return _ADDRESS.sub("", text).encode(errors="replace").decode()
