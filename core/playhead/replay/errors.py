"""Everything that this package raises on purpose.

ReplayError
├── RecordingError      a recording cannot be read, or is not one
├── UnsupportedJournal  it is one, of a kind that cannot be replayed
├── AppError            the user's app cannot be imported, or is no Restate app
└── WorkerError         the process that runs the user's code ended or took too long
"""

from __future__ import annotations

__all__ = ["AppError", "RecordingError", "ReplayError", "UnsupportedJournal", "WorkerError"]


class ReplayError(Exception):
    """A replay could not be carried out; the text says what, where, and what to do next."""


class RecordingError(ReplayError):
    """A recording cannot be read or written."""


class UnsupportedJournal(ReplayError):  # noqa: N818 - reads as what it says
    """The journal is whole, but of a kind that cannot be replayed."""


class AppError(ReplayError):
    """The app to replay against cannot be loaded."""


class WorkerError(ReplayError):
    """The process that runs the user's code crashed or took too long."""
