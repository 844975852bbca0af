"""What if: one recorded result is another, and the code runs on from there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from playhead.replay.recording import Recording
from playhead.replay.worker import SECONDS, Worker

__all__ = ["Failure", "Outcome", "Row", "request_fields", "what_if"]


@dataclass(frozen=True, slots=True)
class Failure:
    """A terminal error as a result."""

    message: str
    code: int = 500


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the comparison, side by side."""

    original: str | None
    """The command in the journal; None: the new run has one more here."""
    original_result: Any
    """Its recorded result, decoded; for SetState the value that was set."""
    new: str | None
    """The command of the new run; None: the new run lacks it."""
    new_result: Any
    source: str
    """Where the new result came from: `recorded`, `changed`, `answered`, `live`, `at once` (sleeps,
    state), `none` (it waits), or empty."""
    where: str | None = None
    """`file:line` of the new command."""

    @property
    def same(self) -> bool:
        """Whether both sides did the same, to the same result."""
        return self.original == self.new and self.original_result == self.new_result


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the handler went on."""

    rows: tuple[Row, ...]
    ended: bool
    """Whether the handler came to an end."""
    output: Any = None
    failure: str | None = None
    """The terminal error it ended with."""
    raised: str | None = None
    """What it raised, when Restate would try again."""
    stopped: str | None = None
    """Why it stands still: what it waits for, and what to give it."""
    waiting_at: str | None = None
    """`file:line` where it waits."""
    original_output: Any = None
    original_failure: str | None = None
    blocked: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A JSON document."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Outcome:
        """The outcome that `to_json` described."""
        rows = tuple(Row(**row) for row in document["rows"])
        values: dict[str, Any] = {**document, "rows": rows, "blocked": tuple(document["blocked"])}
        return cls(**values)


def what_if(
    app: str,
    recording: Recording | Path | str,
    changes: Mapping[int | str, Any],
    *,
    recorded: bool = True,
    answers: Mapping[str, Any] | None = None,
    live: Collection[str] = (),
    folder: Path | str | None = None,
    seconds: float = SECONDS,
) -> Outcome:
    """Change recorded results and run the code on from there.

    Nothing talks to a Restate server. Sleeps take no time. A command after the change is
    answered, in this order: from `answers`; live, if it is named there; from the recording, if
    it was given the same arguments then; else not at all, and the handler waits.

    Args:
        app: `module:attribute` of the Restate app.
        recording: a recording, or the path of its file.
        changes: new results, as JSON values or `Failure`: by ordinal of the command (Input is
            0), or `awakeable:N` (from 1), or `signal:NAME`. Text as the result of a model call
            is the model's answer in words.
        recorded: whether to answer from the recording after the first change.
        answers: results by step name, or `service/handler` of calls, for what is new.
        live: names of steps whose code is executed for real, each time they are reached.
        folder: where to import the app from; the current folder when not given.
        seconds: how long the code may take.

    Raises:
        AppError: the app cannot be imported, or does not serve the handler.
        ReplayError: a change names no result of this journal.
        WorkerError: the code crashed or took too long.
    """
    loaded = recording if isinstance(recording, Recording) else Recording.load(recording)
    fields = request_fields(changes, recorded=recorded, answers=answers)
    with Worker(app, folder=folder, seconds=seconds, live=bool(live)) as worker:
        document, blocked = worker.request("what_if", loaded, live=list(live), **fields)
    return Outcome.from_json({**document, "blocked": blocked})


def request_fields(
    changes: Mapping[int | str, Any], *, recorded: bool, answers: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The fields of a `what_if` request to a worker."""
    return {
        "changes": {str(k): _document(v) for k, v in changes.items()},
        "recorded": recorded,
        "answers": {name: _document(value) for name, value in (answers or {}).items()},
    }


def _document(value: Any) -> dict[str, Any]:
    if isinstance(value, Failure):
        return {"failure": value.message, "code": value.code}
    return {"value": value}
