"""`playhead sql`: queries on the store."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import click

from playhead.settings import Settings
from playhead.text import clean

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["command"]

GAP = "  "
COLUMN_LEAST = 8
"""Cells that a column needs: in fewer, values would be folded beyond recognition."""


@click.command("sql")
@click.argument("query")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document: a list of rows.")
@click.option("--csv", "as_csv", is_flag=True, help="Write CSV with a header.")
@click.pass_obj
def command(settings: Settings, query: str, as_json: bool, as_csv: bool) -> None:
    """Query the store with SQL.

    QUERY is one SELECT in DuckDB's dialect. Tables: spans, invocations, journal,
    journal_events, state; views: llm_calls, tool_calls, attempts.
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other.")
    from playhead.client import Client

    with Client(settings=settings) as client:
        rows = client.sql(query)
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=True, indent=2))
    elif as_csv:
        click.echo(_csv(rows), nl=False)
    else:
        _table(rows)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return clean(value)
    return clean(json.dumps(value, ensure_ascii=False))


def _csv(rows: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    if rows:
        writer.writerow([clean(name) for name in rows[0]])
    writer.writerows([_text(value) for value in row.values()] for row in rows)
    return out.getvalue()


def _table(rows: list[dict[str, Any]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from playhead.cli.output import is_terminal

    console = Console(highlight=False)
    if not rows:
        console.print(Text("no rows"))
        return
    names = [clean(name) for name in rows[0]]
    cells = [[_text(value) for value in row.values()] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(names, *cells, strict=True)]
    if not is_terminal():
        console.width = sum(width + 4 for width in widths)  # With padding and separators.
    elif sum(min(width, COLUMN_LEAST) + len(GAP) for width in widths) > console.width:
        _records(console, names, cells)
        return
    table = Table(box=SIMPLE_HEAD, show_edge=False)
    for name in names:
        table.add_column(Text(name), overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))
    console.print(table)


def _records(console: Console, names: list[str], cells: list[list[str]]) -> None:
    """Write each row as lines of name and value: its columns do not fit the terminal."""
    from rich.text import Text

    width = max(map(len, names))
    for number, row in enumerate(cells, 1):
        console.print(Text(f"row {number}", style="bold"))
        for name, value in zip(names, row, strict=True):
            console.print(Text(f"{name:<{width}}{GAP}{value}"))
