"""The whole report: the SDK's verdict, and every difference it does and does not see."""

from __future__ import annotations

from dataclasses import replace

from playhead.journal.recording import Recording
from playhead.replay.differences.explain import explain
from playhead.replay.engine.app import App
from playhead.replay.engine.strict import strict
from playhead.replay.report import Report

__all__ = ["judge"]


def judge(app: App, recording: Recording, *, explain_differences: bool = True) -> Report:
    """Replay a recording strictly, then explain what differs.

    The verdict is the SDK's alone. A difference counts as fatal only when the SDK refuses.

    Raises:
        AppError: the app does not serve this handler.
    """
    report = strict(app, recording)
    if not explain_differences:
        return report
    explanation = explain(app, recording)
    found = explanation.divergences
    if report.verdict != "diverged":
        found = tuple(replace(d, fatal=False) for d in found)
    elif not any(d.fatal for d in found):
        found = (*report.divergences, *found)
    return replace(report, divergences=found, notes=explanation.notes)
