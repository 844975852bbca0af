"""Actions on an invocation: answer, cancel, kill, pause, resume, restart, purge."""

from __future__ import annotations

from playhead.model import Invocation, Step
from playhead.restate.bulk import PAUSABLE

from playhead_tui.actions.changes import is_allowed, perform
from playhead_tui.dialogs.dialog import Choice, Menu, Prompt
from playhead_tui.drawing.cells import clip
from playhead_tui.drawing.document import Line
from playhead_tui.interfaces import Dashboard

__all__ = ["choose_action"]

ANSWER = "Answer ..."
RESTART = "Restart as new"
SEND = "Send request"
EFFECTS = {
    "cancel": "Its handler can clean up, then it ends.",
    "kill": "It ends at once; its handler cannot clean up.",
    "pause": "Restate stops retrying until it is resumed.",
    "resume": "Restate retries it from where it stopped.",
}
DONE = {
    "cancel": "Cancellation requested",
    "kill": "Killed",
    "pause": "Pause requested",
    "resume": "Resumed",
    "purge": "Purged",
}


def _possible_actions(row: Invocation) -> list[Choice]:
    restart = Choice("n", RESTART, "A new invocation with the same input")
    send = Choice("s", SEND, "To the same handler, with its input or another")
    if row.ended:
        return [restart, send, Choice("P", "Purge", "Delete the invocation and its journal")]
    choices: list[Choice] = []
    if row.waiting and row.waiting.kind in ("awakeable", "promise"):
        choices.append(Choice("a", ANSWER, "Resolve or reject what it waits for"))
    choices.append(Choice("c", "Cancel", "Its handler can clean up, then it ends"))
    if row.status in PAUSABLE:
        choices.append(Choice("p", "Pause", "Stop retrying until it is resumed"))
    if row.status in ("paused", "backing-off"):
        what = "Retry from where it stopped" if row.status == "paused" else "Retry now"
        choices.append(Choice("r", "Resume", what))
    choices.append(Choice("k", "Kill", "End it at once, without cleanup"))
    if row.status != "scheduled":
        choices.append(restart)
    return [*choices, send]


async def choose_action(dashboard: Dashboard, row: Invocation, step: Step | None = None) -> None:
    """Show the possible actions, ask for confirmation, and perform the chosen one.

    Args:
        dashboard: shows the dialogs and controls the server.
        row: the invocation.
        step: the step under the cursor; a restart can keep the journal up to it.
    """
    if not is_allowed(dashboard):
        return
    if row.origin == "stored":
        dashboard.notify(
            f"{clip(row.target, 40)} is only stored: the server does not have it, or does not "
            "answer. Nothing can be changed.",
            severity="warning",
        )
        return
    body = [Line(clip(row.target), "strong"), Line(f"{row.status}, {row.id}", "dim")]
    choices = _possible_actions(row)
    key = await dashboard.push_screen_wait(Menu("Actions", choices, body))
    label = next((choice.label for choice in choices if choice.key == key), None)
    if label is None:
        return
    if label == ANSWER:
        from playhead_tui.actions.answer import answer

        await answer(dashboard, row.id)
        return
    if label == SEND:
        from playhead_tui.actions.request import send_again

        await send_again(dashboard, row)
        return
    if label == RESTART:
        from playhead_tui.actions.restart import ask_restart, restart

        plan = await ask_restart(dashboard, row, step, body)
        if plan is not None:
            change = restart(dashboard, row, *plan)
            await perform(dashboard, change, f"Restarted as new: {clip(row.target)}")
        return
    verb = label.lower()
    confirmed = await _confirm(dashboard, row, verb, body)
    control = dashboard.control
    if confirmed is None or control is None:
        return
    options = {"deployment": "latest"} if confirmed == "l" else {}
    change = getattr(control, verb)(row.id, **options)
    await perform(dashboard, change, f"{DONE[verb]}: {clip(row.target)}")


async def _confirm(
    dashboard: Dashboard, row: Invocation, verb: str, body: list[Line]
) -> str | None:
    """Return `y`, or `l` for the newest deployment; None for no."""
    if verb == "purge":
        body = [
            *body,
            Line(""),
            Line("Its journal is deleted as well. This cannot be undone.", "warn"),
            Line("Type purge to continue."),
        ]
        wrong = "Type the word purge, or press Esc."
        typed = await dashboard.push_screen_wait(
            Prompt("Purge the invocation?", body, placeholder="purge",
                   check=lambda text: None if text.strip() == "purge" else wrong)
        )  # fmt: skip
        return "y" if typed is not None else None
    choices = [Choice("y", f"Yes, {verb} it"), Choice("n", "No")]
    body = [*body, Line(""), Line(EFFECTS[verb], "warn" if verb == "kill" else "text")]
    menu = Menu(f"{verb.capitalize()} the invocation?", choices, body)
    if verb == "resume":
        from playhead_tui.actions.journal_check import check_journal
        from playhead_tui.dialogs.checked_menu import CheckedMenu

        if row.status == "paused":  # For others the server does not change the deployment.
            choices = [
                Choice("y", "Yes, on its own deployment"),
                Choice("l", "Yes, on the newest deployment"),
                Choice("n", "No"),
            ]
        checking = "Checking whether the current code accepts the journal ..."
        menu = CheckedMenu(
            menu.title_text,
            choices,
            body,
            check=lambda _: check_journal(dashboard, row.id),
            checking=checking,
        )
    key = await dashboard.push_screen_wait(menu)
    return key if key in ("y", "l") else None
