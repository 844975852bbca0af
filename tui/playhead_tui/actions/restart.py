"""A new invocation from an old one: what it keeps, whether today's code takes that, and yes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from playhead.model import Invocation, Step

from playhead_tui.dialogs.dialog import Choice, Menu
from playhead_tui.drawing.cells import clip
from playhead_tui.drawing.document import Line

if TYPE_CHECKING:
    from playhead.replay import Recording

    from playhead_tui.app import PlayheadApp

__all__ = ["ask_restart", "restart"]

CHECKING = "Checking whether today's code accepts what is kept ..."


async def ask_restart(
    app: PlayheadApp, row: Invocation, step: Step | None, body: list[Line]
) -> tuple[int, str] | None:
    """Ask what the new invocation keeps and where it runs.

    Args:
        app: asks.
        row: the invocation to begin anew.
        step: the last step that could be kept; None: there is no choice.
        body: which invocation it is, for the dialogs.

    Returns:
        The last journal entry to keep (0: the input alone) and the deployment, as the server
        names it; None when nothing is to be done.
    """
    from playhead_tui.actions.journal_check import check
    from playhead_tui.dialogs.checked_menu import CheckedMenu

    last = 0
    if step is not None and _can_be_kept(step):
        kept = f"#{step.command_index} {clip(step.name or step.type, 40)}"
        choices = [
            Choice("i", "the input", "all is done anew"),
            Choice("s", f"all up to {kept}", "with the results"),
        ]
        key = await app.push_screen_wait(Menu("Restart, keeping what?", choices, body))
        if key is None:
            return None
        last = step.index if key == "s" else 0
        body = [*body, Line(f"Keeps {f'all up to {kept}' if last else 'the input'}.")]
    else:
        body = [*body, Line("Keeps the input. Open it and select a step to keep more.", "dim")]
    if not row.ended:
        body = [*body, Line("It is killed first, without cleaning up.", "warn")]
    choices = [
        Choice("y", "yes, on the newest deployment"),
        Choice("o", "yes, on the deployment that it ran on"),
        Choice("n", "no"),
    ]
    checks = partial(check, app, row.id, kept=last)
    menu = CheckedMenu("Restart as new?", choices, body, check=checks, checking=CHECKING)
    deployment = {"y": "latest", "o": "keep"}.get(await app.push_screen_wait(menu) or "")
    return None if deployment is None else (last, deployment)


async def restart(app: PlayheadApp, row: Invocation, last: int, deployment: str) -> None:
    """Do it, and open the new invocation.

    Raises:
        Exception: it was not restarted; the text says why, and whether it was killed.
    """
    actions = app.actions
    assert actions is not None
    if row.ended:
        again = actions.restart_as_new
    else:
        again = actions.kill_and_restart
        if last:
            await _must_be_kept(app, row.id, last)
    new = await again(row.id, from_entry=last, deployment=deployment)
    app.open_invocation(new)


async def _must_be_kept(app: PlayheadApp, invocation_id: str, last: int) -> None:
    from playhead.journal.restart import restarted

    fetch = app.connection.recording if app.connection else None
    if fetch is None:
        raise LookupError("Its journal cannot be read, so it was not killed.")
    recording: Recording = await fetch(invocation_id)
    restarted(recording, last)


def _can_be_kept(step: Step) -> bool:
    return bool(step.command_index) and step.kind != "output" and step.state in ("done", "failed")
