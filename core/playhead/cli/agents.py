"""`playhead agents`: calls of models, tools and steps, by agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import click

from playhead.cli.options import archived_option, filter_option, json_option
from playhead.model import FigureKind

if TYPE_CHECKING:
    from playhead.model import AgentFigures

COLUMNS = ("AGENT", "KIND", "NAME", "CALLS", "ERRORS", "RETRIES", "INPUT", "OUTPUT", "CACHED",
           "REASONING", "COST", "P50", "P95", "TREND")  # fmt: skip
OPTIONAL = ("TREND", "REASONING", "CACHED", "RETRIES", "P50", "OUTPUT", "INPUT", "KIND")
"""Columns that a narrow terminal leaves out, in this order."""


@click.command()
@filter_option
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(get_args(FigureKind)),
    help="Only calls of models, tools, or steps; repeatable.",
)
@archived_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    expression: str | None,
    kinds: tuple[FigureKind, ...],
    archived: bool,
    as_json: bool,
) -> None:
    """Count the calls of models, tools and steps, by agent.

    CALLS succeeded, ERRORS failed, and RETRIES repeated an earlier call. INPUT, OUTPUT, CACHED
    (part of the input) and REASONING (part of the output) are tokens. COST is in US dollars; ?
    means that the price is unknown. P50 and P95 are durations; those of steps include backoff.
    TREND shows the calls of models and tools in 12 periods from the first to the last call of all.
    Of a step, the service takes the place of the agent.
    """
    from playhead.cli.output import echo_json, note, table
    from playhead.client import Client
    from playhead.formatting import calls_of

    with Client(settings=ctx.obj, archived=archived) as client:
        report = client.agents(filter=expression, kinds=kinds or get_args(FigureKind))
    if as_json:
        echo_json(
            {"agents": report.rows, "since": report.since, "until": report.until,
             "missing": report.missing}
        )  # fmt: skip
        return
    if report.rows:
        table(
            COLUMNS,
            [_cells(row, ascii_only=bool(ctx.meta.get("playhead.ascii"))) for row in report.rows],
            right=COLUMNS[3:-1],
            shortest={"AGENT": 8, "NAME": 10},
            optional=OPTIONAL,
        )
    else:
        note("No recorded call matches." if expression or kinds else "No calls are recorded.")
    if unpriced := sum(row.cost.unpriced_calls for row in report.rows if row.cost):
        note(f"The cost leaves out {calls_of(unpriced)} of unknown price.")
    for sentence in report.missing:
        note(sentence)


def _cells(row: AgentFigures, *, ascii_only: bool) -> tuple[str, ...]:
    from playhead import formatting
    from playhead.formatting import UNKNOWN, count, duration

    tokens = (row.input_tokens, row.output_tokens, row.cached_tokens, row.reasoning_tokens)
    return (
        formatting.one_line(row.agent) or UNKNOWN,
        row.kind,
        formatting.one_line(row.name) or UNKNOWN,
        count(row.calls),
        count(row.errors),
        count(row.retries),
        *(count(number) if row.kind == "model" else "" for number in tokens),
        formatting.cost(row.cost, unknown=""),
        duration(row.p50_seconds) or UNKNOWN,
        duration(row.p95_seconds) or UNKNOWN,
        formatting.sparkline(row.trend, ascii_only=ascii_only),
    )
