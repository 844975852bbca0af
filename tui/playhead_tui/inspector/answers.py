"""The awakeables and promises that an invocation waits for, and their context."""

from __future__ import annotations

import json

from playhead.model import InvocationDetail, Step

from playhead_tui.drawing.cells import clip
from playhead_tui.drawing.document import Line, value_lines

__all__ = ["context_lines", "pending_answers", "promise_name", "requested_tools"]

LINES = 8
"""Maximum lines of one value in a dialog."""


def pending_answers(detail: InvocationDetail) -> tuple[Step, ...]:
    """Return the awakeables, then the promises, that the invocation is still waiting for."""
    if detail.summary.ended:
        return ()
    pending = [step for step in detail.steps if step.state == "pending"]
    awakeables = [step for step in pending if step.kind == "awakeable" and step.awakeable_id]
    return (*awakeables, *(step for step in pending if promise_name(step)))


def promise_name(step: Step) -> str | None:
    """Return the name of the promise that a step awaits; None for any other step."""
    return step.name.removeprefix("await ") if step.type == "Command: GetPromise" else None


def requested_tools(detail: InvocationDetail) -> str:
    """Return the model's latest tool calls, which usually need the approval."""
    for step in reversed(detail.steps):
        if step.llm and step.llm.tool_calls:
            return ", ".join(
                f"{call.name} {json.dumps(call.arguments, ensure_ascii=False, default=str)}"
                for call in step.llm.tool_calls
            )
    return ""


def context_lines(detail: InvocationDetail, awaited: Step) -> list[Line]:
    """Return the context of an answer: the target, and the requested tools or the input."""
    name = promise_name(awaited)
    what = f"promise {clip(name)}" if name else awaited.awakeable_id or ""
    lines = [Line(clip(detail.summary.target), "strong"), Line(what, "dim")]
    for step in reversed(detail.steps[: detail.steps.index(awaited)]):
        if step.llm and step.llm.tool_calls:
            for call in step.llm.tool_calls:
                lines += [Line(""), Line(f"The model requests {clip(call.name)}", "tool")]
                lines += list(value_lines(call.arguments, indent=2, limit=1500))[:LINES]
            return lines
        if step.kind == "input" and step.input is not None:
            lines += [Line(""), Line("Input of the invocation", "dim")]
            lines += list(value_lines(step.input, indent=2, limit=1500))[:LINES]
    return lines
