"""A check of whether the current code accepts an invocation's journal, for dialogs."""

from __future__ import annotations

import asyncio

from playhead.formatting import one_line
from playhead.replay import Replayer, Report, restarted

from playhead_tui.drawing.cells import clip
from playhead_tui.drawing.document import Line
from playhead_tui.interfaces import Dashboard

__all__ = ["SECONDS", "check_journal", "refusal", "unchecked_lines"]

SECONDS = 30.0
"""Time limit of a check, including the import of the app."""


async def check_journal(
    dashboard: Dashboard, invocation_id: str, *, last_entry: int | None = None
) -> list[Line]:
    """Replay the journal with the current app, and return the verdict.

    Args:
        dashboard: provides the app and fetches journals.
        invocation_id: the invocation to check.
        last_entry: last entry that a restart as new keeps; None to check all entries.
    """
    location = dashboard.app_location
    fetch = dashboard.connection.fetch_recording if dashboard.connection else None
    if not location.app or fetch is None:
        return unchecked_lines("journal")
    replayer = None
    try:
        async with asyncio.timeout(SECONDS):
            recording = await fetch(invocation_id)
            if last_entry is not None:
                recording = restarted(recording, last_entry)
            replayer = Replayer(location.app, recording, app_dir=location.app_dir or None)
            return verdict_lines(await replayer.report(explain=False), location.app)
    except TimeoutError:
        return [Line(f"Not checked: {location.app} took more than {SECONDS:g} s.", "warn")]
    except Exception as error:
        return [Line(f"Not checked: {clip(str(error) or type(error).__name__, 200)}", "warn")]
    finally:
        if replayer:
            replayer.close()


def unchecked_lines(what: str) -> list[Line]:
    """Return why nothing was checked while the app is unknown."""
    return [
        Line(f"The current code was not checked against the {what}.", "dim"),
        Line("Set PLAYHEAD_APP=module:attribute, or replay one once (r).", "dim"),
    ]


def refusal(report: Report) -> str:
    """Return why a journal was refused: the step and the SDK's difference, else its message."""
    text = report.sdk_message or report.failure or report.reason or ""
    difference = text.partition("- Difference:")[2]
    if not difference or not report.divergences:
        return text
    first = report.divergences[0]
    return one_line(f"{first.place} {first.recorded or ''}: {difference}")


def verdict_lines(report: Report, app: str) -> list[Line]:
    """Return the verdict as lines for the dialogs of resume and restart."""
    count = f"{report.replayed} of {report.commands} commands replayed"
    match report.verdict:
        case "same" | "incomplete":
            what = "the input" if report.commands == 0 else f"the journal: {count}"
            lines = [Line(f"The current code ({app}) accepts {what}.", "good")]
            if report.sdk_message:  # The handler fails, but past the end of the journal.
                lines.append(Line(clip(f"But {report.reason}", 200), "warn", 2))
            return lines
        case "diverged":
            why = refusal(report)
            return [
                Line(f"The current code ({app}) does not accept the journal: {count}.", "bad"),
                *([Line(clip(why, 200), "bad", 2)] if why else []),
                Line(
                    "Its deployment may run other code; replay it (r) for the differences.", "dim"
                ),
            ]
        case "blocked":
            tried = [Line(clip(what, 200), "warn", 2) for what in report.blocked[:3]]
            return [
                Line(f"Not fully checked: {app} tried a side effect outside a step.", "warn"),
                *tried,
                Line("The check blocked it, so the result of a real run can differ.", "dim"),
            ]
        case "refused" | "invalid":
            hint = [Line(clip(report.hint, 200), "dim")] if report.hint else []
            return [Line(f"Not checked: {clip(report.reason or '', 200)}", "warn"), *hint]
