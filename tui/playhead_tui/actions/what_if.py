"""Dialogs of the replay screen: the result to change, the text to copy."""

from __future__ import annotations

import json
import shlex
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from playhead.replay import (
    Failure,
    LivePlan,
    LiveStep,
    Report,
    Session,
    WhatIfQuestion,
    live_plan_line,
    report_lines,
)
from playhead.replay.targets import asks_model
from playhead.restate.protocol import FIRST_AWAKEABLE_SIGNAL
from playhead.values import readable

from playhead_tui.actions.copy import as_json
from playhead_tui.dialogs.dialog import Choice, Menu
from playhead_tui.dialogs.result_editor import ResultEditor
from playhead_tui.drawing.cells import clip
from playhead_tui.drawing.document import Line
from playhead_tui.interfaces import AppLocation, Dashboard

__all__ = ["ask_what_if", "choose_stop_copy", "confirmed"]

Changeable = tuple[int | str, str, Any]
"""Key of a result in `what_if`, its title, and the result or a `Failure`."""
MOST = 9
"""Maximum choices of a menu, one digit each."""


def changeable(session: Session) -> list[Changeable]:
    """Return the results that can be changed: first the current step's, then answers from outside.

    Answers to awakeables and signals do not belong to a step.
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


PlanLive = Callable[[WhatIfQuestion], Awaitable[LivePlan]]
"""Counts the steps that a what-if would run for real."""


async def ask_what_if(
    dashboard: Dashboard,
    session: Session,
    plan: PlanLive,
    question: WhatIfQuestion | None = None,
) -> WhatIfQuestion | None:
    """Ask for a changed result; ask for confirmation before a step runs for real.

    Args:
        dashboard: shows the dialogs.
        session: the replay, with its playhead on the step.
        plan: counts the steps that would run for real.
        question: the last question, to start from.
    """
    choices = changeable(session)
    if question and question.changes:
        choices = [c for c in choices if c[0] in question.changes] or choices
    if not choices:
        dashboard.notify(
            "Nothing to change: this step has no recorded result. Select a step that has one.",
            severity="warning",
        )
        return None
    chosen = choices[0]
    if len(choices) > 1:
        menu = [Choice(str(n), clip(title, 30), clip(_text(value), 36))
                for n, (_, title, value) in enumerate(choices[:MOST], 1)]  # fmt: skip
        key = await dashboard.push_screen_wait(Menu("Change which result?", menu))
        if key is None:
            return None
        chosen = choices[int(key) - 1]
    command = next((c for c in session.recording.journal().commands if c.index == chosen[0]), None)
    editor = ResultEditor(*chosen, question, of_model=asks_model(command))
    changed = await dashboard.push_screen_wait(editor)
    if changed is None or not changed.live:
        return changed
    return await confirmed(dashboard, changed, plan)


async def confirmed(
    dashboard: Dashboard, question: WhatIfQuestion, plan: PlanLive
) -> WhatIfQuestion | None:
    """Show how many steps run for real and ask; return the question to run, or None."""
    try:
        found = await plan(question)
    except Exception as error:
        dashboard.notify(clip(str(error) or type(error).__name__), severity="error")
        return None
    if not found.steps:
        dashboard.notify(live_plan_line(found))
        return replace(question, live=())
    body = [
        Line(live_plan_line(found), "warn"),
        Line("They use the network and files. All other steps stay dry.", "warn"),
        Line(""),
        *(Line(f"{_place(step)}  {step.name}", "strong", 2) for step in found.steps),
    ]
    choices = [Choice("y", "Yes, run them"), Choice("n", "No")]
    key = await dashboard.push_screen_wait(Menu("Run these steps for real?", choices, body))
    return question if key == "y" else None


def _place(step: LiveStep) -> str:
    return "new" if step.journal_index is None else f"#{step.journal_index}"


async def choose_stop_copy(
    dashboard: Dashboard,
    session: Session,
    *,
    location: AppLocation,
    report: Report | None,
    tab: str,
) -> None:
    """Ask what to copy from a replay, and copy it."""
    stop = session.current
    command = ["playhead", "replay", session.recording.id, "--app", location.app]
    if location.app_dir:
        command += ["--app-dir", location.app_dir]
    if stop:
        command += ["--at", stop.place]
    texts = {
        "t": ("Text of this tab", tab),
        "c": ("Command", shlex.join(command)),
    }
    if stop and stop.where:
        texts["w"] = ("Source location", stop.where)
    if stop and stop.notification_index is not None:
        texts["r"] = ("Recorded result", stop.failure or as_json(stop.result))
    if report:
        texts["v"] = ("Verdict and differences", "\n".join(report_lines(report)))
    choices = [Choice(key, label, clip(text, 36)) for key, (label, text) in texts.items()]
    key = await dashboard.push_screen_wait(Menu("Copy what?", choices))
    if key:
        dashboard.copy_text(texts[key][1])


def _text(value: Any) -> str:
    if isinstance(value, Failure):
        return f"error {value.code}: {value.message}"
    return json.dumps(value, ensure_ascii=False, default=str)
