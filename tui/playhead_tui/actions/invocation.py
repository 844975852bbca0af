"""What can be done with an invocation: its dialogs, and the work behind them."""

from __future__ import annotations

import json
from collections.abc import Awaitable
from functools import partial
from typing import TYPE_CHECKING, Any

from playhead.formatting import duration, seconds_between
from playhead.model import Invocation, InvocationDetail, Step

from playhead_tui.dialogs.dialog import Choice, Menu, Prompt
from playhead_tui.drawing.cells import clip
from playhead_tui.drawing.document import Line, value_lines
from playhead_tui.widgets.invocation_header import waiting_for

if TYPE_CHECKING:
    from playhead_tui.app import PlayheadApp

__all__ = ["answer", "choose_action"]

RESTART = "restart as new"
DONE = {
    "cancel": "Asked to cancel",
    "kill": "Killed",
    "pause": "Asked to pause",
    "resume": "Resumed",
    "purge": "Purged",
}


def _possible(row: Invocation) -> list[Choice]:
    again = Choice("n", RESTART, "another invocation, with the same input")
    if row.ended:
        return [again, Choice("P", "purge", "forget it and its journal, for ever")]
    found = [Choice("c", "cancel", "let it clean up, then end")]
    if row.status == "paused":
        found.append(Choice("r", "resume", "try again from where it stopped"))
    else:
        found.append(Choice("p", "pause", "no further tries until it is resumed"))
        if row.status == "backing-off":
            found.append(Choice("r", "resume", "try again now"))
    found.append(Choice("k", "kill", "end it at once, without cleaning up"))
    if row.status != "scheduled":
        found.append(again)
    return found


async def choose_action(app: PlayheadApp, row: Invocation, step: Step | None = None) -> None:
    """Ask what to do with an invocation, ask again, and do it.

    Args:
        app: asks.
        row: the invocation.
        step: the one under the cursor, when a restart may keep what led to it.
    """
    if not _allowed(app) or (row.origin == "stored" and not _live(app)):
        return
    body = [Line(clip(row.target), "strong"), Line(f"{row.status}, {row.id}", "dim")]
    choices = _possible(row)
    key = await app.push_screen_wait(Menu("What to do with it", choices, body))
    verb = next((choice.label for choice in choices if choice.key == key), None)
    if verb is None:
        return
    if verb == RESTART:
        from playhead_tui.actions.restart import ask_restart, restart

        asked = await ask_restart(app, row, step, body)
        if asked is not None:
            await _do(app, restart(app, row, *asked), f"Started anew: {clip(row.target)}")
        return
    answer = await _confirmed(app, row, verb, body)
    actions = app.actions
    if answer is None or actions is None:
        return
    how = {"deployment": "latest"} if answer == "l" else {}
    await _do(app, getattr(actions, verb)(row.id, **how), f"{DONE[verb]}: {clip(row.target)}")


async def _confirmed(app: PlayheadApp, row: Invocation, verb: str, body: list[Line]) -> str | None:
    """`y`, or `l` for the latest deployment; None for no."""
    if verb == "purge":
        body = [*body, Line(""), Line("This cannot be undone. Type purge to go on.", "warn")]
        wrong = "Type the word purge, or press Esc."
        typed = await app.push_screen_wait(
            Prompt("Purge?", body, placeholder="purge",
                   check=lambda text: None if text.strip() == "purge" else wrong)
        )  # fmt: skip
        return "y" if typed is not None else None
    choices = [Choice("y", f"yes, {verb} it"), Choice("n", "no")]
    menu = Menu(f"{verb.capitalize()}?", choices, body)
    if verb == "resume":
        from playhead_tui.actions.journal_check import check
        from playhead_tui.dialogs.checked_menu import CheckedMenu

        if row.status == "paused":  # Of others the server does not change the deployment.
            choices = [
                Choice("y", "yes, on the deployment that it ran on"),
                Choice("l", "yes, on the newest deployment"),
                Choice("n", "no"),
            ]
        checking = "Checking whether today's code accepts the journal ..."
        checks = partial(check, app, row.id)
        menu = CheckedMenu(menu.title_text, choices, body, check=checks, checking=checking)
    answer = await app.push_screen_wait(menu)
    return answer if answer in ("y", "l") else None


async def answer(app: PlayheadApp, detail: InvocationDetail) -> None:
    """Show what an invocation waits for, and answer it."""
    waiting = waiting_for(detail)
    if not waiting:
        app.notify("It does not wait for an answer.")
        return
    if not _allowed(app):
        return
    step = waiting[0]
    choices = [
        Choice("y", "yes", "resolve it with true"),
        Choice("n", "no", "resolve it with false"),
        Choice("v", "a value ...", "resolve it with JSON of your own"),
        Choice("r", "reject ...", "the step fails with a reason you give"),
    ]
    since = duration(seconds_between(step.started_at, app.now()))
    title = f"Waits for an answer{f' since {since}' if since else ''}"
    key = await app.push_screen_wait(Menu(title, choices, list(_asked(detail, step))))
    actions, awakeable = app.actions, step.awakeable_id
    if key is None or actions is None or awakeable is None:
        return
    if key == "r":
        reason = await app.push_screen_wait(Prompt("Reject, because ...", placeholder="the reason"))
        if reason is not None:
            await _do(app, actions.reject_awakeable(awakeable, reason or "rejected"), "Rejected.")
        return
    value: Any = key == "y"
    if key == "v":
        typed = await app.push_screen_wait(
            Prompt("Resolve with this JSON", value="true", check=_json_fault)
        )
        if typed is None:
            return
        value = json.loads(typed)
    text = clip(json.dumps(value, ensure_ascii=False), 60)
    await _do(app, actions.resolve_awakeable(awakeable, value), f"Answered: {text}")


def _json_fault(text: str) -> str | None:
    try:
        json.loads(text)
    except ValueError as error:
        return f"Not JSON: {error}"
    return None


def _asked(detail: InvocationDetail, waiting: Step) -> list[Line]:
    """What led to the question: the target, the last step with content, the input."""
    lines = [Line(clip(detail.summary.target), "strong"),
             Line(waiting.awakeable_id or "", "dim")]  # fmt: skip
    for step in reversed(detail.steps[: detail.steps.index(waiting)]):
        if step.llm and step.llm.tool_calls:
            for call in step.llm.tool_calls:
                lines += [Line(""), Line(f"The model wants {clip(call.name)}", "tool")]
                lines += list(value_lines(call.arguments, indent=2, limit=1500))[:8]
            return lines
        if step.kind == "input" and step.input is not None:
            lines += [Line(""), Line("It was asked", "dim")]
            lines += list(value_lines(step.input, indent=2, limit=1500))[:8]
    return lines


def _allowed(app: PlayheadApp) -> bool:
    if app.read_only:
        app.notify("Read-only: started with --read-only.", severity="warning")
        return False
    return _live(app)


def _live(app: PlayheadApp) -> bool:
    if app.actions is None:
        app.notify("No Restate server to ask: only the recording is here.",
                   severity="warning")  # fmt: skip
        return False
    return True


async def _do(app: PlayheadApp, work: Awaitable[None], done: str) -> None:
    try:
        await work
    except Exception as error:
        hint = getattr(error, "hint", "")
        text = clip(f"{error or type(error).__name__} {hint}")
        app.notify(text, title="Not done", severity="error")
        return
    app.notify(done)
    app.read_now()
