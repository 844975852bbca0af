"""`playhead ls`: the newest invocations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from playhead.cli.errors import CliError, Exit

if TYPE_CHECKING:
    from playhead.model import Invocation, InvocationPage

STATUSES = (
    "running", "backing-off", "suspended", "paused", "succeeded", "failed", "killed", "cancelled",
    "pending", "scheduled", "ready",
)  # fmt: skip
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
COLUMNS = ("ID", "TARGET", "STATUS", "AGE", "TOOK", "ATTEMPTS", "LLM", "TOKENS", "FAILURE")
SHORTEST_ID = 12


def since_when(ctx: click.Context, param: click.Parameter, value: str | None) -> datetime | None:
    """A moment: an ISO 8601 time, or how long ago (`90s`, `15m`, `2h`, `3d`)."""
    if value is None:
        return None
    try:
        if value[-1:] in _UNITS:
            return datetime.now(UTC) - timedelta(seconds=float(value[:-1]) * _UNITS[value[-1]])
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            f"{value!r} is neither a time ago such as 15m nor ISO 8601"
        ) from error


@click.command()
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice(STATUSES),
    metavar="STATUS",
    help=f"Only with this status; may be repeated. One of: {', '.join(STATUSES)}.",
)
@click.option("--service", metavar="NAME", help="Only of this service.")
@click.option("--text", metavar="TEXT", help="Only whose id or target contains this.")
@click.option(
    "--since",
    callback=since_when,
    metavar="TIME",
    help="Only created since: 90s, 15m, 2h, 3d, or an ISO 8601 time.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=25,
    show_default=True,
    help="At most so many.",
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")
@click.pass_context
def command(
    ctx: click.Context,
    statuses: tuple[str, ...],
    service: str | None,
    text: str | None,
    since: datetime | None,
    limit: int,
    as_json: bool,
) -> None:
    """List invocations, the newest first.

    From the Restate server and the recording together; what only the recording has is marked.
    ATTEMPTS, LLM (answers of models) and TOKENS (in/out) need a recorder; - means nobody knows.
    On a terminal, ids are cut as far as `playhead show` understands them; in a pipe, fields are
    separated by tabs and whole.
    """
    from playhead.cli.reading import read

    page = read(
        ctx.obj,
        lambda reader: reader.invocations(
            limit=limit, status=statuses, service=service, text=text, since=since
        ),
    )
    if not page.rows and len(page.missing) > 1:
        raise CliError("neither a Restate server nor a recording can be read",
                       "\n".join(page.missing), Exit.UNREACHABLE)  # fmt: skip
    if as_json:
        from playhead.cli.json_output import echo_json

        echo_json({"invocations": page.rows, "more": page.more, "missing": page.missing})
        return
    _write(page, filtered=bool(statuses or service or text or since))


def _write(page: InvocationPage, *, filtered: bool) -> None:
    from playhead.cli.output import is_terminal, note, table

    if page.rows:
        short = _shortest([row.id for row in page.rows]) if is_terminal() else None
        table(
            COLUMNS,
            [_cells(row, short) for row in page.rows],
            right=("AGE", "TOOK", "ATTEMPTS", "LLM", "TOKENS"),
        )
    elif filtered:
        note("No invocation matches. Fewer filters, or a longer --since, may show some.")
    else:
        note(
            "No invocations yet. Call a service through Restate's ingress, or run `playhead demo`."
        )
    if page.more:
        note(f"There are older ones: --limit {len(page.rows) * 4}.")
    for sentence in page.missing:
        note(sentence)


def _cells(row: Invocation, short: int | None) -> Sequence[str | tuple[str, str]]:
    from playhead.cli import words

    status: str = row.status if row.origin == "live" else f"{row.status} (stored)"
    return (
        row.id[:short],
        row.target,
        (status, words.STYLES[row.status]),
        words.age(row.created_at),
        words.elapsed(row),
        words.count(row.attempts),
        words.count(row.llm_calls),
        words.tokens(row.tokens),
        (words.one_line(row.last_failure or "", 200), "red"),
    )


def _shortest(ids: Sequence[str]) -> int:
    """The length at which the beginnings of these ids differ, with one digit to spare."""
    for length in range(SHORTEST_ID, max(map(len, ids)) + 1):
        if len({id_[:length] for id_ in ids}) == len(set(ids)):
            return length + 1
    return max(map(len, ids))
