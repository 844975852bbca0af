"""Whether today's code would accept an invocation's journal, in a line or two."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from playhead.replay import Replayer, Report, restarted

from playhead_tui.drawing.cells import clip
from playhead_tui.drawing.document import Line

if TYPE_CHECKING:
    from playhead_tui.app import PlayheadApp

__all__ = ["SECONDS", "check", "told"]

SECONDS = 30.0
"""Time limit of a check, with the app's import."""


async def check(app: PlayheadApp, invocation_id: str, *, kept: int | None = None) -> list[Line]:
    """Run the journal strictly under the app that is known, and say how it went.

    Args:
        app: knows the code.
        invocation_id: whose journal.
        kept: the last entry that a restart as new keeps; None: it goes on with all.
    """
    code = app.code
    fetch = app.connection.recording if app.connection else None
    if not code.app or fetch is None:
        return [
            Line("Whether today's code accepts the journal is not known.", "dim"),
            Line("Set PLAYHEAD_APP=module:attribute, or replay it once with r.", "dim"),
        ]
    replayer = None
    try:
        async with asyncio.timeout(SECONDS):
            recording = await fetch(invocation_id)
            if kept is not None:
                recording = restarted(recording, kept)
            replayer = Replayer(code.app, recording, app_dir=code.folder or None)
            return told(await replayer.report(explain=False), code.app)
    except TimeoutError:
        return [Line(f"Not checked: {code.app} took over {SECONDS:g} s.", "warn")]
    except Exception as error:
        return [Line(f"Not checked: {clip(str(error) or type(error).__name__, 200)}", "warn")]
    finally:
        if replayer:
            replayer.close()


def told(report: Report, app: str) -> list[Line]:
    """A strict verdict for somebody who is about to resume or restart."""
    went = f"{report.replayed} of {report.commands} commands replayed"
    match report.verdict:
        case "same" | "incomplete":
            what = "takes the input" if report.commands == 1 else f"accepts the journal: {went}"
            found = [Line(f"Today's code ({app}) {what}.", "good")]
            if report.sdk_message:  # It fails, but later than the journal reaches.
                found.append(Line(clip(f"But {report.reason}", 200), "warn", 2))
            return found
        case "diverged":
            why = report.sdk_message or report.failure or ""
            return [
                Line(f"Today's code ({app}) does not accept the journal: {went}.", "bad"),
                *([Line(clip(why, 200), "bad", 2)] if why else []),
                Line("The deployment it goes on with may run other code; r shows where.", "dim"),
            ]
        case "refused":
            return [Line(f"Not checked: {clip(report.reason or '', 200)}", "warn")]
