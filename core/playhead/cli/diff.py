"""`playhead diff`: two invocations side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import click

from playhead.cli.errors import Exit

if TYPE_CHECKING:
    from playhead.model import InvocationDetail, Step
    from playhead.reader.reader import Reader


@dataclass(frozen=True, slots=True)
class Pair:
    """A step of one and the step of the other that does the same."""

    verdict: Literal["same", "changed", "only A", "only B"]
    a: Step | None
    b: Step | None
    differs: tuple[str, ...] = ()
    """What differs: `state`, `input`, `output`, `error`."""


@click.command()
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option("--all", "everything", is_flag=True, help="Show steps that are the same, too.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")
@click.pass_context
def command(ctx: click.Context, a: str, b: str, everything: bool, as_json: bool) -> None:
    """Compare two invocations step by step.

    A and B are ids or their beginnings. Steps are aligned by type and name; of those aligned,
    state, input, output and error are compared, times and ids are not. Exits with 1 when they
    differ.
    """
    from playhead.cli.reading import find, read

    async def ask(reader: Reader) -> tuple[InvocationDetail, InvocationDetail]:
        return await find(reader, a), await find(reader, b)

    first, second = read(ctx.obj, ask)
    pairs = list(align(first.steps, second.steps))
    different = [pair for pair in pairs if pair.verdict != "same"]
    if as_json:
        from playhead.cli.json_output import echo_json

        echo_json({"a": first.summary, "b": second.summary, "steps": pairs,
                   "different": len(different)})  # fmt: skip
    else:
        _write(first, second, pairs if everything else different, len(pairs) - len(different))
    ctx.exit(Exit.FOUND if different else Exit.FINE)


def align(a: Sequence[Step], b: Sequence[Step]) -> Iterator[Pair]:
    """The steps of both in order, those of the same type and name beside each other."""
    from difflib import SequenceMatcher

    def names(steps: Sequence[Step]) -> list[tuple[str, str]]:
        return [(step.type, step.name) for step in steps]

    matcher = SequenceMatcher(a=names(a), b=names(b), autojunk=False)
    for what, a0, a1, b0, b1 in matcher.get_opcodes():
        if what == "equal":
            for one, other in zip(a[a0:a1], b[b0:b1], strict=True):
                differs = _differs(one, other)
                yield Pair("changed" if differs else "same", one, other, differs)
            continue
        for one in a[a0:a1]:
            yield Pair("only A", one, None)
        for other in b[b0:b1]:
            yield Pair("only B", None, other)


def _differs(a: Step, b: Step) -> tuple[str, ...]:
    """Names of the fields that differ; of an LLM call, what it said, not its ids and times."""
    from playhead.model import LlmCall

    def said(llm: LlmCall) -> object:
        return llm.model, llm.text, [(call.name, call.arguments) for call in llm.tool_calls]

    found = [name for name in ("state", "input", "error") if getattr(a, name) != getattr(b, name)]
    same = said(a.llm) == said(b.llm) if a.llm and b.llm else a.output == b.output
    return tuple(found if same else [*found, "output"])


def _write(a: InvocationDetail, b: InvocationDetail, pairs: Sequence[Pair], same: int) -> None:
    from playhead.cli import words
    from playhead.cli.output import console, paint

    out = console()
    for name, detail in (("A", a), ("B", b)):
        row = detail.summary
        out.print(
            paint(
                f"{name} {row.id}  {row.target}  {row.status}  {words.elapsed(row)}  LLM"
                f" {words.count(row.llm_calls)}  tokens {words.tokens(row.tokens)}"
            )
        )
    out.print()
    for pair in pairs:
        step = pair.a or pair.b
        assert step is not None
        style = {"same": "dim", "changed": "yellow", "only A": "red", "only B": "green"}
        where = " / ".join(f"#{s.index}" for s in (pair.a, pair.b) if s)
        line = paint(f"{pair.verdict:<8} ", style[pair.verdict])
        line.append_text(paint(f"{where:<12} {step.kind} {step.name}"))
        out.print(line)
        for field in pair.differs:
            for side, which in (("A", pair.a), ("B", pair.b)):
                out.print(paint(f"    {field} {side}: {words.one_line(_said(which, field), 300)}"))
    out.print(paint(f"{same} steps are the same.", "dim"))


def _said(step: Step | None, field: str) -> str:
    from playhead.cli import words

    if step is None:
        return ""
    if field == "output" and step.llm:
        calls = ", ".join(f"{c.name}({words.pretty(c.arguments)})" for c in step.llm.tool_calls)
        return " → ".join(filter(None, (step.llm.text, calls)))
    return words.pretty(getattr(step, field))
