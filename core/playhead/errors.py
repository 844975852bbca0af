"""All exceptions of Playhead.

PlayheadError
├── SettingsError                   a setting has an unusable value
├── AmbiguousIdError                several invocations have an id that begins like this
├── RestateError                    a request to a Restate server failed
│   ├── UnreachableError            the server does not answer, or not in time
│   ├── UnauthorizedError           the server refuses the token
│   ├── QueryFailedError            the server refused a query or could not finish it
│   ├── NotFoundError               the server has no such invocation, deployment or awakeable
│   └── RefusedError                the server refuses a change
├── StoreError                      the store cannot be opened
│   └── StoreLockedError            another process holds the store
├── RecorderError                   the recorder does not answer
├── QueryError                      the SQL is wrong, or does more than read
│   └── QueryLimitError             the query takes too long, or its result is too large
├── ReplayError                     a replay cannot be carried out
│   ├── RecordingError              a recording cannot be read or written
│   ├── UnsupportedJournalError     the journal has a version that cannot be replayed
│   ├── AppError                    the app cannot be imported, or is not a Restate app
│   └── WorkerError                 the process that runs the app crashed or took too long
├── ProcessError                    a process that Playhead started is not ready, or ended
└── ServerNotFoundError             no restate-server is installed

`str(error)` says what is wrong and where. `error.hint` says what to do next; it may be empty.
"""

from __future__ import annotations

__all__ = [
    "AmbiguousIdError",
    "AppError",
    "NotFoundError",
    "PlayheadError",
    "ProcessError",
    "QueryError",
    "QueryFailedError",
    "QueryLimitError",
    "RecorderError",
    "RecordingError",
    "RefusedError",
    "ReplayError",
    "RestateError",
    "ServerNotFoundError",
    "SettingsError",
    "StoreError",
    "StoreLockedError",
    "UnauthorizedError",
    "UnreachableError",
    "UnsupportedJournalError",
    "WorkerError",
]


class PlayheadError(Exception):
    """Base of all exceptions that Playhead raises on purpose."""

    def __init__(self, title: str = "", hint: str = "") -> None:
        """Describe the error.

        Args:
            title: What is wrong, and where.
            hint: What to do next; also shown in tracebacks.
        """
        super().__init__(title)
        self.title = title
        self.hint = hint
        if hint:
            self.add_note(hint)


class SettingsError(PlayheadError):
    """A setting has an unusable value. The title names the setting and its source."""


class AmbiguousIdError(PlayheadError):
    """Several invocations have an id that begins with the given text; the hint lists some."""


class RestateError(PlayheadError):
    """A request to a Restate server failed."""


class UnreachableError(RestateError):
    """The server does not answer, or not in time."""


class UnauthorizedError(RestateError):
    """The server refuses the token (401 or 403)."""


class QueryFailedError(RestateError):
    """The server refused a query or could not finish it."""


class NotFoundError(RestateError):
    """The server has no such invocation, deployment or awakeable."""


class RefusedError(RestateError):
    """The server refuses a change to an invocation or deployment. The title gives the reason."""


class StoreError(PlayheadError):
    """The store cannot be opened."""


class StoreLockedError(StoreError):
    """Another process holds the store."""


class RecorderError(PlayheadError):
    """The recorder does not answer."""


class QueryError(PlayheadError):
    """The SQL is wrong, or does more than read."""


class QueryLimitError(QueryError):
    """The query takes too long, or its result is too large. No rows are returned."""


class ReplayError(PlayheadError):
    """A replay cannot be carried out."""


class RecordingError(ReplayError):
    """A recording cannot be read or written."""


class UnsupportedJournalError(ReplayError):
    """The journal is valid, but has a version that cannot be replayed."""


class AppError(ReplayError):
    """The app cannot be imported, or is not a Restate app."""


class WorkerError(ReplayError):
    """The process that runs the app crashed or took too long."""


class ProcessError(PlayheadError):
    """A process that Playhead started is not ready in time, or ended too early.

    The title names the process and the event; the hint has the last lines of its log.
    """


class ServerNotFoundError(PlayheadError):
    """No restate-server is installed. The title names the places that were searched."""
