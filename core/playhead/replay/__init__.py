"""Replay: a journal as a file, and today's code run against it without a single side effect."""

from __future__ import annotations

from playhead.errors import (
    AppError,
    RecordingError,
    ReplayError,
    UnsupportedJournalError,
    WorkerError,
)
from playhead.journal.commands import Entry
from playhead.journal.recording import Recording
from playhead.replay.changes import Failure, WhatIfResult
from playhead.replay.replays import replay, replay_all, what_if
from playhead.replay.report import Divergence, Report, Verdict
from playhead.replay.session import Session
from playhead.replay.stop import Stop

__all__ = [
    "AppError",
    "Divergence",
    "Entry",
    "Failure",
    "Recording",
    "RecordingError",
    "ReplayError",
    "Report",
    "Session",
    "Stop",
    "UnsupportedJournalError",
    "Verdict",
    "WhatIfResult",
    "WorkerError",
    "replay",
    "replay_all",
    "what_if",
]
