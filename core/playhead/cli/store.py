"""`playhead store`: sizes, checks, backups and compaction of the store."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from playhead.cli.options import json_option
from playhead.cli.output import echo_json, table
from playhead.formatting import date_time, size, whole
from playhead.restate.rows import parse_time
from playhead.settings import Settings
from playhead.text import clean

__all__ = ["command"]

COLUMNS = ("TABLE", "ROWS", "SIZE", "OLDEST", "NEWEST")


@click.group("store", invoke_without_command=True)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Show the size, tables and oldest rows of the store, or maintain it.

    The subcommands work while a recorder is running, except vacuum.
    """
    if ctx.invoked_subcommand is None:
        document = _run(ctx.obj, {"task": "summary"})
        if as_json:
            echo_json(document)
        else:
            _show(document)


@command.command("verify")
@json_option
@click.pass_obj
def verify(settings: Settings, as_json: bool) -> None:
    """Read every row, whose blocks have checksums, and look for duplicates."""
    document = _run(settings, {"task": "verify"})
    if as_json:
        echo_json(document)
    else:
        for problem in document["problems"]:
            click.echo(clean(problem))
        if not document["problems"]:
            click.echo("Every row is readable, and no span is stored twice.")
    if document["problems"]:
        raise SystemExit(1)


@command.command("backup")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@json_option
@click.pass_obj
def backup(settings: Settings, file: Path, as_json: bool) -> None:
    """Copy the database to FILE, also while a recorder is running.

    To use the copy, name it playhead.duckdb and choose its folder with --store.
    """
    document = _run(settings, {"task": "backup", "path": str(file.absolute())})
    if as_json:
        echo_json(document)
    else:
        click.echo(f"Copied {size(document['bytes'])} to {clean(document['path'])}.")


@command.command("vacuum")
@json_option
@click.pass_obj
def vacuum(settings: Settings, as_json: bool) -> None:
    """Write the database again without the space of deleted rows. Stop the recorder first."""
    from playhead.store.upkeep import vacuum as write_again

    before, after = write_again(settings.store)
    if as_json:
        echo_json({"bytes_before": before, "bytes": after})
    else:
        click.echo(f"The database has {size(after)} instead of {size(before)}.")


def _run(settings: Settings, task: dict[str, Any]) -> dict[str, Any]:
    from playhead.record.store_tasks import run_task

    return asyncio.run(run_task(settings, task))


def _show(document: dict[str, Any]) -> None:
    click.echo(f"{clean(document['store'])}: {size(document['bytes'])}")
    rows = [
        (
            row["table"],
            whole(row["rows"]),
            # Not in the file yet, or in a block of others.
            size(row["bytes"]) if row["bytes"] or not row["rows"] else "-",
            *(date_time(parse_time(row[name])) for name in ("oldest", "newest")),
        )
        for row in document["tables"]
    ]
    table(COLUMNS, rows, right=("ROWS", "SIZE"), optional=("NEWEST", "OLDEST"))
    archive = document["archive"]
    if archive["files"]:
        files = archive["files"]
        click.echo(
            f"archive: {whole(files)} file{'' if files == 1 else 's'}, {size(archive['bytes'])}"
        )
