"""What `y` copies: ids, JSON, a curl command, the text on screen."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from playhead.formatting import size
from playhead.model import Invocation, InvocationDetail

from playhead_tui.dialogs.dialog import Choice, Menu

if TYPE_CHECKING:
    from playhead_tui.app import PlayheadApp

__all__ = ["as_json", "choose_copy", "curl"]


def as_json(value: Any) -> str:
    """A row or a decoded value as indented JSON; bytes become text as far as they are."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    return json.dumps(value, indent=2, ensure_ascii=False, default=_otherwise)


def _otherwise(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value)


def curl(detail: InvocationDetail, ingress_url: str) -> str:
    """A command that sends the same request again."""
    summary = detail.summary
    parts = [summary.service, *([summary.key] if summary.key is not None else []), summary.handler]
    url = "/".join([ingress_url, *(quote(part, safe="") for part in parts)])
    sent = next((step.input for step in detail.steps if step.kind == "input"), None)
    command = ["curl", "--json", json.dumps(sent, ensure_ascii=False, default=_otherwise), url]
    if sent is None:
        command = ["curl", "-X", "POST", url]
    return shlex.join(command)


async def choose_copy(
    app: PlayheadApp, row: Invocation, more: dict[str, tuple[str, Callable[[], str]]]
) -> None:
    """Ask what to copy and put it on the clipboard (OSC 52).

    Args:
        app: the dashboard.
        row: the invocation.
        more: further choices by letter: a label, and what makes the text.
    """
    choices = [
        Choice("i", "id", row.id),
        Choice("j", "JSON", "everything about the invocation"),
        Choice("c", "curl", "a command that sends the same request again"),
        *(Choice(key, label) for key, (label, _) in more.items()),
    ]
    key = await app.push_screen_wait(Menu("Copy", choices))
    if key is None:
        return
    text = row.id
    if key in ("j", "c"):
        detail = await app.source.invocation(row.id) or InvocationDetail(row, (), (), (), (), {})
        ingress = app.connection.ingress_url if app.connection else ""
        text = as_json(detail) if key == "j" else curl(detail, ingress)
    elif key in more:
        text = more[key][1]()
    app.copy_to_clipboard(text)
    app.notify(f"Copied {size(len(text.encode()))}.", markup=False)
