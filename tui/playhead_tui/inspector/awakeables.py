"""Pending awakeables of an invocation, and their context."""

from __future__ import annotations

import json

from playhead.model import InvocationDetail, Step

from playhead_tui.drawing.cells import clip
from playhead_tui.drawing.document import Line, value_lines

__all__ = ["context_lines", "pending_awakeables", "requested_tools"]

LINES = 8
"""Maximum lines of one value in a dialog."""


def pending_awakeables(detail: InvocationDetail) -> tuple[Step, ...]:
    """Return the awakeables that the invocation is still waiting for."""
    if detail.summary.ended:
        return ()
    return tuple(
        step for step in detail.steps
        if step.kind == "awakeable" and step.state == "pending" and step.awakeable_id
    )  # fmt: skip


def requested_tools(detail: InvocationDetail) -> str:
    """Return the model's latest tool calls, which usually need the approval."""
    for step in reversed(detail.steps):
        if step.llm and step.llm.tool_calls:
            return ", ".join(
                f"{call.name} {json.dumps(call.arguments, ensure_ascii=False, default=str)}"
                for call in step.llm.tool_calls
            )
    return ""


def context_lines(detail: InvocationDetail, awakeable: Step) -> list[Line]:
    """Return the context of an awakeable: the target, and the requested tools or the input."""
    lines = [Line(clip(detail.summary.target), "strong"),
             Line(awakeable.awakeable_id or "", "dim")]  # fmt: skip
    for step in reversed(detail.steps[: detail.steps.index(awakeable)]):
        if step.llm and step.llm.tool_calls:
            for call in step.llm.tool_calls:
                lines += [Line(""), Line(f"The model requests {clip(call.name)}", "tool")]
                lines += list(value_lines(call.arguments, indent=2, limit=1500))[:LINES]
            return lines
        if step.kind == "input" and step.input is not None:
            lines += [Line(""), Line("Input of the invocation", "dim")]
            lines += list(value_lines(step.input, indent=2, limit=1500))[:LINES]
    return lines
