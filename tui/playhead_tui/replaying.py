"""A recording and the user's code in a process of its own, as a screen asks for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from playhead.errors import ReplayError
from playhead.replay import Recording, Report, Session, Stop, WhatIfResult
from playhead.replay.changes import request_fields
from playhead.replay.replays import judged
from playhead.replay.worker import SECONDS, Worker

from playhead_tui.interfaces import Code

__all__ = ["Replayer", "WhatIf"]

Result = TypeVar("Result")


@dataclass(frozen=True)
class WhatIf:
    """A question: what, had these results been others?"""

    changes: Mapping[int | str, Any]
    """New results by ordinal of the command, `awakeable:N` or `signal:NAME`."""
    recorded: bool = True
    """Whether equal steps after the change are answered from the recording."""
    answers: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Results by name, for steps that the recording does not know."""
    live: tuple[str, ...] = ()
    """Names of the steps that really run."""


class Replayer:
    """Runs one app on one recording. All blocking work is done in one thread of its own.

    The child ends with the thread that started it (PR_SET_PDEATHSIG), so there is only one.
    """

    def __init__(self, code: Code, recording: Recording, *, seconds: float = SECONDS) -> None:
        self.code = code
        self.recording = recording
        self.closed = False
        self._thread = ThreadPoolExecutor(1, "replay")
        self.seconds = seconds
        """How long the code may take for one question."""
        self._worker = Worker(code.app, folder=code.folder or None, seconds=seconds)
        self._live: Worker | None = None

    async def start(self) -> None:
        """Import the app.

        Raises:
            AppError: it cannot be loaded.
            WorkerError: importing it crashed the process or took too long.
        """
        await self._call(self._worker.start)

    async def session(self) -> Session:
        """Go through the recording once and keep all stops.

        Raises:
            ReplayError: the recording cannot be replayed, or the code crashed or took too long.
        """

        def run() -> Session:
            document, blocked = self._worker.request("snapshots", self.recording)
            stops = tuple(Stop.from_json(stop) for stop in document["stops"])
            return Session(self.recording, stops, tuple(blocked), self._worker)

        return await self._call(run)

    async def report(self, *, explained: bool = True) -> Report:
        """The verdict; what goes wrong makes it `refused`."""
        return await self._call(lambda: judged(self._worker, self.recording, explained=explained))

    async def hits(self, session: Session, expression: str) -> frozenset[int]:
        """Ordinals of the commands at which a Python expression is true.

        Raises:
            ReplayError: it is no Python, or the code crashed or took too long.
        """
        return await self._call(lambda: frozenset(session.breakpoints(expression=expression)))

    async def what_if(self, question: WhatIf) -> WhatIfResult:
        """Run on with changed results; only steps named as live reach the world outside.

        Raises:
            ReplayError: a change names no result, or the code crashed or took too long.
        """
        fields = request_fields(
            question.changes, recorded=question.recorded, answers=question.answers
        )

        def run() -> WhatIfResult:
            worker = self._worker
            if question.live:
                worker = self._live = Worker(
                    self.code.app, folder=self.code.folder or None, seconds=self.seconds, live=True
                )
            try:
                document, blocked = worker.request(
                    "what_if", self.recording, live=list(question.live), **fields
                )
            finally:
                if worker is not self._worker:
                    worker.__exit__(None, None, None)
            return WhatIfResult.from_json({**document, "blocked": blocked})

        return await self._call(run)

    def close(self) -> None:
        """End the process now, whatever it does; what still waits for it gets an error."""
        if self.closed:
            return
        self.closed = True
        for worker in (self._worker, self._live):
            if worker:
                worker.interrupt()
        self._thread.submit(self._worker.__exit__, None, None, None)
        self._thread.shutdown(wait=False)

    async def _call(self, work: Callable[[], Result]) -> Result:
        if self.closed:
            raise ReplayError("The replay was given up.")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
