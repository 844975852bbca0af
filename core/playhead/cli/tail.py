"""`playhead tail`: what happens, line by line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from playhead.model import Invocation
    from playhead.reader.reader import Reader

WATCHED = 200
"""Newest invocations that are followed."""

EASE = 20
"""A look at the list makes the server scan; we wait this many times as long as it took."""


@click.command()
@click.option("--service", metavar="NAME", help="Only of this service.")
@click.option("--last", default=10, show_default=True, help="Begin with so many that are there.")
@click.option("--count", type=click.IntRange(1), help="End after so many lines.")
@click.option(
    "--interval",
    type=click.FloatRange(0.1),
    default=1.0,
    show_default=True,
    help="Seconds between two looks at least; more where the server is large.",
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document a line.")
@click.pass_context
def command(
    ctx: click.Context,
    service: str | None,
    last: int,
    count: int | None,
    interval: float,
    as_json: bool,
) -> None:
    """Follow invocations as they appear, change status, and fail.

    One line each time; Ctrl+C ends it.
    """
    import contextlib

    from playhead.cli.reading import open_reader, run

    async def follow() -> None:
        written = 0
        async with open_reader(ctx.obj) as reader:
            async for row, what in _changes(reader, service, last, interval):
                _write(row, what, as_json=as_json)
                written += 1
                if written == count:
                    return

    with contextlib.suppress(KeyboardInterrupt):
        run(follow())


async def _changes(
    reader: Reader, service: str | None, last: int, interval: float
) -> AsyncIterator[tuple[Invocation, str]]:
    """Every invocation with what happened to it, oldest first."""
    from playhead.cli.output import note

    known: dict[str, Invocation] | None = None
    said: set[str] = set()
    while True:
        begun = time.monotonic()
        page = await reader.invocations(limit=WATCHED, service=service)
        for sentence in set(page.missing) - said:
            note(sentence)
        said = set(page.missing)
        changed = [row for row in reversed(page.rows) if _differs((known or {}).get(row.id), row)]
        for row in changed if known is not None else changed[max(len(changed) - last, 0) :]:
            yield row, "changed" if known is not None and row.id in known else "seen"
        known = (known or {}) | {row.id: row for row in page.rows}
        await asyncio.sleep(max(interval, EASE * (time.monotonic() - begun)))


def _differs(before: Invocation | None, now: Invocation) -> bool:
    if before is None:
        return True
    return (before.status, before.retry_count, before.last_failure) != (
        now.status, now.retry_count, now.last_failure,
    )  # fmt: skip


def _write(row: Invocation, what: str, *, as_json: bool) -> None:
    if as_json:
        from playhead.cli.json_output import echo_json

        echo_json({"what": what, "invocation": row}, lines=True)
        return
    from playhead.cli import words
    from playhead.cli.output import console, paint

    at = row.completed_at or row.modified_at or row.created_at
    line = paint(f"{at:%H:%M:%S}  {row.id}  ")
    line.append_text(paint(f"{row.status:<12}", words.STYLES[row.status]))
    line.append_text(paint(row.target))
    if row.ended:
        line.append_text(paint(f"  {words.elapsed(row)}", "dim"))
    if row.last_failure:
        line.append_text(paint(f"  {words.one_line(row.last_failure, 120)}", "red"))
    console().print(line, soft_wrap=True)
