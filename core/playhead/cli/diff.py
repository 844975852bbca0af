"""`playhead diff`: two invocations side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import click

from playhead.cli.errors import Exit
from playhead.cli.options import json_option

if TYPE_CHECKING:
    from playhead.model import InvocationDetail, LlmCall, Step

Verdict = Literal["same", "changed", "only A", "only B"]
STYLES: dict[Verdict, str] = {
    "same": "dim",
    "changed": "yellow",
    "only A": "red",
    "only B": "green",
}
VALUE_LENGTH = 300


@dataclass(frozen=True, slots=True)
class StepPair:
    """A step of A and the matching step of B; one of them is None without a match."""

    verdict: Verdict
    a: Step | None
    b: Step | None
    differences: tuple[str, ...] = ()
    """Fields that differ: `state`, `input`, `output`, `error`."""


@click.command()
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option("--all", "show_all", is_flag=True, help="Also show the steps that are the same.")
@json_option
@click.pass_context
def command(ctx: click.Context, a: str, b: str, show_all: bool, as_json: bool) -> None:
    """Compare two invocations step by step.

    A and B are invocation ids or unique prefixes of them. Steps are aligned by type and name.
    State, input, output and error of aligned steps are compared; times and ids are not. Exits with
    1 when the invocations differ.
    """
    from playhead.client import Client

    with Client(settings=ctx.obj) as client:
        first, second = client.invocation(a), client.invocation(b)
    missing = tuple(dict.fromkeys((*first.missing, *second.missing)))
    pairs = list(align(first.steps, second.steps))
    different = [pair for pair in pairs if pair.verdict != "same"]
    if as_json:
        from playhead.cli.output import echo_json

        echo_json({"a": first.summary, "b": second.summary, "steps": pairs,
                   "different": len(different), "missing": missing})  # fmt: skip
    else:
        from playhead.cli.output import note

        _write(first, second, pairs if show_all else different, len(pairs) - len(different))
        for sentence in missing:
            note(sentence)
    ctx.exit(Exit.FOUND if different else Exit.FINE)


def align(a: Sequence[Step], b: Sequence[Step]) -> Iterator[StepPair]:
    """Yield the steps of both in order, paired by type and name."""
    from difflib import SequenceMatcher

    def names(steps: Sequence[Step]) -> list[tuple[str, str]]:
        return [(step.type, step.name) for step in steps]

    matcher = SequenceMatcher(a=names(a), b=names(b), autojunk=False)
    for operation, a0, a1, b0, b1 in matcher.get_opcodes():
        if operation == "equal":
            for left, right in zip(a[a0:a1], b[b0:b1], strict=True):
                differences = _differences(left, right)
                yield StepPair("changed" if differences else "same", left, right, differences)
            continue
        for left in a[a0:a1]:
            yield StepPair("only A", left, None)
        for right in b[b0:b1]:
            yield StepPair("only B", None, right)


def _differences(a: Step, b: Step) -> tuple[str, ...]:
    found = [name for name in ("state", "input", "error") if getattr(a, name) != getattr(b, name)]
    same = (
        _answer(a.llm) == _answer(b.llm) if a.llm and b.llm else a.output == b.output
    )  # an LLM's answer contains ids and times, which always differ
    return tuple(found if same else [*found, "output"])


def _answer(llm: LlmCall) -> object:
    return llm.model, llm.text, [(call.name, call.arguments) for call in llm.tool_calls]


def _write(a: InvocationDetail, b: InvocationDetail, pairs: Sequence[StepPair], same: int) -> None:
    from playhead import formatting
    from playhead.cli.output import console, paint

    out = console()
    for side, detail in (("A", a), ("B", b)):
        row = detail.summary
        out.print(
            paint(
                f"{side} {row.id}  {row.target}  {row.status}  {formatting.elapsed(row)}  "
                f"LLM calls {formatting.count(row.llm_calls)}  "
                f"tokens {formatting.tokens(row.tokens)}"
            )
        )
    out.print()
    for pair in pairs:
        step = pair.a or pair.b
        assert step is not None
        line = paint(f"{pair.verdict:<8} ", STYLES[pair.verdict])
        line.append_text(paint(formatting.step_label(step)))
        if pair.a and pair.b and pair.a.index != pair.b.index:
            line.append_text(paint(f"  (#{pair.b.index} in B)"))
        out.print(line)
        for field in pair.differences:
            for side, of in (("A", pair.a), ("B", pair.b)):
                value = formatting.one_line(_value(of, field), VALUE_LENGTH)
                out.print(paint(f"    {field} {side}: {value}"))
    out.print(paint("1 step is the same." if same == 1 else f"{same} steps are the same.", "dim"))


def _value(step: Step | None, field: str) -> str:
    from playhead import formatting

    if step is None:
        return ""
    if field == "output" and step.llm:
        calls = [f"{c.name}({formatting.pretty(c.arguments)})" for c in step.llm.tool_calls]
        return " → ".join(filter(None, (step.llm.text, ", ".join(calls))))
    return formatting.pretty(getattr(step, field))
