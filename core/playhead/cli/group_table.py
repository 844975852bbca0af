"""The output of `playhead ls --group-by`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playhead.model import InvocationGroup, InvocationGroups, Totals

__all__ = ["write_groups"]

OPTIONAL = ("FIRST", "LLM CALLS", "TOKENS", "COST", "LAST")
"""Columns that a narrow terminal leaves out, in this order."""


def write_groups(found: InvocationGroups, totals: Totals, *, as_json: bool) -> None:
    """Write groups as a table, or as one JSON document with the totals of all of them."""
    from playhead.cli.output import echo_json, note, table
    from playhead.formatting import totals_line

    if as_json:
        echo_json({"by": found.by, "groups": found.groups, "total": found.total,
                   "totals": totals, "missing": found.missing})  # fmt: skip
        return
    if found.groups:
        heading = found.by.upper()
        figures = ("INVOCATIONS", "LLM CALLS", "TOKENS", "COST", "FIRST", "LAST")
        table(
            (heading, *figures, "STATUS"),
            [_cells(group) for group in found.groups],
            right=figures,
            shortest={heading: 12, "STATUS": 12},
            optional=OPTIONAL,
        )
        if len(found.groups) < found.total:
            note(f"{found.total - len(found.groups)} smaller groups are not shown; raise --limit.")
        note(f"Total: {totals_line(totals)}.")
    else:
        note("No invocation matches.")
    for sentence in found.missing:
        note(sentence)


def _cells(group: InvocationGroup) -> tuple[str, ...]:
    from playhead.formatting import UNKNOWN, age, cost, count, one_line, tokens

    totals = group.totals
    return (
        one_line(group.name) or UNKNOWN,
        count(totals.invocations),
        count(totals.llm_calls),
        tokens(totals.tokens),
        cost(totals.cost),
        age(group.first_at),
        age(group.last_at),
        ", ".join(f"{count(number)} {status}" for status, number in totals.by_status.items()),
    )
