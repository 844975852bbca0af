"""Stepping through a recording under today's code, with what-if questions."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from playhead.errors import ReplayError
from playhead.replay.replays import loaded
from playhead.replay.report import Report
from playhead.replay.stop import Stop
from playhead.replay.what_ifs import Changes, LivePlan, WhatIfQuestion, WhatIfResult
from playhead.replay.worker import TIMEOUT, Worker

if TYPE_CHECKING:
    from playhead.journal.recording import Recording

__all__ = ["Replayer", "Session"]

_JOURNAL_INDEX = re.compile(r"#?(\d+)")
_ORDINAL = re.compile(r"command (\d+)")
_Result = TypeVar("_Result")


@dataclass
class Session:
    """A recording opened with an app; the playhead is at one of its stops.

    Blocks while the code runs: in an event loop, use `Replayer`. Not safe for use by several
    threads at once.
    """

    recording: Recording
    stops: tuple[Stop, ...]
    blocked: tuple[str, ...]
    """Side effects that the code attempted and the replay blocked."""
    _worker: Worker = field(repr=False)
    position: int = 0
    """Index into `stops`."""

    @classmethod
    def open(
        cls,
        app: str,
        recording: Recording | Path | str,
        *,
        app_dir: Path | str | None = None,
        timeout: float = TIMEOUT,
        env: Collection[str] = (),
        require_isolation: bool = False,
    ) -> Session:
        """Run the recording once and keep all its stops; close the session afterwards.

        Args:
            app: `module:attribute` of the Restate app.
            recording: A recording, or the path of its file.
            app_dir: Directory to import the app from; by default, the current directory.
            timeout: Time limit of each run, in seconds.
            env: Names of environment variables that the app needs.
            require_isolation: Refuse to run the app unless the operating system isolates it.

        Raises:
            AppError: The app cannot be imported or does not serve the handler.
            IsolationError: The system does not isolate it, and `require_isolation` is set.
            RecordingError: The file is not a recording.
            WorkerError: The code crashed or exceeded the time limit.
        """
        source = loaded(recording)
        worker = Worker(
            app, app_dir=app_dir, timeout=timeout, env=env, require_isolation=require_isolation
        )
        try:
            return cls.within(worker, source)
        except ReplayError:
            worker.close()
            raise

    @classmethod
    def within(cls, worker: Worker, recording: Recording) -> Session:
        """Open a recording in a running process; raises as `open` does."""
        stops, blocked = worker.stops(recording)
        return cls(recording, stops, blocked, worker)

    # --- moving

    @property
    def current(self) -> Stop | None:
        """The stop under the playhead; None if the code writes no command at all."""
        return self.stops[self.position] if self.stops else None

    def forward(self) -> Stop | None:
        """Move to the next stop, or stay at the last one."""
        return self._go(self.position + 1)

    def back(self) -> Stop | None:
        """Move to the previous stop, or stay at the first one."""
        return self._go(self.position - 1)

    def at(self, journal_index: int) -> Stop | None:
        """Move to the command or the result with this journal index; None if not found."""
        return self._to_first(self.breakpoints(journal_index=journal_index))

    def at_command(self, command_index: int) -> Stop | None:
        """Move to the command with this ordinal in the run (Input is 0); None if not found."""
        return self._to_first([command_index])

    def find(self, place: str) -> Stop | None:
        """Move to a place given as text; None if the run has no such place.

        Args:
            place: `#12` or `12` (journal index), `command 2` (ordinal in the run), a step's name,
                or a Python expression that is true in the user's innermost frame.

        Raises:
            ReplayError: The expression is not valid Python.
        """
        if found := _JOURNAL_INDEX.fullmatch(place):
            return self.at(int(found[1]))
        if found := _ORDINAL.fullmatch(place):
            return self.at_command(int(found[1]))
        return self._to_first(self.breakpoints(name=place) or self.breakpoints(expression=place))

    def next(self, wanted: Callable[[Stop], bool]) -> Stop | None:
        """Move to the next stop for which `wanted` returns true; None if none follows."""
        return self._find(wanted, range(self.position + 1, len(self.stops)))

    def previous(self, wanted: Callable[[Stop], bool]) -> Stop | None:
        """Move to the last earlier stop for which `wanted` returns true; None if not found."""
        return self._find(wanted, range(self.position - 1, -1, -1))

    def next_model_call(self) -> Stop | None:
        """Move to the next model call."""
        return self.next(lambda stop: stop.asks_model)

    def next_divergence(self) -> Stop | None:
        """Move to the next command that differs from the journal or is missing in it."""
        return self.next(lambda stop: stop.differs)

    # --- questions

    def breakpoints(
        self,
        *,
        name: str | None = None,
        journal_index: int | None = None,
        expression: str | None = None,
    ) -> list[int]:
        """Return the ordinals of the commands at which all given conditions hold.

        Args:
            name: The step's name.
            journal_index: Journal index of the command or of its result.
            expression: Python, true in the user's innermost frame; an exception counts as false.

        Raises:
            ReplayError: The expression is not valid Python.
        """
        found = [
            s.command_index
            for s in self.stops
            if (name is None or s.name == name)
            and (journal_index is None or journal_index in (s.journal_index, s.notification_index))
        ]
        if expression is None:
            return found
        hits = self._worker.hits(self.recording, expression)
        return [index for index in found if index in hits]

    def report(self, *, explain: bool = True) -> Report:
        """Return the verdict and all differences."""
        return self._worker.report(self.recording, explain=explain)

    def what_if(
        self,
        changes: Changes,
        *,
        recorded: bool = True,
        answers: Mapping[str, Any] | None = None,
    ) -> WhatIfResult:
        """Run the code with changed results, without live steps. See `playhead.replay.what_if`.

        Raises:
            ReplayError: A change does not name a result of the journal.
            WorkerError: The code crashed or exceeded the time limit.
        """
        question = WhatIfQuestion(dict(changes.items()), recorded, answers or {})
        return self._worker.what_if(self.recording, question)

    def close(self) -> None:
        """End the process that runs the code."""
        self._worker.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _go(self, position: int) -> Stop | None:
        self.position = max(0, min(position, len(self.stops) - 1))
        return self.current

    def _to_first(self, command_indexes: list[int]) -> Stop | None:
        first = command_indexes[0] if command_indexes else None
        return self._find(lambda stop: stop.command_index == first, range(len(self.stops)))

    def _find(self, wanted: Callable[[Stop], bool], positions: range) -> Stop | None:
        for position in positions:
            if wanted(self.stops[position]):
                return self._go(position)
        return None


class Replayer:
    """Replays one recording with one app, for event loops.

    All blocking work happens in one thread: the child process ends with the thread that started
    it (PR_SET_PDEATHSIG).
    """

    def __init__(
        self,
        app: str,
        recording: Recording,
        *,
        app_dir: Path | str | None = None,
        timeout: float = TIMEOUT,
        env: Collection[str] = (),
        require_isolation: bool = False,
    ) -> None:
        """Configure the replay; the process starts with `start` or the first request.

        Args:
            app: `module:attribute` of the Restate app.
            recording: Recording to replay.
            app_dir: Directory to import the app from; by default, the current directory.
            timeout: Time limit of each request, in seconds.
            env: Names of environment variables that the app needs.
            require_isolation: Refuse to run the app unless the operating system isolates it.
        """
        self.app = app
        self.recording = recording
        self.closed = False
        self._app_dir = app_dir
        self._timeout = timeout
        self._thread = ThreadPoolExecutor(1, "replay")
        self._env = tuple(env)
        self._worker = Worker(
            app, app_dir=app_dir, timeout=timeout, env=env, require_isolation=require_isolation
        )
        self._live: Worker | None = None

    async def start(self) -> None:
        """Import the app.

        Raises:
            AppError: The app cannot be imported.
            WorkerError: Importing it crashed the process or took too long.
        """
        await self._call(self._worker.start)

    async def session(self) -> Session:
        """Run the recording once and return all its stops.

        Raises:
            ReplayError: The recording cannot be replayed, or the code crashed or exceeded the time
                limit.
        """
        return await self._call(lambda: Session.within(self._worker, self.recording))

    async def report(self, recording: Recording | None = None, *, explain: bool = True) -> Report:
        """Return the verdict and all differences; an error makes the verdict `refused`.

        Args:
            recording: Another recording to replay with the same app, in the same process.
            explain: List all differences, not only the first one that the SDK refuses.
        """
        source = recording or self.recording
        return await self._call(lambda: self._worker.report(source, explain=explain))

    async def hits(self, session: Session, expression: str) -> frozenset[int]:
        """Return the ordinals of the commands at which a Python expression is true.

        Raises:
            ReplayError: The expression is not valid Python, or the code crashed or exceeded the
                time limit.
        """
        return await self._call(lambda: frozenset(session.breakpoints(expression=expression)))

    async def what_if(self, question: WhatIfQuestion) -> WhatIfResult:
        """Run the code with changed results; only the steps in `question.live` are executed.

        Raises:
            ReplayError: A change does not name a result, or the code crashed or exceeded the time
                limit.
        """
        return await self._call(lambda: self._what_if(question))

    async def live_plan(self, question: WhatIfQuestion) -> LivePlan:
        """Return the steps that `what_if` would execute for real, without executing one.

        Raises: as `what_if` does.
        """
        return await self._call(lambda: self._worker.live_plan(self.recording, question))

    def close(self) -> None:
        """End the process at once; a request in progress raises."""
        if self.closed:
            return
        self.closed = True
        for worker in (self._worker, self._live):
            if worker:
                worker.interrupt()
        self._thread.submit(self._worker.close)
        self._thread.shutdown(wait=False)

    def _what_if(self, question: WhatIfQuestion) -> WhatIfResult:
        if not question.live:
            return self._worker.what_if(self.recording, question)
        with Worker(
            self.app, app_dir=self._app_dir, timeout=self._timeout, live=True, env=self._env
        ) as worker:
            self._live = worker
            if self.closed:
                worker.interrupt()
            try:
                return worker.what_if(self.recording, question)
            finally:
                self._live = None

    async def _call(self, work: Callable[[], _Result]) -> _Result:
        if self.closed:
            raise ReplayError("The replay was closed")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
