"""`playhead show`: one invocation, or one step of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from playhead.cli.errors import CliError, Exit

if TYPE_CHECKING:
    from playhead.model import InvocationDetail, Step
    from playhead.reader.reader import Reader


@click.command()
@click.argument("invocation_id", metavar="ID")
@click.option("--step", "index", type=int, metavar="N", help="Show the step #N whole.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")
@click.pass_context
def command(ctx: click.Context, invocation_id: str, index: int | None, as_json: bool) -> None:
    """Show one invocation: its attempts, steps, LLM calls and errors.

    ID may be the beginning of an id where only one begins so. In the timeline, bars are drawn
    from the first moment to the last; x marks tries that failed, dots the waiting between them.
    """
    from playhead.cli.reading import find, read

    async def ask(reader: Reader) -> tuple[InvocationDetail, Step | None]:
        detail = await find(reader, invocation_id)
        return detail, None if index is None else await _step(reader, detail, index)

    detail, step = read(ctx.obj, ask)
    if as_json:
        from playhead.cli.json_output import echo_json

        echo_json(detail if step is None else step)
        return
    from playhead.cli import invocation_text, step_text
    from playhead.cli.output import console, is_terminal, note

    out = console()
    lines = (
        step_text.lines(step)
        if step
        else invocation_text.lines(
            detail,
            ascii_only=bool(ctx.meta.get("playhead.ascii")),
            width=out.width if is_terminal() else None,
        )
    )
    for line in lines:
        out.print(line)
    for sentence in detail.missing:
        note(sentence)


async def _step(reader: Reader, detail: InvocationDetail, index: int) -> Step:
    from dataclasses import replace

    found = next((step for step in detail.steps if step.index == index), None)
    if found is None:
        numbers = [str(step.index) for step in detail.steps if step.index >= 0]
        raise CliError(
            f"{detail.summary.id} has no step #{index}",
            f"Its steps: {', '.join(numbers) or 'none'}",
            Exit.USAGE,
        )
    if found.truncated:  # too large to be read along with all others
        given = await reader.payload(detail.summary.id, found.index)
        came = None
        if found.notification_index is not None:
            came = await reader.payload(detail.summary.id, found.notification_index)
        found = replace(
            found,
            input=found.input if given is None else given,
            output=found.output if came is None else came,
            truncated=False,
        )
    return found
