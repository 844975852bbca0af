"""`playhead stats`: figures by service."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import click

from playhead.cli.options import (
    archived_option,
    filter_option,
    json_option,
    service_option,
    since_option,
)
from playhead.model import Cost
from playhead.percentiles import percentile

if TYPE_CHECKING:
    from playhead.client import Client
    from playhead.model import Activity, Invocation

COLUMNS = ("service", "invocations", "attempts", "llm_calls", "tokens", "cost")


@dataclass(frozen=True, slots=True)
class ServiceStats:
    """Sums and durations of one service's invocations; None if nothing was recorded."""

    service: str
    invocations: int
    by_status: dict[str, int]
    attempts: int | None
    """None when the number of an invocation's attempts is not certain."""
    attempts_at_least: int
    llm_calls: int | None
    input_tokens: int | None
    output_tokens: int | None
    cost: Cost | None
    median_seconds: float | None
    """Median duration of the invocations that ended."""
    p95_seconds: float | None
    """95th percentile of the same durations."""


@click.command()
@service_option
@filter_option
@since_option
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=1000,
    show_default=True,
    help="Maximum number of invocations to count, newest first.",
)
@click.option(
    "--minutes",
    type=click.IntRange(1, 1440),
    default=60,
    show_default=True,
    help="Number of minutes for each of which starts and failures are counted.",
)
@archived_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    service: str | None,
    expression: str | None,
    since: datetime | None,
    limit: int,
    minutes: int,
    archived: bool,
    as_json: bool,
) -> None:
    """Count invocations, attempts, LLM calls, tokens, cost and failures by service.

    TOKENS are input/output. COST is in US dollars; ? means that the price is unknown. P50 and P95
    are durations of the invocations that ended, by nearest rank. - means not recorded. The
    last line has the invocations that were started and that failed in the last minutes, of all that
    match; in JSON, `activity` has one number a minute, from `since`.
    """
    from playhead.cli.output import echo_json, note
    from playhead.client import Client
    from playhead.filters.language import all_of, parse
    from playhead.formatting import calls_of, whole

    with Client(settings=ctx.obj, archived=archived) as client:
        page = client.invocations(limit=limit, service=service, since=since, filter=expression)
        wanted = all_of(service=service, since=since) & parse(expression or "")
        activity = _activity(client, str(wanted), minutes)
    services = stats(page.rows)
    if as_json:
        echo_json({"services": services, "invocations": len(page.rows), "more": page.more,
                   "activity": activity, "missing": page.missing})  # fmt: skip
        return
    if services:
        _write(services)
    elif service or since or expression:
        note("No invocation matches. Remove a filter, or choose an earlier --since.")
    else:
        note("No invocations yet. Send a request to Restate's ingress, or run `playhead demo`.")
    if page.more:
        note(f"Only the newest {limit} invocations are counted. To count more, raise --limit.")
    if uncertain := sum(row.attempts is None for row in page.rows):
        note(f"The number of attempts is not certain for {uncertain} of {len(page.rows)}.")
    if unpriced := sum(row.cost.unpriced_calls for row in page.rows if row.cost):
        note(f"The cost leaves out {calls_of(unpriced)} of unknown price.")
    if activity and services:
        started, failed = sum(activity.started), sum(activity.failed)
        note(f"In the last {minutes} min: {whole(started)} started, {whole(failed)} failed.")
    for sentence in page.missing:
        note(sentence)


def _activity(client: Client, wanted: str, minutes: int) -> Activity | None:
    """Return the activity; None if it cannot be known, such as of what invocations wait for."""
    from playhead.errors import FilterError, RecorderError, RestateError

    try:
        return client.activity(filter=wanted, minutes=minutes)
    except (FilterError, RecorderError, RestateError):
        return None


def stats(rows: Sequence[Invocation]) -> list[ServiceStats]:
    """Return the figures of each service, sorted by name."""
    groups: dict[str, list[Invocation]] = defaultdict(list)
    for row in rows:
        groups[row.service].append(row)
    return [_service(name, groups[name]) for name in sorted(groups)]


def _service(name: str, rows: Sequence[Invocation]) -> ServiceStats:
    durations = [
        (row.completed_at - row.created_at).total_seconds() for row in rows if row.completed_at
    ]
    costs = [row.cost for row in rows if row.cost is not None]
    spent = [row.tokens for row in rows if row.tokens is not None]
    return ServiceStats(
        service=name,
        invocations=len(rows),
        by_status=dict(Counter(row.status for row in rows)),
        attempts=None
        if any(row.attempts is None for row in rows)
        else _sum([row.attempts for row in rows]),
        attempts_at_least=sum(row.attempts_at_least for row in rows),
        llm_calls=_sum([row.llm_calls for row in rows]),
        input_tokens=_sum([t.input for t in spent]),
        output_tokens=_sum([t.output for t in spent]),
        cost=sum(costs, Cost()) if costs else None,
        median_seconds=percentile(durations, 0.5),
        p95_seconds=percentile(durations, 0.95),
    )


def _sum(values: Sequence[int | None]) -> int | None:
    recorded = [value for value in values if value is not None]
    return sum(recorded) if recorded else None


def _write(services: Sequence[ServiceStats]) -> None:
    from playhead.cli.output import table
    from playhead.formatting import HEADINGS

    numbers = [*(HEADINGS[name] for name in COLUMNS[1:]), "P50", "P95"]
    table(
        [HEADINGS["service"], *numbers, HEADINGS["status"]],
        [_cells(one) for one in services],
        right=numbers,
        shortest={HEADINGS["service"]: 12, HEADINGS["status"]: 12},
        optional=("P95", "P50", *(HEADINGS[name] for name in reversed(COLUMNS[2:]))),
    )


def _cells(one: ServiceStats) -> tuple[str, ...]:
    from playhead.formatting import UNKNOWN, at_least, cost, count, duration, tokens
    from playhead.model import Tokens

    known = one.input_tokens is not None and one.output_tokens is not None
    return (
        one.service,
        count(one.invocations),
        at_least(one.attempts, one.attempts_at_least),
        count(one.llm_calls),
        tokens(Tokens(one.input_tokens or 0, one.output_tokens or 0) if known else None),
        cost(one.cost),
        duration(one.median_seconds) or UNKNOWN,
        duration(one.p95_seconds) or UNKNOWN,
        ", ".join(f"{n} {status}" for status, n in sorted(one.by_status.items())),
    )
