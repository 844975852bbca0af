"""All exceptions of Playhead.

PlayheadError
├── SettingsError                   a setting has an invalid value
├── AmbiguousIdError                several invocation ids begin with the given text
├── AmbiguousObjectError            several clusters have the virtual object
├── FilterError                     the text of a filter is wrong
├── RestateError                    a request to a Restate server failed
│   ├── UnreachableError            the server does not answer, or not in time
│   │   └── UnansweredChangeError   the answer to a change is missing: it may have been made
│   ├── UnauthorizedError           the server refuses the token
│   ├── QueryFailedError            the server refused a query or could not finish it
│   ├── NotFoundError               the server has no such invocation, deployment or awakeable
│   └── RefusedError                the server refuses a change
├── StoreError                      the store cannot be opened
│   └── StoreLockedError            another process has the store open
├── RecorderError                   the recorder does not answer
├── PortInUseError                  a port that the recorder needs is taken
├── IngestError                     an OTLP request cannot be stored
│   ├── RequestBodyError            its body is too large or cannot be unpacked
│   ├── MalformedRequestError       it is not an OTLP request
│   ├── QueueFullError              too many requests are waiting
│   └── CommitError                 the store failed to write its spans
├── QueryError                      the SQL is invalid, or is not read-only
│   ├── ArchivedFileError           a file of the archive that it reads is damaged or gone
│   └── QueryLimitError             the query takes too long, or its result is too large
│       └── QueryMemoryError        the query needs more memory than is free
├── ExportError                     an export is not possible
│   ├── TargetUnreachableError      the target does not answer, or not in time
│   └── TargetRefusesError          the target refuses all spans, for example for a wrong key
├── ImportFileError                 a file with spans cannot be read
├── ReplayError                     a replay is not possible
│   ├── RecordingError              a recording cannot be read or written
│   ├── UnsupportedJournalError     the journal has a version that cannot be replayed
│   ├── AppError                    the app cannot be imported, or is not a Restate app
│   ├── IsolationError              the operating system does not isolate the app, as required
│   └── WorkerError                 the process that runs the app crashed or took too long
│       └── AnswerError             its answer is not one of Playhead's
├── ProcessError                    a process that Playhead started is not ready in time, or ended
└── ServerNotFoundError             no restate-server is installed

`str(error)` is the title: what is wrong, and where. `error.hint` is what to do next; it may be
empty.
"""

from __future__ import annotations

from playhead.text import without_password

__all__ = [
    "AmbiguousIdError",
    "AmbiguousObjectError",
    "AnswerError",
    "AppError",
    "ArchivedFileError",
    "CommitError",
    "ExportError",
    "FilterError",
    "ImportFileError",
    "IngestError",
    "IsolationError",
    "MalformedRequestError",
    "NotFoundError",
    "PlayheadError",
    "PortInUseError",
    "ProcessError",
    "QueryError",
    "QueryFailedError",
    "QueryLimitError",
    "QueryMemoryError",
    "QueueFullError",
    "RecorderError",
    "RecordingError",
    "RefusedError",
    "ReplayError",
    "RequestBodyError",
    "RestateError",
    "ServerNotFoundError",
    "SettingsError",
    "StoreError",
    "StoreLockedError",
    "TargetRefusesError",
    "TargetUnreachableError",
    "UnansweredChangeError",
    "UnauthorizedError",
    "UnreachableError",
    "UnsupportedJournalError",
    "WorkerError",
]


class PlayheadError(Exception):
    """Base class of Playhead's exceptions."""

    def __init__(self, title: str = "", hint: str = "") -> None:
        """Create the error.

        Args:
            title: What is wrong, and where.
            hint: What to do next; also shown in tracebacks.
        """
        title, hint = without_password(title), without_password(hint)
        super().__init__(title)
        self.title = title
        self.hint = hint
        if hint:
            self.add_note(hint)


class SettingsError(PlayheadError):
    """A setting has an invalid value. The title names the setting and its source."""


class AmbiguousIdError(PlayheadError):
    """Several invocation ids begin with the given text; the hint lists some of them."""


class AmbiguousObjectError(PlayheadError):
    """Several clusters have a virtual object or workflow of this name; the hint lists them."""


class FilterError(PlayheadError):
    """The text of a filter is wrong; the title says what and where."""

    def __init__(self, title: str, hint: str = "", position: int = 0, short: str = "") -> None:
        """Create the error.

        Args:
            title: What is wrong, and where.
            hint: What to do next.
            position: Place of the problem in the text, from 0.
            short: The problem and what to do, in one line.
        """
        super().__init__(title, hint)
        self.position = position
        self.short = short or title


class RestateError(PlayheadError):
    """A request to a Restate server failed."""


class UnreachableError(RestateError):
    """The server does not answer, or not in time."""


class UnansweredChangeError(UnreachableError):
    """A change was sent, and its answer is missing: the server may have made it."""


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
    """Another process has the store open."""


class RecorderError(PlayheadError):
    """The recorder does not answer."""


class PortInUseError(PlayheadError):
    """A port that the recorder needs is taken; the title names the port and its purpose."""


class IngestError(PlayheadError):
    """An OTLP request cannot be stored; none of it was acknowledged."""


class RequestBodyError(IngestError):
    """The body of a request is too large or cannot be unpacked."""

    def __init__(self, status: int, title: str) -> None:
        """Create the error.

        Args:
            status: HTTP status of the answer.
            title: What is wrong.
        """
        super().__init__(title)
        self.status = status


class MalformedRequestError(IngestError):
    """The request does not match its content type; the title names the place."""


class QueueFullError(IngestError):
    """Too many requests are waiting to be committed; the sender can retry later."""

    def __init__(self) -> None:
        """Create the error."""
        super().__init__("ingest queue full; retry later")


class CommitError(IngestError):
    """The store failed to write the spans; the sender can retry later."""


class QueryError(PlayheadError):
    """The SQL is invalid, or is not read-only."""


class ArchivedFileError(QueryError):
    """A file of the archive that the query reads is damaged or gone; the title names it."""


class QueryLimitError(QueryError):
    """The query takes too long, or its result is too large. No rows are returned."""


class QueryMemoryError(QueryLimitError):
    """The query, with those that run beside it, needs more memory than queries may take."""


class ExportError(PlayheadError):
    """An export is not possible: the title names the file or the target."""


class TargetUnreachableError(ExportError):
    """The target does not answer, or not in time; what it has accepted is not sent again."""


class TargetRefusesError(ExportError):
    """The target refuses all spans. The title quotes its answer."""


class ImportFileError(PlayheadError):
    """A file with spans cannot be read, or has none of the known formats."""


class ReplayError(PlayheadError):
    """A replay is not possible."""


class RecordingError(ReplayError):
    """A recording cannot be read or written."""


class UnsupportedJournalError(ReplayError):
    """The journal is valid, but has a version that cannot be replayed."""


class AppError(ReplayError):
    """The app cannot be imported, or is not a Restate app."""


class WorkerError(ReplayError):
    """The process that runs the app crashed or took too long."""


class AnswerError(WorkerError):
    """The answer of the process that runs the app is not one of Playhead's."""


class IsolationError(ReplayError):
    """The operating system does not isolate the app, which `require_isolation` asks for."""


class ProcessError(PlayheadError):
    """A process that Playhead started is not ready in time, or ended too early.

    The title names the process and the event; the hint has the last lines of its log.
    """


class ServerNotFoundError(PlayheadError):
    """No restate-server is installed. The title names the places that were searched."""
