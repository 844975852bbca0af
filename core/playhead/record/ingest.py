"""From decoded requests to committed rows: requests that wait together share a commit."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from playhead.record.otlp import Spans
from playhead.store.database import Store
from playhead.store.span_invocations import resolve
from playhead.store.span_writer import SpanWriter

__all__ = ["CommitError", "Ingest", "QueueFullError"]

COMMIT_SPANS = 8192
"""A commit takes waiting requests up to about this many spans."""
RESOLVE_SECONDS = 0.2
"""How often inherited invocation ids are filled in while spans stream in."""
RESOLVE_TRACES = 5000
IDLE_SECONDS = 2.0
"""The store is checkpointed when no request came for so long."""


class QueueFullError(Exception):
    """Too much waits to be committed; the sender shall try again."""


class CommitError(Exception):
    """The store could not take the rows; nothing of the request is acknowledged."""


@dataclass(frozen=True, slots=True)
class _Request:
    spans: Spans
    size: int
    done: asyncio.Future[None]


class Ingest:
    """A bounded queue in front of the one writer."""

    def __init__(
        self,
        store: Store,
        *,
        capacity: int = 64 * 1024 * 1024,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; `run` does the work.

        Args:
            store: where rows go.
            capacity: bytes of requests that may be decoded or wait at a time.
            clock: seconds, ascending.
        """
        self._store = store
        self._writer = SpanWriter(store)
        self._capacity = capacity
        self._clock = clock
        self._held = 0
        self._waiting: deque[_Request] = deque()
        self._wake = asyncio.Event()
        self._stopping = False
        self._unresolved: set[str] = set()
        self.errors = 0
        self.last_error: str | None = None
        self.rejected = 0
        """Spans that could not be stored since the start."""

    @property
    def spans(self) -> int:
        """Number of spans in the store."""
        return len(self._writer)

    @property
    def waiting(self) -> int:
        """Number of requests that wait for a commit."""
        return len(self._waiting)

    async def submit(self, decode: Callable[[], Spans], size: int) -> Spans:
        """Decode and commit a request; its rows are durable when this returns.

        Args:
            decode: makes the rows, in a thread of its own; what it raises comes out here.
            size: bytes of the request, for the limit.

        Raises:
            QueueFullError: over the limit, or the recorder is stopping.
            CommitError: the rows could not be committed.
        """
        if self._stopping or (self._held and self._held + size > self._capacity):
            raise QueueFullError
        self._held += size
        queued = False
        try:
            spans = await asyncio.to_thread(decode)
            self.rejected += spans.rejected
            if not spans.rows:
                return spans
            request = _Request(spans, size, asyncio.get_running_loop().create_future())
            self._waiting.append(request)
            queued = True
            self._wake.set()
        finally:
            if not queued:
                self._held -= size
                self._wake.set()
        await request.done
        return spans

    async def run(self) -> None:
        """Commit what is submitted until `stop`, then what still waits."""
        resolved = self._clock()
        while not (self._stopping and self._held == 0):
            if not self._waiting:
                await self._idle()
            if self._waiting:
                await self._commit()
            if self._unresolved and (
                not self._waiting or self._clock() - resolved > RESOLVE_SECONDS
            ):
                await self._resolve()
                resolved = self._clock()
        while self._unresolved:
            await self._resolve()

    def stop(self) -> None:
        """Take nothing more; `run` ends when what waits is committed."""
        self._stopping = True
        self._wake.set()

    async def _idle(self) -> None:
        """Wait for a request; checkpoint when none comes."""
        self._wake.clear()
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            try:
                await asyncio.to_thread(self._store.checkpoint)
            except Exception as error:
                self._note(error)

    async def _commit(self) -> None:
        group: list[_Request] = []
        count = 0
        while self._waiting and (not group or count < COMMIT_SPANS):
            request = self._waiting.popleft()
            group.append(request)
            count += len(request.spans.rows)
        try:
            written = await asyncio.to_thread(
                self._writer.write, (row for request in group for row in request.spans.rows)
            )
        except Exception as error:  # the senders hear of it, and try again
            self._note(error)
            self._answer(group, CommitError(str(error)))
        else:
            self._unresolved |= written.traces
            self._answer(group, None)

    def _answer(self, group: list[_Request], error: Exception | None) -> None:
        for request in group:
            self._held -= request.size
            if request.done.done():
                continue  # its sender has gone
            if error is None:
                request.done.set_result(None)
            else:
                request.done.set_exception(error)

    async def _resolve(self) -> None:
        count = min(len(self._unresolved), RESOLVE_TRACES)
        traces = [self._unresolved.pop() for _ in range(count)]
        try:
            await asyncio.to_thread(resolve, self._store, traces)
        except Exception as error:
            self._note(error)

    def _note(self, error: Exception) -> None:
        self.errors += 1
        self.last_error = str(error)
