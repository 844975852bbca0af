"""The ingest queue: requests are logged on disk, acknowledged, and committed behind the answer.

A request is acknowledged as soon as the request log has it on disk. `SpanCommits` commits it to the
store. A recorder that was killed commits the logged requests at its next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from playhead.errors import CommitError, QueueFullError, StoreError
from playhead.record.ingest.commits import SpanCommits
from playhead.record.ingest.committer import Committer
from playhead.record.ingest.progress import IngestProgress, Waiter
from playhead.record.ingest.readers import Readers
from playhead.record.ingest.request_log import FOLDER, RequestLog
from playhead.record.ingest.span_delays import SpanDelays
from playhead.record.otlp.requests import Inspection
from playhead.store.database import Store

__all__ = ["Ingest", "IngestLimits"]

LARGE_BYTES = 2 * 1024 * 1024
"""Size from which requests are parsed one at a time."""
SETTLE_SECONDS = 0.5
"""Longest wait of a query for spans that are acknowledged but not committed yet."""
CROWDED_SECONDS = 0.1
"""The same while slow queries run, which delay commits."""


@dataclass(frozen=True, slots=True)
class IngestLimits:
    """Limits of the ingest queue, in bytes."""

    memory: int = 256 * 1024 * 1024
    """Requests that are being read, checked and logged at the same time."""
    log: int = 2 * 1024 * 1024 * 1024
    """Requests that are logged but not committed."""


def _ignore(_: object) -> None:
    return None


class Ingest:
    """A bounded queue in front of the span writer."""

    def __init__(
        self,
        store: Store,
        *,
        limits: IngestLimits = IngestLimits(),
        clock: Callable[[], float] = time.monotonic,
        changed: Callable[[Iterable[str]], object] = _ignore,
        committed_in: Callable[[float], object] = _ignore,
        watched: Callable[[], bool] = bool,
    ) -> None:
        """Open the request log; `run` commits what it has, then the submitted requests.

        Args:
            store: Store that receives the spans.
            limits: Limits in bytes.
            clock: Monotonic time in seconds.
            changed: Takes the ids of invocations whose spans have been committed.
            committed_in: Takes the duration of each commit in seconds.
            watched: Returns whether somebody waits for the next change.

        Raises:
            StoreError: The folder of the request log cannot be used.
        """
        self._committer = Committer(store)
        try:
            self._log = RequestLog(store.folder / FOLDER)
        except OSError as error:
            raise StoreError(
                f"The request log {store.folder / FOLDER} cannot be used:"
                f" {error.filename or ''} {error.strerror or error}",
                "Move away what is at this path, or choose another folder with --store.",
            ) from error
        self._limits = limits
        self._memory = 0
        self._readers = Readers(clock)
        self._progress = IngestProgress(logged=len(self._log.recovered))
        self._commits = SpanCommits(
            store,
            self._committer,
            self._log,
            self._progress,
            self._readers,
            clock=clock,
            changed=changed,
            committed_in=committed_in,
            watched=watched,
            failed=self.note_error,
        )
        self._large = asyncio.Semaphore(1)
        """A message of many tiny parts takes 30 times its size once parsed."""
        self._stopping = False
        self.delays = SpanDelays()
        self.errors = 0
        self.last_error: str | None = None
        self.received = 0
        """Number of spans acknowledged since the start."""
        self.rejected: Counter[str] = Counter()
        """Number of spans rejected since the start, by reason."""
        self.refused = 0
        """Number of requests refused because the queue was full."""
        self.recovered = len(self._log.recovered)
        """Number of requests that a previous process had acknowledged but not committed."""
        self.damaged_bytes = self._log.damaged
        """Bytes of the log that could not be recovered."""

    @property
    def spans(self) -> int:
        """Return the number of spans in the store."""
        return self._committer.spans

    @property
    def repeated(self) -> int:
        """Return the number of committed spans since the start that were stored already."""
        return self._committer.repeated

    @property
    def set_aside(self) -> int:
        """Return the number of requests that could not be stored; see `Committer.set_aside`."""
        return self._committer.set_aside

    @property
    def waiting(self) -> int:
        """Return the number of requests that are acknowledged but not committed."""
        return self._progress.logged - self._progress.committed

    @property
    def memory_bytes(self) -> int:
        """Return the size of the requests that are being read, checked and logged."""
        return self._memory

    @property
    def log_bytes(self) -> int:
        """Return the size of the request log."""
        return self._log.bytes

    def reserve(self, size: int) -> None:
        """Count bytes of a request towards the memory limit; `release` them afterwards.

        Raises:
            QueueFullError: The limit is reached, or the recorder is stopping.
        """
        if self._stopping or (self._memory and self._memory + size > self._limits.memory):
            self.refused += 1
            raise QueueFullError
        self._memory += size

    def release(self, size: int) -> None:
        """Give back bytes that `reserve` counted."""
        self._memory -= size

    async def submit(self, size: int, inspect: Callable[[], Inspection]) -> Inspection:
        """Check and log a request; its spans are durable when this returns.

        Args:
            size: Bytes of the request.
            inspect: Checks the request in another thread; its exceptions are raised here.

        Raises:
            QueueFullError: The queue is full, or the recorder is stopping.
            CommitError: The disk refused the request.
        """
        if self._stopping or self._commits.queued_bytes > self._limits.log:
            self.refused += 1
            raise QueueFullError
        async with self._large if size > LARGE_BYTES else contextlib.nullcontext():
            inspection = await asyncio.to_thread(inspect)
        self.rejected.update(inspection.reasons)
        self.delays.note(inspection.first_ends)
        if inspection.spans:
            # A sender that disconnects now does not stop the commit of a request in the log.
            await asyncio.shield(asyncio.create_task(self._append(inspection)))
        return inspection

    async def _append(self, inspection: Inspection) -> None:
        try:
            entry = await self._log.append(inspection.body, inspection.weight)
        except CommitError as error:
            self.note_error(str(error))
            raise
        self._progress.logged += 1
        self.received += inspection.spans
        self._commits.add(entry)

    async def settled(
        self, timeout: float | None = None, *, crowded: Callable[[], bool] = bool
    ) -> bool:
        """Wait until queries see every request acknowledged so far; return whether they do.

        Args:
            timeout: Maximum time to wait, in seconds; None waits shortly unless the recorder is
                busy, or its commits fail.
            crowded: Whether slow queries run, which delay commits; None waits shorter then.
        """
        progress = self._progress
        is_patient = timeout is not None
        if timeout is None:
            timeout = 0.0 if self.busy else SETTLE_SECONDS
        logged = target = progress.logged
        if progress.settled >= logged:
            return True
        if not is_patient and timeout <= 0 and self._commits.held:
            # They would be visible already if anybody had read before.
            timeout, target = SETTLE_SECONDS, progress.committed + self._commits.held
        if timeout <= 0:
            return False
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        progress.waiters.append(Waiter(target, future, is_patient))
        ends = loop.time() + timeout
        try:
            while (left := ends - loop.time()) > 0:
                # Queries can become slow meanwhile.
                await asyncio.wait([future], timeout=min(left, CROWDED_SECONDS))
                if future.done() or (not is_patient and crowded()):
                    break
            return future.done() and future.result() and progress.settled >= logged
        finally:
            future.cancel()

    @property
    def busy(self) -> bool:
        """Return whether commits have taken most of the last seconds, are behind, or fail."""
        return self._commits.is_busy

    def reading(self) -> contextlib.AbstractContextManager[None]:
        """Let commits wait for a query, which runs in the block."""
        return self._readers.reading()

    async def run(self) -> None:
        """Commit submitted requests until `stop`, then the waiting ones."""
        await self._commits.run()

    def stop(self) -> None:
        """Refuse new requests; `run` ends when the waiting ones are committed."""
        self._stopping = True
        self._commits.stop()

    def note_error(self, error: str) -> None:
        """Count an error, and show it as the last one."""
        self.errors += 1
        self.last_error = error
