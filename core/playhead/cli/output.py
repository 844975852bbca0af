"""Tables and text for a terminal or a pipe; nothing is ever read as markup."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from playhead.text import clean

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["console", "is_terminal", "note", "paint", "table"]


def is_terminal() -> bool:
    """Whether standard output is a terminal."""
    return sys.stdout.isatty()


def console() -> Console:
    """A console that neither interprets nor decorates; NO_COLOR and pipes have no colour."""
    from rich.console import Console

    return Console(markup=False, highlight=False, emoji=False, soft_wrap=not is_terminal())


def paint(text: str, style: str = "", *, lines: bool = False) -> Text:
    """Text of anybody, safe, in one style."""
    from rich.text import Text

    return Text(clean(text, lines=lines), style=style)


def note(text: str) -> None:
    """Say something about the answer on standard error, one line."""
    click.echo(clean(text), err=True)


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str | tuple[str, str]]],
    *,
    right: Sequence[str] = (),
) -> None:
    """Write a table: aligned on a terminal, fields between tabs and never cut in a pipe.

    Args:
        columns: the headings.
        rows: cells, each text or (text, style).
        right: columns of numbers.
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
