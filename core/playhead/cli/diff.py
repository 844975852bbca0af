"""`playhead diff`: two invocations side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from playhead.cli.errors import Exit
from playhead.cli.options import json_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playhead.model import Invocation, Step
    from playhead.reader.invocation.comparison import Comparison, StepPair

STYLES = {
    "same": "dim", "changed": "yellow", "only A": "red", "only B": "green",
    "not compared": "yellow",
}  # fmt: skip
VALUE_LENGTH = 300


@click.command()
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option("--all", "show_all", is_flag=True, help="Also show the steps that are the same.")
@json_option
@click.pass_context
def command(ctx: click.Context, a: str, b: str, show_all: bool, as_json: bool) -> None:
    """Compare two invocations step by step.

    A and B are invocation ids or unique prefixes of them. Steps are aligned by type and name.
    State, input, arguments, prompt, output and error of aligned steps are compared, and the status
    of the invocations; times and ids are not. Exits with 1 when the invocations differ.
    """
    from playhead.client import Client
    from playhead.reader.invocation.comparison import compare

    with Client(settings=ctx.obj) as client:
        found = compare(client.invocation(a), client.invocation(b))
    missing = tuple(dict.fromkeys((*found.a.missing, *found.b.missing)))
    if as_json:
        from playhead.cli.output import echo_json

        first = found.pairs.index(found.first) if found.first else None
        echo_json({"a": found.a.summary, "b": found.b.summary, "steps": found.pairs,
                   "different": len(found.different), "first": first,
                   "same_status": found.same_status, "missing": missing})  # fmt: skip
    else:
        from playhead.cli.output import note

        shown = (pair for pair in found.pairs if show_all or pair.verdict != "same")
        _write(found, tuple(shown))
        for sentence in missing:
            note(sentence)
    is_same = found.same_status and not found.different and not found.not_compared
    ctx.exit(Exit.FINE if is_same else Exit.FOUND)


def _write(found: Comparison, pairs: tuple[StepPair, ...]) -> None:
    from playhead import formatting
    from playhead.cli.output import console, paint, table

    out = console()
    a, b = found.a.summary, found.b.summary
    rows = [(name, _figure(a, name), _figure(b, name)) for name in _FIGURES]
    table(("", "A", "B"), rows, shortest={"A": 12, "B": 12})
    out.print()
    if found.first:
        label = formatting.step_label(found.first.step)
        out.print(paint(f"First difference: {label} ({found.first.verdict})", "bold"))
    for pair in pairs:
        line = paint(f"{pair.verdict:<8} ", STYLES[pair.verdict])
        line.append_text(paint(formatting.step_label(pair.step)))
        if pair.a and pair.b and pair.a.index != pair.b.index:
            line.append_text(paint(f"  (#{pair.b.index} in B)"))
        line.append_text(paint("".join(f"  {text}" for text in _measures(pair, a, b)), "dim"))
        out.print(line)
        for field in pair.differences:
            for text, style in _field_lines(pair, field):
                out.print(paint(f"    {text}", style))
    large = len(found.not_compared)
    same = len(found.pairs) - len(found.different) - large
    out.print(paint("1 step is the same." if same == 1 else f"{same} steps are the same.", "dim"))
    if not found.same_status:
        out.print(paint("The invocations have different statuses.", "yellow"))
    if large:
        steps = "1 step was" if large == 1 else f"{large} steps were"
        out.print(paint(f"{steps} not compared: a payload is too large.", "yellow"))


_FIGURES = ("id", "target", "status", "duration", "attempts", "LLM calls", "tokens", "cost")


def _figure(row: Invocation, name: str) -> str:
    from playhead import formatting

    return {
        "id": row.id,
        "target": formatting.one_line(row.target),
        "status": row.status,
        "duration": formatting.elapsed(row),
        "attempts": formatting.attempts(row),
        "LLM calls": formatting.count(row.llm_calls),
        "tokens": formatting.tokens(row.tokens),
        "cost": formatting.cost(row.cost),
    }[name]


def _measures(pair: StepPair, a: Invocation, b: Invocation) -> Iterator[str]:
    """Yield time and tokens of both sides, if the steps were executed."""
    from playhead import formatting
    from playhead.reader.invocation.comparison import is_copied

    def seconds(step: Step | None, row: Invocation) -> str:
        if step is None:
            return ""
        if is_copied(step, row):
            return "copied"
        between = formatting.seconds_between(step.began_at, step.ended_at)
        return formatting.duration(between)

    def tokens(step: Step | None, row: Invocation) -> str:
        if step is None or step.llm is None or is_copied(step, row):
            return ""
        return formatting.tokens(step.llm.tokens, unknown="")

    for measure in (seconds, tokens):
        found = [text for text in (measure(pair.a, a), measure(pair.b, b)) if text]
        if found:
            yield " → ".join(found)


def _field_lines(pair: StepPair, field: str) -> Iterator[tuple[str, str]]:
    """Yield the lines of a field that differ, with their styles."""
    from difflib import unified_diff

    from playhead.formatting import one_line
    from playhead.reader.invocation.comparison import field_text

    left, right = field_text(pair.a, field), field_text(pair.b, field)
    if "\n" not in left and "\n" not in right:
        yield f"{field} A: {one_line(left, VALUE_LENGTH)}", "red"
        yield f"{field} B: {one_line(right, VALUE_LENGTH)}", "green"
        return
    yield f"{field}:", ""
    for line in unified_diff(left.splitlines(), right.splitlines(), lineterm="", n=1):
        if not line.startswith(("---", "+++", "@@")):
            style = {"-": "red", "+": "green"}.get(line[:1], "dim")
            yield one_line(line[:1]).ljust(1) + " " + one_line(line[1:], VALUE_LENGTH), style
