"""Output of commands: styled text, tables and JSON, never interpreted as markup."""

from __future__ import annotations

import base64
import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import click

from playhead.text import clean, escape_json
from playhead.values import utc_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["STYLES", "console", "echo_json", "is_terminal", "note", "paint", "plain", "table"]

STYLES: Mapping[str, str] = {
    "succeeded": "green", "done": "green", "completed": "green", "running": "cyan",
    "pending": "yellow", "scheduled": "yellow", "inboxed": "yellow", "ready": "yellow",
    "suspended": "blue", "paused": "magenta", "backing-off": "yellow", "retrying": "yellow",
    "failed": "red", "killed": "red", "cancelled": "red", "interrupted": "yellow", "unknown": "dim",
    "terminal error": "red", "end not recorded": "yellow",
    "gone": "dim", "lost": "yellow", "unfinished": "yellow",
}  # fmt: skip
"""Style of each status of an invocation, attempt or step, in addition to its name."""


GAP = 2
"""Spaces between two columns."""
_PART_CHARACTERS = 64 * 1024
"""Length of a part of a JSON document that is written at once."""


def is_terminal() -> bool:
    """Return whether standard output is a terminal."""
    return sys.stdout.isatty()


def console() -> Console:
    """Return a console without highlighting; it uses no color in pipes and under NO_COLOR."""
    from rich.console import Console

    return Console(markup=False, highlight=False, emoji=False, soft_wrap=not is_terminal())


def paint(text: str, style: str = "", *, lines: bool = False) -> Text:
    """Return text from any source, made safe, in one style."""
    from rich.text import Text

    return Text(clean(text, lines=lines), style=style)


def note(text: str) -> None:
    """Write a line about the result to standard error."""
    click.echo(clean(text), err=True)


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str | tuple[str, str]]],
    *,
    right: Sequence[str] = (),
    shortest: Mapping[str, int] | None = None,
    optional: Sequence[str] = (),
) -> None:
    """Write a table: aligned on a terminal, tab-separated and never cut in a pipe.

    Args:
        columns: The headings.
        rows: Cells, each text or (text, style).
        right: Headings of the columns to align right.
        shortest: Headings of the columns with cells that may be cut, and their minimum widths.
        optional: Headings of the columns that a narrow terminal leaves out, in this order; a note
            names them. If the others do not fit either, each row is written as lines of heading
            and value.
    """
    if not is_terminal():
        for row in (columns, *rows):
            click.echo("\t".join(clean(cell if isinstance(cell, str) else cell[0]) for cell in row))
        return
    from rich.table import Table

    out = console()
    cells = [[paint(c) if isinstance(c, str) else paint(*c) for c in row] for row in rows]
    widths = {
        name: max(len(name), *(row[number].cell_len for row in cells)) if cells else len(name)
        for number, name in enumerate(columns)
    }
    hidden = _fit(widths, out.width, shortest or {}, optional)
    if rows and _width(widths) > out.width:
        _records(out, columns, cells)
        return
    grid = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for name, width in widths.items():
        justify = "right" if name in right else "left"
        grid.add_column(
            paint(name), justify=justify, no_wrap=True, overflow="ellipsis", width=width
        )
    for row in cells:
        grid.add_row(*(cell for name, cell in zip(columns, row, strict=True) if name in widths))
    out.print(grid)
    if hidden:
        note(f"Not shown in {out.width} columns: {', '.join(hidden)}.")


def _width(widths: Mapping[str, int]) -> int:
    return sum(widths.values()) + GAP * (len(widths) - 1)


def _records(out: Console, columns: Sequence[str], rows: Sequence[Sequence[Text]]) -> None:
    """Write each row as lines of heading and value, with an empty line between two rows."""
    indent = max(map(len, columns)) + GAP
    for number, row in enumerate(rows):
        if number:
            out.print()
        for name, cell in zip(columns, row, strict=True):
            if cell.plain:
                line = paint(f"{name:<{indent}}", "bold")
                line.append_text(cell)
                out.print(line)


def _fit(
    widths: dict[str, int], room: int, shortest: Mapping[str, int], optional: Sequence[str]
) -> list[str]:
    """Shorten columns until they fit, then remove optional ones; return those removed."""

    def excess() -> int:
        return _width(widths) - room

    def spare(name: str) -> int:
        return widths[name] - max(len(name), shortest[name])

    hidden: list[str] = []
    for name in optional:
        if excess() <= sum(max(spare(other), 0) for other in shortest if other in widths):
            break
        del widths[name]
        hidden.append(name)
    while excess() > 0:
        widest = max((name for name in shortest if name in widths), key=spare, default=None)
        if widest is None or spare(widest) <= 0:
            break
        widths[widest] -= 1
    return hidden


def echo_json(value: Any, *, lines: bool = False) -> None:
    """Write one JSON document to standard output; with `lines`, on a single line.

    It is written in parts as they are made: an invocation can have hundreds of megabytes.
    """
    encoder = json.JSONEncoder(
        ensure_ascii=False, indent=None if lines else 2, default=_outermost, check_circular=False
    )
    parts: list[str] = []
    size = 0
    for part in encoder.iterencode(value):
        parts.append(part)
        size += len(part)
        if size > _PART_CHARACTERS:
            click.echo(escape_json("".join(parts)).encode(), nl=False)
            parts.clear()
            size = 0
    click.echo(escape_json("".join(parts)).encode())


def _outermost(value: Any) -> Any:
    """Convert a value as `plain` does, but not those in it: the encoder asks for each of them."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return dict(cast("Mapping[Any, Any]", value))
    return plain(value)


def plain(value: Any) -> Any:
    """Convert dataclasses, times and bytes to JSON-compatible values.

    Times become ISO 8601 in UTC with `Z`, bytes `{"base64": …}`.
    """
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, datetime):
        return utc_text(value)
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in cast("list[Any]", value)]
    return str(value)
