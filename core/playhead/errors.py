"""Every exception that Playhead raises on purpose.

PlayheadError
├── SettingsError                   a setting has an unusable value
├── AmbiguousIdError                several invocations have an id that begins like this
├── RestateError                    a Restate server cannot be used
│   ├── UnreachableError            it does not answer, or not in time
│   ├── UnauthorizedError           it wants another token
│   ├── QueryFailedError            it refused a query or could not finish it
│   ├── NotFoundError               it has no such invocation, deployment or awakeable
│   └── RefusedError                it will not do this to the invocation or deployment
├── StoreError                      the store cannot be opened
│   └── StoreLockedError            another process holds it
├── RecorderError                   the recorder does not answer
├── QueryError                      the SQL is wrong, or does more than read
│   └── QueryLimitError             the query takes too long, or its result is too large
├── ReplayError                     a replay cannot be carried out
│   ├── RecordingError              a recording cannot be read or written
│   ├── UnsupportedJournalError     the journal is of a kind that cannot be replayed
│   ├── AppError                    the app cannot be imported, or is no Restate app
│   └── WorkerError                 the process that runs the app crashed or took too long
├── ProcessError                    a process that Playhead started did not come up
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
            title: what is wrong, and where.
            hint: what to do next.
        """
        super().__init__(title)
        self.title = title
        self.hint = hint


class SettingsError(PlayheadError):
    """A setting has an unusable value; the title names the setting and where it was set."""


class AmbiguousIdError(PlayheadError):
    """Several invocations have an id that begins with the given text; the hint lists some."""


class RestateError(PlayheadError):
    """A Restate server cannot be used."""


class UnreachableError(RestateError):
    """The server does not answer, or not in time."""


class UnauthorizedError(RestateError):
    """The server wants another token (401 or 403)."""


class QueryFailedError(RestateError):
    """The server refused a query or could not finish it."""


class NotFoundError(RestateError):
    """The server has no such invocation, deployment or awakeable."""


class RefusedError(RestateError):
    """The server will not do this to the invocation or deployment; the title says why."""


class StoreError(PlayheadError):
    """The store cannot be opened."""


class StoreLockedError(StoreError):
    """Another process holds the store."""


class RecorderError(PlayheadError):
    """The recorder does not answer any more."""


class QueryError(PlayheadError):
    """The SQL is wrong, or does more than read."""


class QueryLimitError(QueryError):
    """The query takes too long, or its result is too large; none of it is returned."""


class ReplayError(PlayheadError):
    """A replay cannot be carried out."""


class RecordingError(ReplayError):
    """A recording cannot be read or written."""


class UnsupportedJournalError(ReplayError):
    """The journal is whole, but of a kind that cannot be replayed."""


class AppError(ReplayError):
    """The app cannot be imported, or is no Restate app."""


class WorkerError(ReplayError):
    """The process that runs the app crashed or took too long."""


class ProcessError(PlayheadError):
    """A process that Playhead started did not come up, or ended too early.

    The title names the process, what happened, and the last lines of its log.
    """


class ServerNotFoundError(PlayheadError):
    """No restate-server is installed; the title says where it was looked for."""
