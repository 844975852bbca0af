"""Answers to a pending awakeable, such as an approval."""

from __future__ import annotations

import json
from typing import Any

from playhead.formatting import duration, seconds_between

from playhead_tui.actions.changes import is_allowed, perform
from playhead_tui.dialogs.dialog import Choice, Menu, Prompt, json_error
from playhead_tui.drawing.cells import clip
from playhead_tui.inspector.awakeables import context_lines, pending_awakeables
from playhead_tui.interfaces import Dashboard

__all__ = ["answer_awakeable"]


async def answer_awakeable(dashboard: Dashboard, invocation_id: str) -> None:
    """Show the pending awakeable, ask for the answer, and send it."""
    detail = await dashboard.reader.invocation(invocation_id)
    if detail is None:
        return
    pending = pending_awakeables(detail)
    if not pending:
        dashboard.notify("This invocation is not waiting for an answer.")
        return
    if not is_allowed(dashboard):
        return
    step = pending[0]
    choices = [
        Choice("y", "Yes", "Resolve it with true"),
        Choice("n", "No", "Resolve it with false"),
        Choice("v", "Value ...", "Resolve it with a JSON value"),
        Choice("r", "Reject ...", "Fail the step with a reason"),
    ]
    waited = duration(seconds_between(step.started_at, dashboard.now()))
    title = f"Waiting for an answer{f' for {waited}' if waited else ''}"
    key = await dashboard.push_screen_wait(Menu(title, choices, context_lines(detail, step)))
    control, awakeable = dashboard.control, step.awakeable_id
    if key is None or control is None or awakeable is None:
        return
    if key == "r":
        prompt = Prompt("Reject with which reason?", placeholder="Reason")
        reason = await dashboard.push_screen_wait(prompt)
        if reason is not None:
            change = control.reject_awakeable(awakeable, reason or "rejected")
            await perform(dashboard, change, "Rejected.")
        return
    value: Any = key == "y"
    if key == "v":
        prompt = Prompt("Resolve with which JSON?", value="true", check=json_error)
        typed = await dashboard.push_screen_wait(prompt)
        if typed is None:
            return
        value = json.loads(typed)
    text = clip(json.dumps(value, ensure_ascii=False), 60)
    await perform(dashboard, control.resolve_awakeable(awakeable, value), f"Answered: {text}")
