"""Texts to copy: ids, JSON, a curl command, the text on screen."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from playhead.model import Invocation, InvocationDetail, Step

from playhead_tui.actions.save import save_payload
from playhead_tui.dialogs.dialog import Choice, Menu
from playhead_tui.interfaces import Dashboard

__all__ = ["as_json", "choose_copy", "curl"]


def as_json(value: Any) -> str:
    """Return a row or a decoded value as indented JSON; bytes are decoded as UTF-8."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = _fields(value)
    return json.dumps(value, indent=2, ensure_ascii=False, default=_serializable)


def _serializable(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _fields(value)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value)


def _fields(value: Any) -> dict[str, Any]:
    return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}


def curl(detail: InvocationDetail, ingress_url: str) -> str:
    """Return a curl command that sends the same request again."""
    summary = detail.summary
    parts = [summary.service, *([summary.key] if summary.key is not None else []), summary.handler]
    url = "/".join([ingress_url, *(quote(part, safe="") for part in parts)])
    body = next((step.input for step in detail.steps if step.kind == "input"), None)
    if body is None:
        return shlex.join(["curl", "-X", "POST", url])
    text = json.dumps(body, ensure_ascii=False, default=_serializable)
    return shlex.join(["curl", "--json", text, url])


async def choose_copy(
    dashboard: Dashboard,
    row: Invocation,
    more: dict[str, tuple[tuple[str, str], Callable[[], str]]],
    step: Step | None = None,
) -> None:
    """Ask what to copy or save, and do it.

    Args:
        dashboard: shows the menu and copies the text.
        row: the invocation.
        more: further choices by letter: label and description, and a function that returns the
            text.
        step: the selected step, whose payloads can be saved.
    """
    choices = [
        Choice("i", "Id", row.id),
        Choice("j", "JSON", "The whole invocation"),
        Choice("c", "curl", "A command that sends the same request again"),
        *(Choice(key, *label) for key, (label, _) in more.items()),
    ]
    if step is not None and step.index >= 0:
        choices.append(Choice("w", "Save", "The whole payload of the step, in a file"))
    key = await dashboard.push_screen_wait(Menu("Copy what?", choices))
    if key is None:
        return
    if key == "w" and step is not None:
        await save_payload(dashboard, row.id, step)
        return
    text = row.id
    if key in ("j", "c"):
        detail = await dashboard.reader.invocation(row.id)
        detail = detail or InvocationDetail(row, (), (), (), (), {})
        ingress = dashboard.connection.ingress_url if dashboard.connection else ""
        text = as_json(detail) if key == "j" else curl(detail, ingress)
    elif key in more:
        text = more[key][1]()
    dashboard.copy_text(text)
