"""`playhead sql`: queries on the store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from playhead.settings import Settings
from playhead.text import clean

if TYPE_CHECKING:
    from rich.console import Console

    from playhead.reader.console import Engine

__all__ = ["command"]

GAP = "  "
PADDING = 3
"""Cells around the text of a column of the table."""
LONG_WORD = 40
"""Cells from which a word is text to fold, no longer a number, a time or an id."""
COLUMN_LEAST = 8
"""Cells that a column of long words needs: in fewer, they would be folded beyond recognition."""


@click.command("sql")
@click.argument("query")
@click.option(
    "--server", is_flag=True, help="Query the Restate server's own SQL instead of the store."
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document: a list of rows.")
@click.option("--csv", "as_csv", is_flag=True, help="Write CSV with a header.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a new file that ends in .csv, .json or .parquet.",
)
@click.pass_obj
def command(
    settings: Settings,
    query: str,
    server: bool,
    as_json: bool,
    as_csv: bool,
    output: Path | None,
) -> None:
    """Query the store with SQL.

    QUERY is one SELECT in DuckDB's dialect. Tables: spans, invocations, journal,
    journal_events, state; views: llm_calls, tool_calls, attempts. With --server, it is one in
    DataFusion's dialect on the tables of the Restate server, such as sys_invocation and state.
    """
    if sum((as_json, as_csv, output is not None)) > 1:
        raise click.UsageError("--json, --csv and --output exclude each other.")
    from playhead.reader.console import csv_text

    found = asyncio.run(_run(settings, query, "server" if server else "store", output))
    if found is None:
        return
    columns, rows = found
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=True, indent=2))
    elif as_csv:
        click.echo(csv_text(rows, columns), nl=False)
    else:
        _table(columns, rows)


async def _run(
    settings: Settings, query: str, engine: Engine, output: Path | None
) -> tuple[tuple[str, ...], list[dict[str, Any]]] | None:
    from playhead.cli.output import note
    from playhead.reader.opening import open_reader

    async with open_reader(settings) as reader:
        if output is None:
            return await reader.console.result(engine, query)
        number = await reader.console.export(engine, query, output)
    note(f"Wrote {number} row{'' if number == 1 else 's'} to {output}.")
    return None


def _table(columns: Sequence[str], rows: list[dict[str, Any]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from playhead.cli.output import is_terminal
    from playhead.reader.console import cell_text

    console = Console(highlight=False)
    if not rows:
        console.print(Text("no rows"))
        return
    names = [clean(name) for name in columns]
    cells = [[cell_text(row.get(name)) for name in columns] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(names, *cells, strict=True)]
    if not is_terminal():
        console.width = sum(width + 4 for width in widths)  # With padding and separators.
    else:
        least = [_least(column) for column in zip(names, *cells, strict=True)]
        spare = console.width - sum(width + PADDING for width in least)
        if spare < 0:
            _records(console, names, cells)
            return
        widths = _widened(least, widths, spare)
    table = Table(box=SIMPLE_HEAD, show_edge=False)
    for name, width in zip(names, widths, strict=True):
        table.add_column(Text(name), overflow="fold", width=width)
    for row in cells:
        table.add_row(*map(Text, row))
    console.print(table)


def _least(texts: Iterable[str]) -> int:
    """Return the cells in which no number, time or id of a column is cut."""
    from rich.cells import cell_len

    lengths = [cell_len(word) for text in texts for word in text.split()]
    words = [min(length, COLUMN_LEAST) if length >= LONG_WORD else length for length in lengths]
    return max(words, default=1)


def _widened(least: Sequence[int], wanted: Sequence[int], spare: int) -> list[int]:
    """Return the widths of columns with the spare cells shared among those that want more."""
    widths = list(least)
    lacking = sorted(range(len(widths)), key=lambda one: wanted[one] - least[one])
    for left, one in zip(range(len(lacking), 0, -1), lacking, strict=True):
        more = min(wanted[one] - least[one], spare // left)
        widths[one] += more
        spare -= more
    return widths


def _records(console: Console, names: list[str], cells: list[list[str]]) -> None:
    """Write each row as lines of name and value: its columns do not fit the terminal."""
    from rich.text import Text

    width = max(map(len, names))
    for number, row in enumerate(cells, 1):
        console.print(Text(f"row {number}", style="bold"))
        for name, value in zip(names, row, strict=True):
            console.print(Text(f"{name:<{width}}{GAP}{value}"))
