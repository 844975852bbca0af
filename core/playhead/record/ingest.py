"""The ingest queue: requests that are waiting at the same time share a commit."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from playhead.errors import CommitError, QueueFullError
from playhead.record.otlp import DecodedSpans
from playhead.record.span_delays import SpanDelays
from playhead.store.database import Store
from playhead.store.span_invocations import inherit_invocations
from playhead.store.span_writer import SpanWriter

__all__ = ["Ingest"]

COMMIT_SPANS = 8192
"""Number of spans, approximately, up to which waiting requests share a commit."""
INHERIT_SECONDS = 0.2
"""Interval at which spans inherit the invocation of their ancestors while more spans arrive."""
INHERIT_TRACES = 5000
IDLE_SECONDS = 2.0
"""Time without requests after which the store is checkpointed."""


@dataclass(frozen=True, slots=True)
class _Request:
    spans: DecodedSpans
    size: int
    done: asyncio.Future[None]


def _ignore(_: object) -> None:
    return None


class Ingest:
    """A bounded queue in front of the span writer."""

    def __init__(
        self,
        store: Store,
        *,
        capacity: int = 64 * 1024 * 1024,
        clock: Callable[[], float] = time.monotonic,
        changed: Callable[[Iterable[str]], object] = _ignore,
    ) -> None:
        """Create an empty queue; `run` commits the submitted requests.

        Args:
            store: Store that receives the spans.
            capacity: Bytes of requests that may be decoded or waiting at a time.
            clock: Monotonic time in seconds.
            changed: Takes the ids of invocations whose spans have been committed.
        """
        self._store = store
        self._writer = SpanWriter(store)
        self._capacity = capacity
        self._clock = clock
        self._bytes = 0
        self._waiting: deque[_Request] = deque()
        self._wake = asyncio.Event()
        self._stopping = False
        self._changed_traces: set[str] = set()
        self.delays = SpanDelays()
        self._changed = changed
        self.errors = 0
        self.last_error: str | None = None
        self.rejected = 0
        """Number of spans rejected since the start."""
        self.refused = 0
        """Number of requests refused because the queue was full."""

    @property
    def spans(self) -> int:
        """Return the number of spans in the store."""
        return len(self._writer)

    @property
    def waiting(self) -> int:
        """Return the number of requests that are waiting for a commit."""
        return len(self._waiting)

    async def submit(self, decode: Callable[[], DecodedSpans], size: int) -> DecodedSpans:
        """Decode and commit a request; its spans are durable when this returns.

        Args:
            decode: Decodes the request in another thread; its exceptions are raised here.
            size: Bytes of the request, which count towards the capacity.

        Raises:
            QueueFullError: The queue is full, or the recorder is stopping.
            CommitError: The store failed to write the spans.
        """
        if self._stopping or (self._bytes and self._bytes + size > self._capacity):
            self.refused += 1
            raise QueueFullError
        self._bytes += size
        queued = False
        try:
            spans = await asyncio.to_thread(decode)
            self.rejected += spans.rejected
            self.delays.note(spans.rows)
            if not spans.rows:
                return spans
            request = _Request(spans, size, asyncio.get_running_loop().create_future())
            self._waiting.append(request)
            queued = True
            self._wake.set()
        finally:
            if not queued:
                self._bytes -= size
                self._wake.set()
        await request.done
        return spans

    async def run(self) -> None:
        """Commit submitted requests until `stop`, then the waiting ones."""
        last_inherited = self._clock()
        while not (self._stopping and self._bytes == 0):
            if not self._waiting:
                await self._idle()
            if self._waiting:
                await self._commit()
            if self._changed_traces and (
                not self._waiting or self._clock() - last_inherited > INHERIT_SECONDS
            ):
                await self._inherit_invocations()
                last_inherited = self._clock()
        while self._changed_traces:
            await self._inherit_invocations()

    def stop(self) -> None:
        """Refuse new requests; `run` ends when the waiting ones are committed."""
        self._stopping = True
        self._wake.set()

    async def _idle(self) -> None:
        """Wait for a request; checkpoint the store when none arrives."""
        self._wake.clear()
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            try:
                await asyncio.to_thread(self._store.checkpoint)
            except Exception as error:
                self._record_error(error)

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
        except Exception as error:  # the senders get the error, and retry
            self._record_error(error)
            self._answer(group, CommitError(f"The store failed to write the spans: {error}"))
        else:
            self._changed_traces |= written.traces
            self._answer(group, None)
            self._changed(written.invocations)

    def _answer(self, group: list[_Request], error: Exception | None) -> None:
        for request in group:
            self._bytes -= request.size
            if request.done.done():
                continue  # its sender has disconnected
            if error is None:
                request.done.set_result(None)
            else:
                request.done.set_exception(error)

    async def _inherit_invocations(self) -> None:
        count = min(len(self._changed_traces), INHERIT_TRACES)
        traces = [self._changed_traces.pop() for _ in range(count)]
        try:
            self._changed(await asyncio.to_thread(inherit_invocations, self._store, traces))
        except Exception as error:
            self._record_error(error)

    def _record_error(self, error: Exception) -> None:
        self.errors += 1
        self.last_error = str(error)
