"""Texts to copy: ids, JSON, a curl command, the text on screen."""

from __future__ import annotations

import dataclasses
import json
import shlex
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from playhead.model import Invocation, InvocationDetail, Step

from playhead_tui.actions.save import save_payload
from playhead_tui.dialogs.dialog import Choice, Menu
from playhead_tui.drawing.cells import clip
from playhead_tui.interfaces import Dashboard

__all__ = ["as_json", "choose_copy", "curl"]

LONGEST_ARGUMENT = 100_000
"""Bytes of an argument from which it becomes a document: Linux takes 128 KiB at most."""
END = "END_OF_INPUT"
"""Line that ends such a document; no line of JSON can be like it."""


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


def curl(row: Invocation, body: bytes | None, ingress_url: str) -> str:
    """Return a curl command that sends the same request again.

    Args:
        row: the invocation.
        body: its whole input as the handler received it; None for no input.
        ingress_url: URL of Restate's ingress.
    """
    parts = [row.service, *([row.key] if row.key is not None else []), row.handler]
    url = "/".join([ingress_url, *(quote(part, safe="") for part in parts)])
    if not body:
        return shlex.join(["curl", "-X", "POST", url])
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:  # no argument can have it
        kind = ["--header", "content-type: application/octet-stream"]
        send = shlex.join(["curl", *kind, "--data-binary", "@-", url])
        return f"echo {b64encode(body).decode()} | base64 -d | {send}"
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return shlex.join(["curl", "--header", "content-type: text/plain", "--data-raw", text, url])
    if len(body) < LONGEST_ARGUMENT:
        return shlex.join(["curl", "--json", text, url])
    return f"{shlex.join(['curl', '--json', '@-', url])} <<'{END}'\n{text}\n{END}"


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
    if key == "j":
        detail = await dashboard.reader.invocation(row.id)
        text = as_json(detail or InvocationDetail(row, (), (), (), (), {}))
    elif key == "c":
        ingress = dashboard.connection.ingress_url if dashboard.connection else ""
        try:
            body = await dashboard.reader.payload_bytes(row.id, 0)
            if body is None and await dashboard.reader.raw_entry(row.id, 0) is None:
                raise LookupError("the invocation has no journal.")
        except Exception as error:
            dashboard.notify(f"The input cannot be read: {clip(f'{error}')}", severity="error")
            return
        text = curl(row, body, ingress)
    elif key in more:
        text = more[key][1]()
    dashboard.copy_text(text)
