"""Answers to what an invocation waits for: an awakeable, such as an approval, or a promise.

Restate has an API for awakeables. A promise of a workflow is completed by one of the workflow's
shared handlers, which is called through the ingress.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from playhead.formatting import duration, one_line, seconds_between
from playhead.model import InvocationDetail, Step
from playhead.restate.handlers import Handler, mismatch
from playhead.values import as_json

from playhead_tui.actions.changes import is_allowed, perform, show_failure
from playhead_tui.dialogs.dialog import Choice, Menu, Prompt, answer_error
from playhead_tui.drawing.cells import clip
from playhead_tui.inspector.answers import context_lines, pending_answers, promise_name
from playhead_tui.interfaces import Dashboard, ServerControl

__all__ = ["answer"]

KEYS = "123456789"
VALUE = "JSON, or plain text"


async def answer(dashboard: Dashboard, invocation_id: str) -> None:
    """Show what the invocation waits for, ask for the answer, and send it."""
    detail = await dashboard.reader.invocation(invocation_id)
    if detail is None:
        dashboard.notify("The invocation cannot be found.", severity="warning")
        return
    pending = pending_answers(detail)
    if not pending:
        dashboard.notify(_no_answer(detail))
        return
    if not is_allowed(dashboard):
        return
    step = pending[0] if len(pending) == 1 else await _choose(dashboard, detail, pending)
    control = dashboard.control
    if step is None or control is None:
        return
    if promise_name(step):
        await _answer_promise(dashboard, control, detail, step)
    else:
        await _answer_awakeable(dashboard, control, detail, step)


def _no_answer(detail: InvocationDetail) -> str:
    waiting = detail.summary.waiting
    if waiting and waiting.kind == "signal":
        return f"Only another handler can send signal {clip(waiting.name or '')}."
    return "This invocation is not waiting for an answer."


async def _choose(
    dashboard: Dashboard, detail: InvocationDetail, pending: tuple[Step, ...]
) -> Step | None:
    choices = [
        Choice(key, f"Promise {clip(name, 40)}" if name else "Awakeable", step.awakeable_id or "")
        for key, step in zip(KEYS, pending, strict=False)
        for name in [promise_name(step)]
    ]
    key = await dashboard.push_screen_wait(Menu(f"{clip(detail.summary.target, 40)} waits for",
                                                choices))  # fmt: skip
    return pending[KEYS.index(key)] if key else None


def _title(dashboard: Dashboard, step: Step) -> str:
    name = promise_name(step)
    waited = duration(seconds_between(step.started_at, dashboard.now()))
    about = f"promise {clip(name, 30)}" if name else "an answer"
    return f"Waiting for {about}{f' for {waited}' if waited else ''}"


async def _answer_awakeable(
    dashboard: Dashboard, control: ServerControl, detail: InvocationDetail, step: Step
) -> None:
    choices = [
        Choice("y", "Yes", "Resolve it with true"),
        Choice("n", "No", "Resolve it with false"),
        Choice("v", "Value ...", "Resolve it with a value"),
        Choice("r", "Reject ...", "Fail the step with a reason"),
    ]
    title = _title(dashboard, step)
    key = await dashboard.push_screen_wait(Menu(title, choices, context_lines(detail, step)))
    awakeable = step.awakeable_id
    if key is None or awakeable is None:
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
        prompt = Prompt("Resolve with which value?", placeholder=VALUE, check=answer_error)
        typed = await dashboard.push_screen_wait(prompt)
        if typed is None:
            return
        value = as_json(typed)
    text = clip(json.dumps(value, ensure_ascii=False), 60)
    await perform(dashboard, control.resolve_awakeable(awakeable, value), f"Answered: {text}")


async def _answer_promise(
    dashboard: Dashboard, control: ServerControl, detail: InvocationDetail, step: Step
) -> None:
    row = detail.summary
    try:
        handlers = await control.shared_handlers(row.service)
    except Exception as error:
        show_failure(dashboard, error)
        return
    if not handlers:
        dashboard.notify(
            f"{clip(row.service)} has no shared handler, so nothing can complete "
            f"promise {clip(promise_name(step) or '')} from outside.",
            severity="warning",
        )
        return
    choices = [
        Choice(key, clip(handler.name, 40), _takes(handler))
        for key, handler in zip(KEYS, handlers, strict=False)
    ]
    menu = Menu(f"{_title(dashboard, step)}. Call which handler?", choices,
                context_lines(detail, step))  # fmt: skip
    key = await dashboard.push_screen_wait(menu)
    if key is None or row.key is None:
        return
    handler = handlers[KEYS.index(key)]
    value: Any = None
    if handler.input != "none":
        prompt = Prompt(f"Call {clip(handler.name, 40)} with which value?",
                        placeholder=_takes(handler) if handler.schema else VALUE,
                        check=partial(_wrong, handler))  # fmt: skip
        typed = await dashboard.push_screen_wait(prompt)
        if typed is None:
            return
        value = typed if handler.takes_text else as_json(typed)
    await perform(dashboard, _call(dashboard, control, detail, handler, value), None)


async def _call(
    dashboard: Dashboard,
    control: ServerControl,
    detail: InvocationDetail,
    handler: Handler,
    value: Any,
) -> None:
    row = detail.summary
    answered = await control.call_handler(row.service, row.key or "", handler, value)
    text = "" if answered is None else f": {one_line(json.dumps(answered, default=str), 60)}"
    dashboard.notify(f"{clip(handler.name)} returned{text}")


def _wrong(handler: Handler, typed: str) -> str | None:
    """Return why the handler cannot take what was typed, as far as its schema says."""
    if handler.takes_text:
        return None
    if (wrong := answer_error(typed)) is not None:
        return wrong
    wrong = mismatch(handler.schema, as_json(typed))
    return f"{_takes(handler)}: {wrong}" if wrong else None


def _takes(handler: Handler) -> str:
    if handler.input == "none":
        return "Takes no input"
    return f"Takes {clip(handler.input, 30)}"
