"""What the replay screen asks: which result to change, what to copy."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from playhead.formatting import size
from playhead.replay import Failure, Report, Session, WhatIfQuestion, report_lines
from playhead.restate.protocol import FIRST_AWAKEABLE_SIGNAL
from playhead.values import readable

from playhead_tui.actions.copy import as_json
from playhead_tui.dialogs.dialog import Choice, Menu
from playhead_tui.dialogs.result_editor import ResultEditor
from playhead_tui.drawing.cells import clip
from playhead_tui.drawing.document import Line
from playhead_tui.interfaces import Code

if TYPE_CHECKING:
    from playhead_tui.app import PlayheadApp

__all__ = ["Changeable", "ask_what_if", "changeable", "choose_stop_copy"]

Changeable = tuple[int | str, str, Any]
"""How `what_if` names a result, what it is the result of, and the result or a `Failure`."""
MOST = 9


def changeable(session: Session) -> list[Changeable]:
    """The results that can be changed: that of the current step first, then answers from outside.

    Answers to awakeables and signals belong to no step.
    """
    found: list[Changeable] = []
    stop = session.current
    if stop and stop.journal_index is not None and stop.notification_index is not None:
        value: Any = stop.result
        if stop.failure is not None:
            code, _, message = stop.failure.partition(": ")
            value = Failure(message, int(code) if code.isdigit() else 500)
        found.append((stop.journal_index, stop.title, value))
    for (kind, name), result in session.recording.journal().by_key.items():
        if kind != "signal":
            continue
        value = result.value
        if result.kind == "failure":
            value = Failure(value.message, value.code)
        elif isinstance(value, bytes):
            value = readable(value)
        if isinstance(name, str):
            found.append((f"signal:{name}", f"signal {name}", value))
        elif name >= FIRST_AWAKEABLE_SIGNAL:
            number = name - FIRST_AWAKEABLE_SIGNAL + 1
            found.append((f"awakeable:{number}", f"answer to awakeable {number}", value))
    return found


async def ask_what_if(
    app: PlayheadApp, session: Session, question: WhatIfQuestion | None = None
) -> WhatIfQuestion | None:
    """Ask for another result, and before anything runs for real ask once more.

    Args:
        app: the dashboard.
        session: the playhead stands on the step.
        question: what was asked the last time, to go on from.
    """
    choices = changeable(session)
    if question and question.changes:
        choices = [c for c in choices if c[0] in question.changes] or choices
    if not choices:
        app.notify("Nothing to change: this step has no recorded result. Go to one that has.",
                   severity="warning")  # fmt: skip
        return None
    chosen = choices[0]
    if len(choices) > 1:
        menu = [Choice(str(n), clip(title, 30), clip(_text(value), 36))
                for n, (_, title, value) in enumerate(choices[:MOST], 1)]  # fmt: skip
        key = await app.push_screen_wait(Menu("Change which result?", menu))
        if key is None:
            return None
        chosen = choices[int(key) - 1]
    asked = await app.push_screen_wait(ResultEditor(*chosen, question))
    if asked and asked.live and not await _confirmed(app, asked.live):
        return None
    return asked


async def _confirmed(app: PlayheadApp, names: tuple[str, ...]) -> bool:
    body = [
        Line("The code of these steps runs for real, with network and files, as often", "warn"),
        Line("as it is reached. Nothing else does. The Restate server is not told.", "warn"),
        Line(""),
        *(Line(name, "strong", 2) for name in names),
    ]
    choices = [Choice("y", "yes, run them"), Choice("n", "no")]
    return await app.push_screen_wait(Menu("Run these steps for real?", choices, body)) == "y"


async def choose_stop_copy(
    app: PlayheadApp, session: Session, *, code: Code, report: Report | None, tab: str
) -> None:
    """Ask what to copy of a replay, and put it on the clipboard (OSC 52)."""
    stop = session.current
    command = ["playhead", "replay", session.recording.id, "--app", code.app]
    if code.folder:
        command += ["--app-dir", code.folder]
    if stop:
        command += ["--at", stop.place]
    texts = {
        "t": ("text of this tab", tab),
        "c": ("command", shlex.join(command)),
    }
    if stop and stop.where:
        texts["w"] = ("place in the source", stop.where)
    if stop and stop.notification_index is not None:
        texts["r"] = ("recorded result", stop.failure or as_json(stop.result))
    if report:
        texts["v"] = ("verdict and differences", "\n".join(report_lines(report)))
    choices = [Choice(key, label, clip(text, 40)) for key, (label, text) in texts.items()]
    key = await app.push_screen_wait(Menu("Copy", choices))
    if key:
        app.copy_to_clipboard(texts[key][1])
        app.notify(f"Copied {size(len(texts[key][1].encode()))}.", markup=False)


def _text(value: Any) -> str:
    if isinstance(value, Failure):
        return f"error {value.code}: {value.message}"
    return json.dumps(value, ensure_ascii=False, default=str)
