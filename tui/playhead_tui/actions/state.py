"""Edits of the state of a virtual object: a new value, its difference, and a confirmation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal

from playhead.formatting import payload_text
from playhead.model import ObjectState, StateValue
from playhead.restate.state_edit import encode_json
from playhead.text import clean

from playhead_tui.actions.changes import is_allowed, perform
from playhead_tui.dialogs.dialog import Choice, Menu
from playhead_tui.dialogs.value_editor import ValueEditor
from playhead_tui.drawing.cells import clip
from playhead_tui.drawing.differences import difference_lines
from playhead_tui.drawing.document import Line
from playhead_tui.interfaces import Dashboard

__all__ = ["delete_key", "edit_value", "encode_as"]


Form = Literal["JSON", "text", "hex digits"]
"""Form in which a value is edited: text that a terminal would obey is edited as hex digits."""


async def edit_value(dashboard: Dashboard, found: ObjectState, value: StateValue) -> None:
    """Edit the value of a key, show the difference, ask, and change it on the server.

    Args:
        dashboard: shows the dialogs and controls the server.
        found: the object as it was read; the change is refused if it has changed since.
        value: the key to edit.
    """
    if not _is_possible(dashboard, found):
        return
    before = _text(value.raw, _form(value))
    editor = ValueEditor(f"Edit {clip(found.name, 40)} {clip(value.key, 30)}", before,
                         hint=f"The value is {_form(value)}. The next step shows the difference.",
                         check=lambda text: _wrong(text, value))  # fmt: skip
    text = await dashboard.push_screen_wait(editor)
    if text is None:
        return
    raw = encode_as(text, value)
    if raw == encode_as(before, value):
        dashboard.notify("The value is the same: nothing was changed.")
        return
    lines = tuple(difference_lines(before, _text(raw, _form(value)), context=1))
    if await _confirm(dashboard, found, f"Change {clip(value.key, 30)}?", lines, "Yes, change it"):
        await _replace(dashboard, found, {**_values(found), value.key: raw})


async def delete_key(dashboard: Dashboard, found: ObjectState, value: StateValue) -> None:
    """Ask, and delete a key from the state. Arguments as for `edit_value`."""
    if not _is_possible(dashboard, found):
        return
    lines = tuple(difference_lines(_text(value.raw, _form(value)), "", context=1))
    if await _confirm(dashboard, found, f"Delete {clip(value.key, 30)}?", lines, "Yes, delete it"):
        after = _values(found)
        del after[value.key]
        await _replace(dashboard, found, after)


def encode_as(text: str, value: StateValue) -> bytes:
    """Return the bytes of an edited text, in the form of the value that it replaces.

    Raises:
        ValueError: the value is JSON, or neither JSON nor text, and the text is not.
    """
    form = _form(value)
    if form == "hex digits":
        return bytes.fromhex(text)
    if form == "text":
        return text.encode()
    return encode_json(text)


def _form(value: StateValue) -> Form:
    try:
        text = value.raw.decode()
    except UnicodeDecodeError:
        return "hex digits"
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return "text" if clean(text, lines=True) == text else "hex digits"
    return "JSON"


def _text(raw: bytes, form: Form) -> str:
    return raw.hex() if form == "hex digits" else payload_text(raw)


def _wrong(text: str, value: StateValue) -> str | None:
    try:
        encode_as(text, value)
    except (ValueError, RecursionError) as error:
        return f"Not {_form(value)}: {error}"
    return None


def _values(found: ObjectState) -> dict[str, bytes]:
    return {value.key: value.raw for value in found.values}


def _is_possible(dashboard: Dashboard, found: ObjectState) -> bool:
    if not is_allowed(dashboard):
        return False
    if found.origin == "stored":
        dashboard.notify(
            "The server does not answer: a copy of the recorder cannot be edited.",
            severity="warning",
        )
        return False
    return True


async def _confirm(
    dashboard: Dashboard, found: ObjectState, title: str, lines: Sequence[Line], yes: str
) -> bool:
    effect = "Restate changes it at once."
    if found.holder:
        effect = (
            f"{found.holder} holds the lock: Restate changes it when that invocation has ended, "
            "unless it changes the state itself."
        )
    body = [Line(clip(found.name), "strong"), Line(effect, "warn" if found.holder else "dim"),
            Line(""), *lines]  # fmt: skip
    choices = [Choice("y", yes), Choice("n", "No")]
    return await dashboard.push_screen_wait(Menu(title, choices, body)) == "y"


async def _replace(dashboard: Dashboard, found: ObjectState, after: dict[str, bytes]) -> None:
    control = dashboard.control
    if control is None:
        return

    async def change() -> None:
        result = await control.replace_state(found.service, found.key, _values(found), after)
        done = "The state was changed."
        if result == "waiting":
            done = "Accepted: Restate changes it when the lock is free, if it is still the same."
        dashboard.notify(done)

    await perform(dashboard, change(), None)
