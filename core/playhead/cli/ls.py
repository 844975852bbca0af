"""`playhead ls`: the newest invocations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import click

from playhead.cli.options import (
    archived_option,
    filter_option,
    json_option,
    service_option,
    since_option,
    view_option,
)
from playhead.columns import COLUMNS, NARROW_FIRST
from playhead.errors import FilterError
from playhead.model import GROUP_KEYS, SORTS, STATUSES, Order

if TYPE_CHECKING:
    from playhead.client import Client
    from playhead.model import GroupKey, Invocation, InvocationPage, SortKey, Totals
    from playhead.saved_views import SavedView

USUAL = (
    "id", "target", "status", "age", "duration", "attempts", "llm_calls", "tokens", "cost",
    "reason",
)  # fmt: skip
"""Columns unless `--columns` names others."""
SHORTEST_ID = 12
MOST = 100_000
"""Maximum of --limit."""
REASON_LENGTH = 200
SHORTEST_REASON = 24


def parse_names(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[str, ...] | None:
    """Return the columns of `--columns`."""
    if value is None:
        return None
    from playhead.columns import parse_columns

    try:
        return parse_columns(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


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
    help="Sort all invocations, not only the newest: the largest (newest, slowest, costliest) "
    f"first, or last with :asc. Texts are sorted from A to Z, or Z to A with :desc. One of: "
    f"{', '.join(SORTS)}.",
)
@click.option(
    "--group-by",
    type=click.Choice(GROUP_KEYS),
    help="Count the invocations by service, status, error or key instead of listing them.",
)
@click.option(
    "--columns",
    "names",
    metavar="NAME,...",
    callback=parse_names,
    help=f"Show these columns, in this order. Without it: {','.join(USUAL)}. Others: "
    f"{', '.join(name for name in COLUMNS if name not in USUAL)}.",
)
@view_option
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
    names: tuple[str, ...] | None,
    view: SavedView | None,
    limit: int,
    archived: bool,
    as_json: bool,
) -> None:
    """List invocations, newest first or in another order.

    Merges the invocations of the Restate server and of the store; those that only the store has are
    marked (stored). ATTEMPTS, LLM CALLS, TOKENS (input/output) and COST (US dollars) come from
    recorded spans; - means not recorded, and ? that the price is unknown. A DURATION with + has not
    ended. REASON is why an
    invocation makes no progress, or its last failure. On a terminal, ids are cut to a unique
    prefix; in a pipe, fields are complete and separated by tabs.
    """
    from playhead.cli.output import echo_json
    from playhead.client import Client
    from playhead.filters.language import all_of, parse

    wanted = all_of(statuses=statuses, service=service, text=text, since=since)
    wanted &= parse(expression or "")
    if view:
        wanted &= parse(view.filter)
        order = order or Order(view.sort, view.reverse)
        group_by = group_by or view.group_by
        names = names or view.columns
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
    _write(
        page,
        totals,
        names or USUAL,
        filtered=bool(wanted),
        sorted_=order is not None and not order.newest_first,
    )


def _totals(client: Client, page: InvocationPage, wanted: str) -> Totals | None:
    """Return the totals; None if they cannot be known, such as of what invocations wait for."""
    from playhead.errors import RecorderError, RestateError

    try:
        return client.totals(filter=wanted)
    except (FilterError, RecorderError, RestateError):
        return None


def _write(
    page: InvocationPage,
    totals: Totals | None,
    names: Sequence[str],
    *,
    filtered: bool,
    sorted_: bool,
) -> None:
    from playhead.cli.output import is_terminal, note, table
    from playhead.formatting import totals_line

    if page.rows:
        # On a narrow terminal, columns without content are left out first.
        needed = any(row.last_failure or row.waiting for row in page.rows)
        optional = ["reason"] if not needed else []
        if not any(row.cost and row.cost.usd for row in page.rows):
            optional.append("cost")
        optional += [name for name in (*NARROW_FIRST, "reason") if name not in optional]
        length = _distinct_length([row.id for row in page.rows]) if is_terminal() else None
        headings = {name: COLUMNS[name].heading for name in names}
        shortest = {"target": 12, "reason": SHORTEST_REASON, "models": 12, "agents": 12}
        table(
            list(headings.values()),
            [[_cell(row, name, length) for name in names] for row in page.rows],
            right=[COLUMNS[name].heading for name in names if COLUMNS[name].figure],
            shortest={headings[name]: least for name, least in shortest.items() if name in names},
            optional=[headings[n] for n in optional if n in names[1:]],
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


def _cell(row: Invocation, name: str, id_length: int | None) -> str | tuple[str, str]:
    from playhead import formatting
    from playhead.cli.output import STYLES

    if name == "id":
        return row.id[:id_length]
    if name == "status":
        status: str = row.status if row.origin == "live" else f"{row.status} (stored)"
        return status, STYLES[row.status]
    if name == "reason":
        text = formatting.reason(row, REASON_LENGTH)
        return text, STYLES[row.status] if row.waiting else "red"
    text = COLUMNS[name].text(row, datetime.now(UTC))
    return text or (formatting.UNKNOWN if COLUMNS[name].figure else "")


def _distinct_length(ids: Sequence[str]) -> int:
    """Return the length of prefix at which all these ids differ, plus one."""
    for length in range(SHORTEST_ID, max(map(len, ids)) + 1):
        if len({id_[:length] for id_ in ids}) == len(set(ids)):
            return length + 1
    return max(map(len, ids))
