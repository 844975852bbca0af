"""Time travel: the stops of a recording under today's code, and what if one result changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from playhead.errors import ReplayError
from playhead.journal.recording import Recording
from playhead.replay.changes import WhatIfResult, request_fields
from playhead.replay.report import Report
from playhead.replay.stop import Stop
from playhead.replay.worker import SECONDS, Worker

__all__ = ["Session"]


@dataclass
class Session:
    """A recording opened with an app; the playhead stands on one of its stops.

    Blocking: from an event loop, call it in a thread. Not for several threads at once.
    """

    recording: Recording
    stops: tuple[Stop, ...]
    blocked: tuple[str, ...]
    """What the code tried to do to the world outside, and was kept from."""
    _worker: Worker = field(repr=False)
    position: int = 0
    """Index into `stops`."""

    @classmethod
    def open(
        cls,
        app: str,
        recording: Recording | Path | str,
        *,
        folder: Path | str | None = None,
        seconds: float = SECONDS,
    ) -> Session:
        """Run the recording once and keep all its stops; close the session afterwards.

        Raises:
            AppError: the app cannot be imported, or does not serve the handler.
            RecordingError: the file is no recording.
            WorkerError: the code crashed or took too long.
        """
        loaded = recording if isinstance(recording, Recording) else Recording.load(recording)
        worker = Worker(app, folder=folder, seconds=seconds)
        try:
            return cls.within(worker, loaded)
        except ReplayError:
            worker.close()
            raise

    @classmethod
    def within(cls, worker: Worker, recording: Recording) -> Session:
        """Open a recording in a process that has the app already. Raises as `open` does."""
        document, blocked = worker.request("snapshots", recording)
        stops = tuple(Stop.from_json(stop) for stop in document["stops"])
        return cls(recording, stops, tuple(blocked), worker)

    # --- moving

    @property
    def current(self) -> Stop | None:
        """The stop under the playhead; None when the code writes no command at all."""
        return self.stops[self.position] if self.stops else None

    def forward(self) -> Stop | None:
        """One stop on; the last one stays."""
        return self._go(self.position + 1)

    def back(self) -> Stop | None:
        """One stop back; the first one stays."""
        return self._go(self.position - 1)

    def at(self, index: int) -> Stop | None:
        """Go to the command with this ordinal in the run; None when there is none."""
        return self._find(lambda stop: stop.index == index, range(len(self.stops)))

    def next(self, wanted: Callable[[Stop], bool]) -> Stop | None:
        """Go to the next stop that `wanted` says yes to; None when none follows."""
        return self._find(wanted, range(self.position + 1, len(self.stops)))

    def previous(self, wanted: Callable[[Stop], bool]) -> Stop | None:
        """Go back to the last stop before that `wanted` says yes to; None when there is none."""
        return self._find(wanted, range(self.position - 1, -1, -1))

    def next_model_call(self) -> Stop | None:
        """Go to the next step that asks a model."""
        return self.next(lambda stop: stop.asks_model)

    def next_divergence(self) -> Stop | None:
        """Go to the next command that differs from the journal or is not in it."""
        return self.next(lambda stop: bool(stop.divergences) or stop.recorded_index is None)

    # --- asking

    def breakpoints(
        self, *, name: str | None = None, entry: int | None = None, expression: str | None = None
    ) -> list[int]:
        """Ordinals of the commands at which a breakpoint holds.

        Args:
            name: the step's name.
            entry: a journal index, of the command or of its result.
            expression: Python, true in the user's innermost frame; what raises counts as false.

        Raises:
            ReplayError: the expression is no Python.
        """
        found = [
            s.index
            for s in self.stops
            if (name is None or s.name == name)
            and (entry is None or entry in (s.entry, s.result_entry))
        ]
        if expression is None:
            return found
        document, _ = self._worker.request("snapshots", self.recording, expression=expression)
        return [index for index in found if index in document["hits"]]

    def report(self) -> Report:
        """The verdict and all differences."""
        from playhead.replay.replays import judged

        return judged(self._worker, self.recording)

    def what_if(
        self,
        changes: Mapping[int | str, Any],
        *,
        recorded: bool = True,
        answers: Mapping[str, Any] | None = None,
    ) -> WhatIfResult:
        """Change results and run on; see `playhead.replay.changes`. Nothing runs for real.

        Raises:
            ReplayError: a change names no result of this journal.
            WorkerError: the code crashed or took too long.
        """
        fields = request_fields(changes, recorded=recorded, answers=answers)
        document, blocked = self._worker.request("what_if", self.recording, **fields)
        return WhatIfResult.from_json({**document, "blocked": blocked})

    def close(self) -> None:
        """End the process that holds the code."""
        self._worker.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _go(self, position: int) -> Stop | None:
        self.position = max(0, min(position, len(self.stops) - 1))
        return self.current

    def _find(self, wanted: Callable[[Stop], bool], positions: range) -> Stop | None:
        for position in positions:
            if wanted(self.stops[position]):
                return self._go(position)
        return None
