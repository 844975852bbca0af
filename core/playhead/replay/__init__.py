"""Replay: a journal as a file, and today's code run against it without a single side effect."""

from __future__ import annotations

from playhead.replay.errors import (
    AppError,
    RecordingError,
    ReplayError,
    UnsupportedJournal,
    WorkerError,
)
from playhead.replay.recording import Entry, Recording

__all__ = [
    "AppError",
    "Entry",
    "Recording",
    "RecordingError",
    "ReplayError",
    "UnsupportedJournal",
    "WorkerError",
]
