"""`playhead archive`: move old days of the store to Parquet files."""

from __future__ import annotations

import asyncio
from datetime import datetime

import click

from playhead.cli.options import json_option, parse_since
from playhead.cli.output import echo_json
from playhead.cli.questions import confirm, forbid_if_read_only
from playhead.formatting import whole
from playhead.settings import Settings

__all__ = ["command"]


@click.command("archive")
@click.option(
    "--before",
    required=True,
    callback=parse_since,
    metavar="AGE|TIME",
    help="Move days before this age (`30d`) or ISO 8601 time.",
)
@click.option("--delete", is_flag=True, help="Delete the rows for good instead. Asks first.")
@click.option("--yes", is_flag=True, help="Do not ask. Needed without a terminal.")
@json_option
@click.pass_context
def command(ctx: click.Context, before: datetime, delete: bool, yes: bool, as_json: bool) -> None:
    """Move old days of the store to Parquet files in its folder `archive`.

    An invocation belongs to the day (UTC) on which it ended; invocations that have not ended stay.
    `playhead show` finds archived invocations, and `playhead ls --archived` lists them. SQL finds
    the rows of both places in views such as all_spans. Works while a recorder is running.
    """
    from playhead.record.store_tasks import run_task

    day = before.date().isoformat()
    settings: Settings = ctx.obj
    if delete:
        forbid_if_read_only(ctx, "deletions")
        if not yes:
            confirm(f"Delete everything that ended before {day} (UTC)?")
    task = {"task": "delete" if delete else "archive", "before": day}
    document = asyncio.run(run_task(settings, task))
    if as_json:
        echo_json(document)
        return
    rows = document["rows"]
    click.echo(
        f"{'Deleted' if delete else 'Archived'} {counted(document['days'], 'day')}:"
        f" {counted(rows['invocations'], 'invocation')}, {counted(rows['spans'], 'span')}."
    )


def counted(number: int, noun: str) -> str:
    """Format a number of something exactly: `1 day`, `1,234 spans`."""
    return f"{whole(number)} {noun}{'' if number == 1 else 's'}"
