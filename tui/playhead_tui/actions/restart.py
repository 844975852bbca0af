"""Restart as new: choose what to keep, check the code against it, confirm."""

from __future__ import annotations

from playhead.model import Invocation, Step

from playhead_tui.dialogs.dialog import Choice, Menu
from playhead_tui.drawing.cells import clip
from playhead_tui.drawing.document import Line
from playhead_tui.interfaces import Dashboard

__all__ = ["ask_restart", "restart"]

CHECKING = "Checking whether the current code accepts the kept entries ..."


async def ask_restart(
    dashboard: Dashboard, row: Invocation, step: Step | None, body: list[Line]
) -> tuple[int, str] | None:
    """Ask which entries the new invocation keeps and where it runs.

    Args:
        dashboard: shows the dialogs.
        row: the invocation to restart.
        step: the last step that could be kept; None to keep the input only.
        body: lines at the top of the dialogs, which name the invocation.

    Returns:
        The index of the last journal entry to keep (0: the input only) and the deployment as the
        server names it; None for no restart.
    """
    from playhead_tui.actions.journal_check import check_journal
    from playhead_tui.dialogs.checked_menu import CheckedMenu

    last = 0
    if step is not None and _can_be_kept(step):
        name = f"#{step.index} {clip(step.name or step.type, 40)}"
        choices = [
            Choice("i", "The input", "Run every step again"),
            Choice("s", f"All up to {name}", "With the results"),
        ]
        key = await dashboard.push_screen_wait(
            Menu("Restart as new: keep which entries?", choices, body)
        )
        if key is None:
            return None
        last = step.index if key == "s" else 0
        body = [
            *body,
            Line(f"The new invocation keeps {f'all up to {name}' if last else 'the input'}."),
        ]
    else:
        body = [
            *body,
            Line("The new invocation keeps the input.", "dim"),
            Line("To keep more, select a step with a result in the timeline.", "dim"),
        ]
    if not row.ended:
        body = [*body, Line("The invocation is killed first, without cleanup.", "warn")]
    choices = [
        Choice("y", "Yes, on the newest deployment"),
        Choice("o", "Yes, on its own deployment"),
        Choice("n", "No"),
    ]
    menu = CheckedMenu(
        "Restart as new?",
        choices,
        body,
        check=lambda _: check_journal(dashboard, row.id, last_entry=last),
        checking=CHECKING,
    )
    key = await dashboard.push_screen_wait(menu)
    deployment = {"y": "latest", "o": "keep"}.get(key or "")
    return None if deployment is None else (last, deployment)


async def restart(dashboard: Dashboard, row: Invocation, last: int, deployment: str) -> None:
    """Restart the invocation and open the new one.

    Raises:
        Exception: the restart failed; the message gives the reason and whether the
            invocation was killed.
    """
    control = dashboard.control
    assert control is not None
    if row.ended:
        begin = control.restart_as_new
    else:
        begin = control.kill_and_restart
        if last:
            await _check_can_be_kept(dashboard, row.id, last)
    new = await begin(row.id, from_entry=last, deployment=deployment)
    dashboard.open_invocation(new)


async def _check_can_be_kept(dashboard: Dashboard, invocation_id: str, last: int) -> None:
    from playhead.replay import restarted

    fetch = dashboard.connection.fetch_recording if dashboard.connection else None
    if fetch is None:
        raise LookupError("The journal cannot be read, so the invocation was not killed.")
    restarted(await fetch(invocation_id), last)


def _can_be_kept(step: Step) -> bool:
    return bool(step.command_index) and step.kind != "output" and step.state in ("done", "failed")
