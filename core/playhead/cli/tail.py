"""`playhead tail`: changes of invocations, line by line."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import click

from playhead.cli.options import service_option

if TYPE_CHECKING:
    from playhead.client import Client
    from playhead.model import Invocation

FOLLOWED = 200
"""Number of the newest invocations that are followed."""

PAUSE_FACTOR = 20
"""Minimum pause between two polls, as a multiple of a poll's duration: for each poll, the server
scans all its invocations."""

REASON_LENGTH = 120

Event = Literal["new", "changed"]


@click.command()
@service_option
@click.option(
    "--last",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    help="Number of existing invocations to begin with: those that changed last.",
)
@click.option("--count", type=click.IntRange(1), help="Exit after this number of lines.")
@click.option(
    "--interval",
    type=click.FloatRange(0.1),
    default=1.0,
    show_default=True,
    help="Seconds between two polls; more when polls take long.",
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document per line.")
@click.pass_context
def command(
    ctx: click.Context,
    service: str | None,
    last: int,
    count: int | None,
    interval: float,
    as_json: bool,
) -> None:
    """Follow invocations as they start, change status and end.

    Writes a line for each change, with its time. Press Ctrl+C to stop.
    """
    from playhead.cli.output import echo_json
    from playhead.client import Client

    with contextlib.suppress(KeyboardInterrupt), Client(settings=ctx.obj) as client:
        changes = _changes(client, service, last, interval)
        for number, (row, event, missing) in enumerate(changes, start=1):
            if as_json:
                echo_json({"event": event, "invocation": row, "missing": missing}, lines=True)
            else:
                _write(row)
            if number == count:
                return


def _changes(
    client: Client, service: str | None, last: int, interval: float
) -> Iterator[tuple[Invocation, Event, tuple[str, ...]]]:
    """Yield each invocation that is new or changed, by time of the change; never ends.

    With each, yields sentences about data that could not be read. Raises UnreachableError when no
    source can be read at first; later, it waits until one can be read again.
    """
    from playhead.cli.output import note
    from playhead.errors import UnreachableError

    before: dict[str, Invocation] | None = None
    noted: frozenset[str] = frozenset()
    while True:
        begun = time.monotonic()
        rows: tuple[Invocation, ...] = ()
        try:
            page = client.invocations(limit=FOLLOWED, service=service)
            rows, missing = page.rows, page.missing
        except UnreachableError as error:
            if before is None:
                raise
            missing = tuple(error.hint.splitlines())
        for sentence in missing:
            if sentence not in noted:
                note(sentence)
        noted = frozenset(missing)
        if before is None and not rows:
            note("No invocations yet; waiting for the first one.")
        changed = [row for row in rows if _differs((before or {}).get(row.id), row)]
        changed.sort(key=lambda row: (_changed_at(row), row.id))
        for row in changed if before is not None else changed[max(len(changed) - last, 0) :]:
            yield row, "changed" if before is not None and row.id in before else "new", missing
        before = (before or {}) | {row.id: row for row in rows}
        time.sleep(max(interval, PAUSE_FACTOR * (time.monotonic() - begun)))


def _changed_at(row: Invocation) -> datetime:
    return row.completed_at or row.modified_at or row.created_at


def _differs(before: Invocation | None, now: Invocation) -> bool:
    if before is None:
        return True
    return _shown(before) != _shown(now)


def _shown(row: Invocation) -> tuple[object, ...]:
    """Return what a line is about; moving up in a queue is no change."""
    waiting = row.waiting
    return (
        row.status, row.retry_count, row.last_failure,
        (waiting.kind, waiting.name, waiting.invocation_id) if waiting else None,
    )  # fmt: skip


def _write(row: Invocation) -> None:
    from playhead import formatting
    from playhead.cli.output import STYLES, console, paint

    line = paint(f"{formatting.clock(_changed_at(row))}  {row.id}  ")
    line.append_text(paint(f"{row.status:<12}", STYLES[row.status]))
    line.append_text(paint(row.target))
    if row.ended:
        line.append_text(paint(f"  {formatting.elapsed(row)}", "dim"))
    if reason := formatting.reason(row, REASON_LENGTH):
        line.append_text(paint(f"  {reason}", STYLES[row.status] if row.waiting else "red"))
    console().print(line, soft_wrap=True)
