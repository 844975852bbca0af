"""`playhead ls`: the newest invocations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from playhead.cli.options import filter_option, json_option, service_option, since_option
from playhead.model import STATUSES

if TYPE_CHECKING:
    from playhead.model import Invocation, InvocationPage

COLUMNS = (
    "id", "target", "status", "age", "duration", "attempts", "llm_calls", "tokens", "cost",
    "reason",
)  # fmt: skip
NUMBERS = ("age", "duration", "attempts", "llm_calls", "tokens", "cost")
OPTIONAL = ("llm_calls", "tokens", "cost", "attempts", "age", "duration", "reason")
"""Columns that a narrow terminal leaves out, in this order."""
SHORTEST_ID = 12
MOST = 100_000
"""Maximum of --limit."""
REASON_LENGTH = 200
SHORTEST_REASON = 24


@click.command()
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice(tuple(STATUSES)),
    metavar="STATUS",
    help=f"Only invocations with this status; repeatable. One of: {', '.join(STATUSES)}.",
)
@service_option
@click.option(
    "--text",
    metavar="WORDS",
    help="Only invocations with each of these words in id, target, status, last failure, or in "
    "what was recorded.",
)
@filter_option
@since_option
@click.option(
    "--limit",
    type=click.IntRange(1, MOST),
    default=25,
    show_default=True,
    help="Maximum number of invocations.",
)
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    statuses: tuple[str, ...],
    service: str | None,
    text: str | None,
    expression: str | None,
    since: datetime | None,
    limit: int,
    as_json: bool,
) -> None:
    """List invocations, newest first.

    Merges the invocations of the Restate server and of the store; those that only the store has are
    marked (stored). ATTEMPTS, LLM CALLS, TOKENS (input/output) and COST (US dollars) come from
    recorded spans; - means not recorded, and ? that the price is unknown. REASON is why an
    invocation makes no progress, or its last failure. On a terminal, ids are cut to a unique
    prefix; in a pipe, fields are complete and separated by tabs.
    """
    from playhead.client import Client

    with Client(settings=ctx.obj) as client:
        page = client.invocations(
            limit=limit,
            status=statuses,
            service=service,
            text=text,
            since=since,
            filter=expression,
        )
    if as_json:
        from playhead.cli.output import echo_json

        echo_json({"invocations": page.rows, "more": page.more, "missing": page.missing})
        return
    _write(page, filtered=bool(statuses or service or text or since or expression))


def _write(page: InvocationPage, *, filtered: bool) -> None:
    from playhead.cli.output import is_terminal, note, table
    from playhead.formatting import HEADINGS

    if page.rows:
        # On a narrow terminal, a column without reasons is left out first.
        needed = any(row.last_failure or row.waiting for row in page.rows)
        optional = sorted(OPTIONAL, key=lambda name: not needed and name != "reason")
        length = _distinct_length([row.id for row in page.rows]) if is_terminal() else None
        table(
            [HEADINGS[name] for name in COLUMNS],
            [_cells(row, length) for row in page.rows],
            right=[HEADINGS[name] for name in NUMBERS],
            shortest={HEADINGS["target"]: 12, HEADINGS["reason"]: SHORTEST_REASON},
            optional=[HEADINGS[name] for name in optional],
        )
    elif filtered:
        note("No invocation matches. Remove a filter, or choose an earlier --since.")
    else:
        note("No invocations yet. Send a request to Restate's ingress, or run `playhead demo`.")
    if page.more:
        note(f"Older invocations are not shown. {_more(len(page.rows))}")
    for sentence in page.missing:
        note(sentence)


def _more(shown: int) -> str:
    if shown >= MOST:
        return "To see them, narrow the list with --text, --status or --service."
    return f"To see more, use --limit {min(shown * 4, MOST)}."


def _cells(row: Invocation, id_length: int | None) -> Sequence[str | tuple[str, str]]:
    from playhead import formatting
    from playhead.cli.output import STYLES

    status: str = row.status if row.origin == "live" else f"{row.status} (stored)"
    return (
        row.id[:id_length],
        row.target,
        (status, STYLES[row.status]),
        formatting.age(row.created_at),
        formatting.elapsed(row),
        formatting.attempts(row),
        formatting.count(row.llm_calls),
        formatting.tokens(row.tokens),
        formatting.cost(row.cost),
        (formatting.reason(row, REASON_LENGTH), STYLES[row.status] if row.waiting else "red"),
    )


def _distinct_length(ids: Sequence[str]) -> int:
    """Return the length of prefix at which all these ids differ, plus one."""
    for length in range(SHORTEST_ID, max(map(len, ids)) + 1):
        if len({id_[:length] for id_ in ids}) == len(set(ids)):
            return length + 1
    return max(map(len, ids))
