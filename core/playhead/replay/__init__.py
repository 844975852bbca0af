"""Replay: a journal as a file, and today's code run against it without a single side effect."""

from __future__ import annotations

from playhead.replay.api import replay, replay_all
from playhead.replay.errors import (
    AppError,
    RecordingError,
    ReplayError,
    UnsupportedJournal,
    WorkerError,
)
from playhead.replay.recording import Entry, Recording
from playhead.replay.report import Divergence, Report, Verdict
from playhead.replay.session import Session
from playhead.replay.stop import Stop
from playhead.replay.whatif import Failure, Outcome, what_if

__all__ = [
    "AppError",
    "Divergence",
    "Entry",
    "Failure",
    "Outcome",
    "Recording",
    "RecordingError",
    "ReplayError",
    "Report",
    "Session",
    "Stop",
    "UnsupportedJournal",
    "Verdict",
    "WorkerError",
    "replay",
    "replay_all",
    "what_if",
]
