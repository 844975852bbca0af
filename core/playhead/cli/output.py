"""What commands write: styled text, tables and JSON; nothing is interpreted as markup."""

from __future__ import annotations

import base64
import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import click

from playhead.text import clean

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["STYLES", "console", "echo_json", "is_terminal", "note", "paint", "plain", "table"]

STYLES: Mapping[str, str] = {
    "succeeded": "green", "done": "green", "completed": "green", "running": "cyan",
    "pending": "yellow", "scheduled": "yellow", "inboxed": "yellow", "ready": "yellow",
    "suspended": "blue", "paused": "magenta", "backing-off": "yellow", "retrying": "yellow",
    "failed": "red", "killed": "red", "cancelled": "red", "interrupted": "red", "unknown": "dim",
}  # fmt: skip
"""Style of each status of an invocation, attempt or step; the word is always written as well."""


def is_terminal() -> bool:
    """Return whether standard output is a terminal."""
    return sys.stdout.isatty()


def console() -> Console:
    """Return a console that decorates nothing; without color in pipes and under NO_COLOR."""
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
) -> None:
    """Write a table: aligned on a terminal, tab-separated and never cut in a pipe.

    Args:
        columns: the headings.
        rows: cells, each text or (text, style).
        right: headings of the columns to align right.
    """
    if not is_terminal():
        for row in (columns, *rows):
            click.echo("\t".join(clean(c if isinstance(c, str) else c[0]) for c in row))
        return
    from rich.table import Table

    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in columns:
        grid.add_column(
            paint(name),
            justify="right" if name in right else "left",
            no_wrap=True,
            overflow="ellipsis",
            min_width=len(name),
        )
    for row in rows:
        grid.add_row(*(paint(c) if isinstance(c, str) else paint(*c) for c in row))
    console().print(grid)


def echo_json(value: Any, *, lines: bool = False) -> None:
    """Write one JSON document to standard output; with `lines`, on a single line."""
    # JSON escapes control characters; lone surrogates stay escapes too.
    text = json.dumps(plain(value), ensure_ascii=False, indent=None if lines else 2)
    click.echo(text.encode("utf-8", "backslashreplace"))


def plain(value: Any) -> Any:
    """Convert dataclasses, times and bytes to values that JSON can hold.

    Times become ISO 8601 in UTC with `Z`, bytes `{"base64": …}`.
    """
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in cast("list[Any]", value)]
    return str(value)
