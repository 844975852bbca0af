"""`playhead calls`: single calls of models and tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import click

from playhead.cli.options import archived_option, filter_option, json_option
from playhead.model import CallChoice, CallKind, CallOrder, CallOutcome

if TYPE_CHECKING:
    from playhead.model import AgentCall

COLUMNS = ("STARTED", "KIND", "AGENT", "NAME", "OUTCOME", "DURATION", "TOKENS", "COST", "TARGET",
           "INVOCATION")  # fmt: skip
OPTIONAL = ("KIND", "AGENT", "COST", "TOKENS", "STARTED", "TARGET", "DURATION")
"""Columns that a narrow terminal leaves out, in this order."""
MOST = 10_000
"""Maximum of --limit."""


@click.command()
@filter_option
@click.option("--kind", type=click.Choice(get_args(CallKind)), help="Only calls of this kind.")
@click.option("--agent", metavar="NAME", help="Only calls by this agent; '' for unknown ones.")
@click.option("--name", metavar="NAME", help="Only calls of this model or tool.")
@click.option(
    "--outcome", type=click.Choice(get_args(CallOutcome)), help="Only calls with this outcome."
)
@click.option("--repeated", is_flag=True, help="Only calls that repeated an earlier one.")
@click.option(
    "--sort",
    "order",
    type=click.Choice(get_args(CallOrder)),
    default="newest",
    show_default=True,
    help="The newest or slowest first, or those with the most tokens or the highest cost.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, MOST),
    default=50,
    show_default=True,
    help="Maximum number of calls.",
)
@archived_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    expression: str | None,
    kind: CallKind | None,
    agent: str | None,
    name: str | None,
    outcome: CallOutcome | None,
    repeated: bool,
    order: CallOrder,
    limit: int,
    archived: bool,
    as_json: bool,
) -> None:
    """List single calls of models and tools, over all invocations.

    TOKENS are input/output. COST is in US dollars; ? means that the price is unknown. An
    `interrupted` call ended without an answer; one that is `not ended` is running, or its process
    died. Replayed calls are left out. `playhead agents` counts the same calls.
    """
    from playhead.cli.output import echo_json, note, table
    from playhead.client import Client

    choice = CallChoice(kind, agent, name, outcome, repeated)
    with Client(settings=ctx.obj, archived=archived) as client:
        page = client.agent_calls(choice, filter=expression, order=order, limit=limit)
    if as_json:
        echo_json({"calls": page.rows, "more": page.more, "missing": page.missing})
        return
    if page.rows:
        table(
            COLUMNS,
            [_cells(row) for row in page.rows],
            right=("DURATION", "TOKENS", "COST"),
            shortest={"AGENT": 8, "NAME": 10, "TARGET": 12},
            optional=OPTIONAL,
        )
    else:
        chosen = expression or choice != CallChoice()
        note("No recorded call matches." if chosen else "No calls are recorded.")
    if page.more:
        note(f"Only the first {len(page.rows)} are shown; raise --limit to see more.")
    for sentence in page.missing:
        note(sentence)


def _cells(row: AgentCall) -> tuple[str | tuple[str, str], ...]:
    from playhead import formatting
    from playhead.formatting import UNKNOWN, count, duration, one_line

    outcome = f"{row.outcome}, repeated" if row.repeated else row.outcome
    style = {"succeeded": "", "failed": "red"}.get(row.outcome, "yellow")
    unknown = row.input_tokens is None and row.output_tokens is None
    spent = "" if unknown else f"{count(row.input_tokens)}/{count(row.output_tokens)}"
    return (
        formatting.date_time(row.started_at),
        row.kind,
        one_line(row.agent) or UNKNOWN,
        one_line(row.name) or UNKNOWN,
        (outcome, style),
        duration(row.seconds) or UNKNOWN,
        spent,
        formatting.cost(row.cost, unknown=""),
        one_line(row.target or "") or UNKNOWN,
        row.invocation_id or UNKNOWN,
    )
