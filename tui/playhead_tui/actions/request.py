"""A request to a handler: its key and value, a confirmation, and the invocation that it starts."""

from __future__ import annotations

import json
from typing import Any

from playhead.formatting import one_line
from playhead.model import Invocation
from playhead.restate.handlers import Handler, example_of, mismatch
from playhead.text import clean

from playhead_tui.actions.changes import is_allowed, show_failure
from playhead_tui.dialogs.dialog import Choice, Menu, Prompt, json_error
from playhead_tui.dialogs.value_editor import ValueEditor
from playhead_tui.drawing.cells import clip
from playhead_tui.drawing.document import Line, text_lines
from playhead_tui.interfaces import Dashboard

__all__ = ["send_again", "send_request", "value_error"]

KEYS = "123456789abcdefghilmnopqrstuvwxyz"
"""Keys of handlers in the menu; j and k move its cursor."""
SHOWN = 8
"""Lines of the value in the question."""


async def send_again(dashboard: Dashboard, row: Invocation) -> None:
    """Ask for a request to the handler of an invocation, beginning with the same input."""
    detail = await dashboard.reader.invocation(row.id)
    step = next((one for one in detail.steps if one.kind == "input"), None) if detail else None
    value = step.input if step else None
    if step is not None and step.truncated:
        value = await dashboard.reader.payload(row.id, step.index)
    await send_request(dashboard, row.service, key=row.key, handler=row.handler, value=value)


async def send_request(
    dashboard: Dashboard,
    service: str,
    *,
    key: str | None = None,
    handler: str | None = None,
    value: Any = None,
) -> None:
    """Ask for what is missing, show the request, send it, and open its invocation.

    Args:
        dashboard: shows the dialogs and controls the server.
        service: name of the service.
        key: key of the object or workflow; None to ask for it, where the service has one.
        handler: name of the handler; None to ask for it.
        value: the value to begin with; None for one of the form that the handler takes.
    """
    control = dashboard.control
    if not is_allowed(dashboard) or control is None:
        return
    try:
        found = await control.service_handlers(service)
        chosen = await _handler(dashboard, service, found.handlers, handler)
        if chosen is None:
            return
        if found.keyed and key is None:
            key = await dashboard.push_screen_wait(
                Prompt(f"{clip(service, 40)}/{clip(chosen.name, 20)}: which key?",
                       placeholder="Key", check=lambda text: None if text else "Type a key.")
            )  # fmt: skip
            if key is None:
                return
        target = clip("/".join(filter(None, (service, key, chosen.name))), 60)
        if chosen.input != "none":
            text = await _value(dashboard, target, chosen, value)
            if text is None:
                return
            value = text if chosen.takes_text else json.loads(text)
            shown = [*text_lines(text)][:SHOWN]
        else:
            value, shown = None, [Line("The handler takes no input.", "dim")]
        body = [Line("A new invocation starts. Nothing waits for its answer."), Line(""), *shown]
        choices = [Choice("y", "Yes, send it"), Choice("n", "No")]
        menu = Menu(f"Send to {target}?", choices, body)
        if await dashboard.push_screen_wait(menu) != "y":
            return
        sent = await control.send_request(service, key, chosen, value)
    except Exception as error:
        show_failure(dashboard, error)
        return
    if sent.is_new:
        dashboard.notify(f"Sent to {target}")
    else:
        dashboard.notify(
            f"{target} has run already, and runs once for each key: nothing was started.",
            severity="warning",
        )
    dashboard.refresh_now()
    dashboard.open_invocation(sent.invocation_id)


async def _handler(
    dashboard: Dashboard, service: str, handlers: tuple[Handler, ...], name: str | None
) -> Handler | None:
    public = [one for one in handlers if one.public]
    if name is not None:
        found = next((one for one in public if one.name == name), None)
        if found is None:
            dashboard.notify(f"{clip(service)} has no handler {clip(name)} that takes requests.",
                             severity="warning")  # fmt: skip
        return found
    if not public:
        dashboard.notify(f"{clip(service)} takes no requests from outside.", severity="warning")
        return None
    if len(public) == 1:
        return public[0]
    choices = [
        Choice(key, clip(one.name, 40),
               "Takes no input" if one.input == "none" else f"Takes {clip(one.input, 30)}")
        for key, one in zip(KEYS, public, strict=False)
    ]  # fmt: skip
    menu = Menu(f"Send a request to which handler of {clip(service, 40)}?", choices)
    key = await dashboard.push_screen_wait(menu)
    return public[KEYS.index(key)] if key else None


async def _value(dashboard: Dashboard, target: str, handler: Handler, value: Any) -> str | None:
    """Return the text that was typed; None for no request."""
    if handler.takes_text:
        begin = value if isinstance(value, str) else ""
        check = _no_error
    else:
        value = example_of(handler.schema) if value is None else value
        begin = (
            "" if value is None else json.dumps(value, indent=2, ensure_ascii=False, default=str)
        )

        def check(text: str) -> str | None:
            return value_error(handler, text)

    editor = ValueEditor(
        f"Request to {target}",
        clean(begin, lines=True),
        hint=f"The handler takes {one_line(handler.input, 60)}. Nothing is sent before a question.",
        check=check,
    )
    return await dashboard.push_screen_wait(editor)


def value_error(handler: Handler, text: str) -> str | None:
    """Return why a text is no JSON of the form that the handler takes; None if it is."""
    if (wrong := json_error(text)) is not None:
        return wrong
    wrong = mismatch(handler.schema, json.loads(text))
    return f"The handler takes {one_line(handler.input, 40)}: {wrong}" if wrong else None


def _no_error(text: str) -> None:
    """Accept every text."""
