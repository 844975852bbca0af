"""`playhead ls`: the newest invocations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, cast

import click

from playhead.cli.options import (
    archived_option,
    filter_option,
    json_option,
    service_option,
    since_option,
)
from playhead.errors import FilterError
from playhead.model import GROUP_KEYS, SORTS, STATUSES, Order

if TYPE_CHECKING:
    from playhead.client import Client
    from playhead.model import GroupKey, Invocation, InvocationPage, SortKey, Totals

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


def parse_order(ctx: click.Context, param: click.Parameter, value: str | None) -> Order | None:
    """Return the order of `--sort`."""
    if value is None:
        return None
    name, _, direction = value.lower().partition(":")
    sort = cast("SortKey", name.replace("-", "_"))
    if sort not in SORTS:
        raise click.BadParameter(f"{name!r} is not a column to sort by: {', '.join(SORTS)}.")
    if direction not in ("", "asc", "desc"):
        raise click.BadParameter(f"{direction!r} is not a direction: asc or desc.")
    order = Order(sort)
    return Order(sort, reverse=bool(direction) and (direction == "asc") is not order.ascending)


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
    "--sort",
    "order",
    metavar="COLUMN[:asc]",
    callback=parse_order,
    help="Sort all invocations, not only the newest: the largest (newest, slowest, dearest) first, "
    f"or last with :asc. Texts are sorted from A to Z, or Z to A with :desc. One of: "
    f"{', '.join(SORTS)}.",
)
@click.option(
    "--group-by",
    type=click.Choice(GROUP_KEYS),
    help="Count the invocations by service, status, error or key instead of listing them.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, MOST),
    default=25,
    show_default=True,
    help="Maximum number of invocations, or of groups.",
)
@archived_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    statuses: tuple[str, ...],
    service: str | None,
    text: str | None,
    expression: str | None,
    since: datetime | None,
    order: Order | None,
    group_by: GroupKey | None,
    limit: int,
    archived: bool,
    as_json: bool,
) -> None:
    """List invocations, newest first or in another order.

    Merges the invocations of the Restate server and of the store; those that only the store has are
    marked (stored). ATTEMPTS, LLM CALLS, TOKENS (input/output) and COST (US dollars) come from
    recorded spans; - means not recorded, and ? that the price is unknown. REASON is why an
    invocation makes no progress, or its last failure. On a terminal, ids are cut to a unique
    prefix; in a pipe, fields are complete and separated by tabs.
    """
    from playhead.cli.output import echo_json
    from playhead.client import Client
    from playhead.filters.language import all_of, parse

    wanted = all_of(statuses=statuses, service=service, text=text, since=since)
    wanted &= parse(expression or "")
    with Client(settings=ctx.obj, archived=archived) as client:
        if group_by:
            from playhead.cli.group_table import write_groups

            found = client.groups(group_by, filter=str(wanted), limit=limit)
            totals = client.totals(filter=str(wanted))
            write_groups(found, totals, as_json=as_json)
            return
        page = client.invocations(limit=limit, filter=str(wanted), order=order)
        totals = _totals(client, page, str(wanted))
    if as_json:
        echo_json({"invocations": page.rows, "more": page.more, "totals": totals,
                   "missing": page.missing})  # fmt: skip
        return
    _write(page, totals, filtered=bool(wanted), sorted_=order is not None)


def _totals(client: Client, page: InvocationPage, wanted: str) -> Totals | None:
    """Return the totals; None if they cannot be known, such as of what invocations wait for."""
    from playhead.errors import RecorderError, RestateError

    try:
        return client.totals(filter=wanted)
    except (FilterError, RecorderError, RestateError):
        return None


def _write(page: InvocationPage, totals: Totals | None, *, filtered: bool, sorted_: bool) -> None:
    from playhead.cli.output import is_terminal, note, table
    from playhead.formatting import HEADINGS, totals_line

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
        hidden = "Further" if sorted_ else "Older"
        note(f"{hidden} invocations are not shown. {_more(len(page.rows))}")
    if totals and page.rows:
        note(f"Total: {totals_line(totals)}.")
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
