"""Lines for a journal step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from playhead.formatting import clock, size
from playhead.model import Step

from playhead_tui.drawing.document import Line, heading, pair, text_lines, value_lines
from playhead_tui.inspector.messages import llm_lines, parsed

__all__ = ["errors", "inputs", "is_unread", "overview"]

LARGE = 64 * 1024
"""Bytes from which an entry without content was not read, since none has so much beside it."""


def overview(step: Step) -> Iterator[Line]:
    """Yield references, input, output and the position in the journal."""
    for name, value in (
        ("Calls", step.child_id), ("Awakeable", step.awakeable_id), ("State key", step.state_key),
    ):  # fmt: skip
        if value:
            yield pair(name, value)
    if step.wake_at:
        yield pair("Wakes at", clock(step.wake_at))
    if step.llm:
        yield from llm_lines(step.llm)
    if step.tool:
        yield pair("Tool", step.tool.name, "tool")
        yield from heading("Arguments")
        yield from value_lines(parsed(step.tool.arguments), indent=2, limit=4000)
    if step.error:
        yield from heading("Error")
        yield from text_lines(step.error, style="bad", indent=2, limit=2000)
    elif step.events:
        yield from heading("Last failure")
        yield from text_lines(step.events[-1].message, style="warn", indent=2, limit=2000)
    if step.input is not None and not step.tool:
        yield from heading("Input")
        yield from value_lines(step.input, indent=2, limit=4000)
    if step.llm and step.llm.text:
        yield from heading("Response")
        yield from text_lines(step.llm.text, indent=2, limit=4000)
    elif step.output is not None and not step.llm:
        yield from heading("Output")
        yield from value_lines(step.output, indent=2, limit=4000)
    elif is_unread(step):
        yield from heading("Output" if step.kind != "input" else "Input")
        yield Line("None, or too large to load here: open the Payload tab.", "dim", 2)
    yield from heading("Journal")
    if step.index < 0:
        yield Line("No entry yet: the answer will be one.", "dim", 2)
        return
    entries = f"#{step.index} {step.type}"
    if step.notification_index is not None:
        entries += f", result in #{step.notification_index}"
    length = "" if step.raw_length is None else size(step.raw_length)
    command = "" if step.command_index is None else f"command {step.command_index}"
    about = ", ".join(filter(None, (command, length)))
    yield Line(f"{entries} ({about})" if about else entries, "dim", 2)


def is_unread(step: Step) -> bool:
    """Return whether the journal has a result, or a large content, that was not read."""
    if step.output is not None or step.error is not None:
        return False
    if step.state == "done" and step.notification_index is not None:
        return True
    return step.input is None and (step.raw_length or 0) > LARGE


def inputs(step: Step) -> Iterable[Line]:
    """Yield the input, or the arguments of a tool."""
    if step.input is not None:
        return value_lines(step.input)
    return value_lines(parsed(step.tool.arguments if step.tool else None))


def errors(step: Step) -> Iterator[Line]:
    """Yield the terminal error and every failed try, newest first."""
    if step.error:
        yield Line("Result of the step, in the journal", "dim")
        yield from text_lines(step.error, style="bad", indent=2)
        yield Line("")
    if step.events:
        plural = "s" if len(step.events) > 1 else ""
        yield Line(f"{len(step.events)} failed attempt{plural} recorded by the server", "dim")
    for event in reversed(step.events):
        code = f" {event.code}" if event.code is not None else ""
        yield Line("")
        yield Line(f"{clock(event.at)}  {event.kind}{code}", "warn")
        yield from text_lines(event.message, style="bad", indent=2)
        if event.stacktrace:
            yield from text_lines(event.stacktrace, style="dim", indent=2)
