"""Whether today's code would accept an invocation's journal, in a line or two."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from playhead.replay import Report

from playhead_tui.cells import one_line
from playhead_tui.document import Line
from playhead_tui.replaying import Replayer

if TYPE_CHECKING:
    from playhead_tui.app import PlayheadApp

__all__ = ["SECONDS", "check", "told"]

SECONDS = 30.0
"""Time limit of a check, with the app's import."""


async def check(app: PlayheadApp, invocation_id: str) -> list[Line]:
    """Run the journal strictly under the app that is known, and say how it went."""
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
            replayer = Replayer(code, await fetch(invocation_id))
            return told(await replayer.report(explained=False), code.app)
    except TimeoutError:
        return [Line(f"Not checked: {code.app} took over {SECONDS:g} s.", "warn")]
    except Exception as error:
        return [Line(f"Not checked: {one_line(str(error) or type(error).__name__, 200)}", "warn")]
    finally:
        if replayer:
            replayer.close()


def told(report: Report, app: str) -> list[Line]:
    """A strict verdict for somebody who is about to resume."""
    went = f"{report.replayed} of {report.commands} commands replayed"
    match report.verdict:
        case "same" | "incomplete":
            return [Line(f"Today's code ({app}) accepts the journal: {went}.", "good")]
        case "diverged":
            why = report.sdk_message or report.failure or ""
            return [
                Line(f"Today's code ({app}) does not accept the journal: {went}.", "bad"),
                *([Line(one_line(why, 200), "bad", 2)] if why else []),
                Line("The deployment it goes on with may run other code; r shows where.", "dim"),
            ]
        case "refused":
            return [Line(f"Not checked: {one_line(report.reason or '', 200)}", "warn")]
