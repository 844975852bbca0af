"""Values as lines of text: JSON, plain text, bytes; a cut is always marked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from playhead.formatting import size
from playhead.text import clean

__all__ = ["LIMIT", "Line", "StyleName", "heading", "pair", "text_lines", "value_lines"]

LIMIT = 200_000
"""Maximum characters shown of a value."""
DUMPED = 8
"""Bytes on one line of a dump, which fits beside a timeline of 120 columns."""

StyleName = Literal["text", "strong", "dim", "accent", "good", "bad", "warn", "wait", "llm", "tool"]


@dataclass(frozen=True, slots=True)
class Line:
    """One clean line of a document; wrapped to the width when it is drawn."""

    text: str
    style: StyleName = "text"
    indent: int = 0
    syntax: Literal["", "json", "diff", "pair"] = ""
    """Coloring and indentation of the text; `pair` puts `name` in a column before it."""
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", clean(self.text))


def heading(text: str, style: StyleName = "dim") -> list[Line]:
    """Return a title with an empty line above it."""
    return [Line(""), Line(text, style)]


def pair(name: str, value: str, style: StyleName = "text") -> Line:
    """Return a name and its value as one line."""
    return Line(value, style, syntax="pair", name=name)


def text_lines(
    text: str, *, style: StyleName = "text", indent: int = 0, limit: int = LIMIT
) -> Iterator[Line]:
    """Yield a text line by line, without control characters."""
    for line in clean(text[:limit], lines=True).split("\n"):
        yield Line(line.expandtabs(4), style, indent)
    if len(text) > limit:
        yield _cut(len(text) - limit)


def value_lines(value: Any, *, indent: int = 0, limit: int = LIMIT) -> Iterator[Line]:
    """Yield any decoded value: text as text, bytes as a dump, the rest as JSON."""
    if isinstance(value, str):
        yield from text_lines(value, indent=indent, limit=limit)
    elif isinstance(value, bytes | bytearray):
        yield from _bytes_lines(bytes(value), indent, limit)
    else:
        yield from _json_lines(value, indent, limit)


def _json_lines(value: Any, indent: int, limit: int) -> Iterator[Line]:
    # A check for cycles would keep the value until the garbage collector runs. The limit ends them.
    encoder = json.JSONEncoder(
        indent=2, ensure_ascii=False, default=_serializable, check_circular=False
    )
    rest = limit
    buffer = ""
    for chunk in _chunks(encoder, value):
        if len(chunk) > rest:
            chunk = chunk[: max(0, rest)]
        rest -= len(chunk)
        *lines, buffer = (buffer + chunk).split("\n")
        for line in lines:
            yield Line(line, indent=indent, syntax="json")
        if rest <= 0:
            yield Line(buffer, indent=indent, syntax="json")
            yield Line(
                f"... more than {size(limit)}: the rest is not shown; y copies or saves all", "warn"
            )
            return
    yield Line(buffer, indent=indent, syntax="json")


def _chunks(encoder: json.JSONEncoder, value: Any) -> Iterable[str]:
    try:
        yield from encoder.iterencode(value)
    except (ValueError, TypeError, RecursionError):
        yield repr(value)


def _serializable(value: Any) -> Any:
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    return str(value)


def _bytes_lines(value: bytes, indent: int, limit: int) -> Iterator[Line]:
    shown = value[: limit // 8]
    for start in range(0, len(shown), DUMPED):
        row = shown[start : start + DUMPED]
        text = "".join(chr(octet) if 32 <= octet < 127 else "." for octet in row)
        yield Line(f"{start:06x}  {row.hex(' '):<{3 * DUMPED - 1}}  {text}", "dim", indent)
    if len(value) > len(shown):
        yield _cut(len(value) - len(shown))


def _cut(left: int) -> Line:
    return Line(f"... {size(left)} not shown; y copies or saves all", "warn")
