"""The ingest queue: requests are logged on disk, acknowledged, and committed in large groups.

A request is acknowledged as soon as the request log has it on disk. Behind the acknowledgement, the
requests are decoded and committed to the store in the order of the log, many at a time. A recorder
that was killed commits the logged requests at its next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field

from playhead.errors import CommitError, QueueFullError, StoreError
from playhead.record.allocators import release_freed_memory
from playhead.record.committer import Committed, Committer
from playhead.record.ingest_progress import BusyShare, IngestProgress, Waiter
from playhead.record.otlp import Inspection
from playhead.record.request_log import FOLDER, LogEntry, RequestLog
from playhead.record.span_delays import SpanDelays
from playhead.store.arrow import ArrowTable
from playhead.store.background import Background
from playhead.store.database import Store

__all__ = ["Ingest", "IngestLimits"]

COMMIT_WEIGHT = 8 * 1024 * 1024
"""Weight up to which logged requests share a commit; see `Inspection.weight`."""
INHERIT_SECONDS = 0.2
"""Interval at which spans inherit the invocation of their ancestors while more spans arrive."""
INHERIT_SHARE = 0.2
"""Share of the time that this may take while more spans arrive."""
INHERIT_TRACES = 5000
LARGE_BYTES = 2 * 1024 * 1024
"""Size from which requests are parsed one at a time."""
CHECKPOINT_BYTES = 256 * 1024 * 1024
"""Size of the store's write-ahead log from which it is checkpointed while requests arrive.

It is checkpointed earlier when a row group has become full; see `playhead.store.row_groups`.
"""
LEAST_CHECKPOINT_BYTES = 32 * 1024 * 1024
"""Size below which it is not checkpointed, because that begins a row group that never gets full."""
MERGE_SECONDS = 600.0
"""Least time between two checkpoints that merge such row groups."""
IDLE_SECONDS = 2.0
"""Time without requests after which the store is checkpointed."""
RELEASE_WEIGHT = 64 * 1024 * 1024
"""Weight of committed requests after which freed memory is returned to the system."""
BUSY_SHARE = 0.3
"""Share of time above which queries do not wait for commits, which would double their time."""
BUSY_BYTES = 8 * 1024 * 1024
"""Size of the requests that are not committed from which it is so, too."""
READ_WEIGHT = 2 * 1024 * 1024
"""The same while clients read, so that the processor is free for them again soon."""
READ_SECONDS = 2.0
"""Time after a query during which clients are taken to read."""
YIELD_SECONDS = 0.05
"""Time that a query has for itself before the next commit starts."""
HOLD_SECONDS = 5.0
"""Longest time for which spans are not committed although nothing else is in their way."""
SETTLE_SECONDS = 0.5
"""Longest wait of a query for spans that are acknowledged but not committed yet."""
CROWDED_SECONDS = 0.1
"""The same while slow queries run, which delay commits."""
RETRY_SECONDS = 0.5
"""Pause after a failed commit."""
STOP_SECONDS = 6.0
"""Time for commits when the recorder stops; the log keeps the rest for the next start."""


@dataclass(frozen=True, slots=True)
class IngestLimits:
    """Limits of the ingest queue, in bytes."""

    memory: int = 256 * 1024 * 1024
    """Requests that are being read, checked and logged at the same time."""
    log: int = 2 * 1024 * 1024 * 1024
    """Requests that are logged but not committed."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Requests that are decoded and inserted together."""

    entries: Sequence[LogEntry]
    decoded: asyncio.Task[ArrowTable | None]


@dataclass(slots=True)
class _Held:
    """Requests whose spans are inserted, but not committed."""

    since: float
    entries: list[LogEntry] = field(default_factory=list[LogEntry])
    invocations: set[str] = field(default_factory=set[str])

    @property
    def bytes(self) -> int:
        """Return their size."""
        return sum(entry.length for entry in self.entries)


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
        self._store = store
        self._committer = Committer(store)
        self._threads = Background(2, "commit")
        try:
            self._log = RequestLog(store.folder / FOLDER)
        except OSError as error:
            raise StoreError(
                f"The request log {store.folder / FOLDER} cannot be used:"
                f" {error.filename or ''} {error.strerror or error}",
                "Move away what is at this path, or choose another folder with --store.",
            ) from error
        self._limits = limits
        self._clock = clock
        self._memory = 0
        self._weight = COMMIT_WEIGHT
        self._unreleased = 0
        """Weight of the requests that were committed since freed memory was returned."""
        self._load = BusyShare()
        self._next_merge = clock() + MERGE_SECONDS
        self._readers = 0
        self._last_read = -math.inf
        """Time when the last query started or ended."""
        self._unread = asyncio.Event()
        """Set while no query runs."""
        self._unread.set()
        self._queue = deque(self._log.recovered)
        self._ahead: _Group | None = None
        """The requests behind those that are being committed, which are decoded meanwhile."""
        self._held: _Held | None = None
        self._held_again = len(self._queue)
        """Number of committed requests from which spans may be held, after a failure or a crash.

        What came before is committed group by group, so that another one does not repeat it all.
        """
        self._queued_bytes = sum(entry.length for entry in self._queue)
        self._progress = IngestProgress(logged=len(self._queue))
        self._wake = asyncio.Event()
        self._large = asyncio.Semaphore(1)
        """A message of many tiny parts takes 30 times its size once parsed."""
        self._stopping = False
        self._is_failing = False
        """Whether the last commit failed, for example because the disk was full."""
        self._changed_traces = self._committer.open_traces if self._log.interrupted else set[str]()
        """Traces in which spans may inherit invocations."""
        self.delays = SpanDelays()
        self._changed = changed
        self._committed_in = committed_in
        self._watched = watched
        self.errors = 0
        self.last_error: str | None = None
        self.received = 0
        """Number of spans acknowledged since the start."""
        self.rejected: Counter[str] = Counter()
        """Number of spans rejected since the start, by reason."""
        self.refused = 0
        """Number of requests refused because the queue was full."""
        self.recovered = len(self._queue)
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
        if self._stopping or self._queued_bytes > self._limits.log:
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
        self._queue.append(entry)
        self._queued_bytes += entry.length
        self._progress.logged += 1
        self.received += inspection.spans
        self._wake.set()

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
        if not is_patient and timeout <= 0 and self._held is not None:
            # They would be visible already if anybody had read before.
            timeout, target = SETTLE_SECONDS, progress.committed + len(self._held.entries)
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
        if self._is_failing or self._load.share(self._clock()) > BUSY_SHARE:
            return True
        held = self._held.bytes if self._held is not None else 0
        return self._queued_bytes - held > BUSY_BYTES

    @contextlib.contextmanager
    def reading(self) -> Generator[None]:
        """Let commits wait for a query, which runs in the block."""
        self._readers += 1
        self._last_read = self._clock()
        self._unread.clear()
        try:
            yield
        finally:
            self._readers -= 1
            self._last_read = self._clock()
            if not self._readers:
                self._unread.set()

    async def run(self) -> None:
        """Commit submitted requests until `stop`, then the waiting ones."""
        try:
            await self._run()
        except BaseException:
            self._committer.abandon()  # or the store could not be closed
            raise

    async def _run(self) -> None:
        next_inherited = self._clock() + INHERIT_SECONDS
        deadline = float("inf")
        while not (self._stopping and not self._uncommitted):
            if not self._may_hold():
                await self._finish_held()
            if self._stopping:
                deadline = min(deadline, self._clock() + STOP_SECONDS)
                if self._clock() > deadline:
                    break
            if not self._uncommitted:
                await self._idle()
            if self._uncommitted:
                await self._commit()
            is_due = not self._uncommitted or self._clock() > next_inherited
            if self._changed_traces and self._held is None and is_due:
                began = self._clock()
                await self._inherit_invocations()
                now = self._clock()
                next_inherited = now + max(INHERIT_SECONDS, (now - began) / INHERIT_SHARE)
            self._settle()
        ahead, self._ahead = self._ahead, None
        await self._put_back(ahead)
        await self._finish_held()
        deadline = min(deadline, self._clock() + STOP_SECONDS)
        while self._changed_traces and self._clock() < deadline:
            await self._inherit_invocations()
        if not self._queue:
            self._log.trim()
        await asyncio.to_thread(self._log.close)

    @property
    def _uncommitted(self) -> bool:
        return bool(self._queue or self._ahead)

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
            await self._checkpoint()

    async def _checkpoint(self) -> None:
        try:
            await asyncio.to_thread(self._store.recover)
            merge = self._clock() > self._next_merge
            done = await asyncio.to_thread(
                self._committer.checkpoint, least_bytes=LEAST_CHECKPOINT_BYTES, merge=merge
            )
            if done and merge:
                self._next_merge = self._clock() + MERGE_SECONDS
            await self._release()
            self._log.trim()
        except Exception as error:
            self.note_error(str(error))

    async def _release(self) -> None:
        self._unreleased = 0
        await asyncio.to_thread(release_freed_memory)

    async def _yield_to_queries(self) -> bool:
        """Wait while queries run that started a moment ago; return whether clients read."""
        now = self._clock()
        pause = self._last_read + YIELD_SECONDS - now
        if self._readers and pause > 0 and not self._stopping:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._unread.wait()
        return self._readers > 0 or now - self._last_read < READ_SECONDS

    def _next_group(self, most: int) -> _Group:
        """Take requests up to a weight from the queue, at least one, and start to decode them."""
        entries: list[LogEntry] = []
        weight = 0
        while self._queue and (not entries or weight + self._queue[0].weight < most):
            entries.append(self._queue.popleft())
            weight += entries[-1].weight
        decoding = self._threads.run(self._committer.decode, entries)
        return _Group(entries, asyncio.create_task(decoding))

    async def _put_back(self, *groups: _Group | None) -> None:
        """Return requests to the queue, which are in order."""
        for group in reversed(groups):
            if group is not None:
                await group.decoded
                self._queue.extendleft(reversed(group.entries))

    async def _commit(self) -> None:
        reads = await self._yield_to_queries()
        most = min(self._weight, READ_WEIGHT) if reads else self._weight
        group, self._ahead = self._ahead or self._next_group(most), None
        began = self._clock()
        decoded = await group.decoded
        if self._queue and not reads:
            self._ahead = self._next_group(most)
        holds = self._may_hold(len(group.entries))
        try:
            committed = await self._threads.run(
                self._committer.commit, group.entries, decoded, holds=holds
            )
        except Exception as error:
            await self._put_back_failed(error, group)
            return
        ended = self._clock()
        self._is_failing = False
        self._load.add(began, ended)
        self._committed_in(ended - began)
        self._weight = min(self._weight * 2, COMMIT_WEIGHT)
        if committed.problem:
            self.note_error(committed.problem)
        self._unreleased += sum(entry.weight for entry in group.entries)
        self._changed_traces |= committed.traces
        if committed.has_earlier:
            self._note_committed()
        held = self._held = self._held or _Held(began)
        held.entries += group.entries
        held.invocations |= committed.invocations
        if not committed.is_held:
            self._note_committed()
        await self._checkpoint_full(committed)

    def _may_hold(self, more: int = 0) -> bool:
        """Return whether spans may wait for the commit of later ones, which saves much of it.

        Nobody reads or expects them, and no other writer waits.

        Args:
            more: Number of requests beside those that are held.
        """
        now, progress, held = self._clock(), self._progress, self._held
        inserted = progress.committed + (len(held.entries) if held is not None else 0) + more
        return not (
            self._stopping
            or not self._uncommitted
            or self._changed_traces
            or self._readers
            or now - self._last_read < READ_SECONDS
            or self._watched()
            or any(not one.is_patient or one.target <= inserted for one in progress.waiters)
            or (held is not None and now - held.since > HOLD_SECONDS)
            or progress.committed < self._held_again
            or self._store.is_wanted
        )

    async def _finish_held(self) -> None:
        """Commit what is held."""
        if self._held is None:
            return
        began = self._clock()
        try:
            await self._threads.run(self._committer.finish)
        except Exception as error:
            await self._put_back_failed(error)
            return
        self._load.add(began, self._clock())
        self._note_committed()
        self._settle()

    def _note_committed(self) -> None:
        """Forget what is held, because it is committed."""
        held, self._held = self._held, None
        if held is not None:
            self._log.cut(held.entries)
            self._queued_bytes -= held.bytes
            self._progress.committed += len(held.entries)
            self._changed(held.invocations)

    async def _put_back_failed(self, error: Exception, *groups: _Group) -> None:
        """Return what could not be committed to the queue: the log keeps it until it is."""
        self.note_error(str(error))
        self._is_failing = True
        self._progress.give_up()
        ahead, self._ahead = self._ahead, None
        await self._put_back(*groups, ahead)
        held, self._held = self._held, None
        if held is not None:
            self._queue.extendleft(reversed(held.entries))
            # Commits of single groups find the request that is the reason.
            failed = len(held.entries) + sum(len(group.entries) for group in groups)
            self._held_again = self._progress.committed + failed
        self._weight = max(self._weight // 4, 1)
        if not self._stopping:
            await asyncio.sleep(RETRY_SECONDS)

    async def _checkpoint_full(self, committed: Committed) -> None:
        """Checkpoint the store if its write-ahead log is large; return freed memory."""
        merges = self._clock() > self._next_merge
        most = LEAST_CHECKPOINT_BYTES if merges else CHECKPOINT_BYTES
        if self._held is None and self._store.log_bytes() > most:
            await self._checkpoint()
        elif committed.checkpointed:
            await self._release()
            self._log.trim()
        elif self._unreleased > RELEASE_WEIGHT:
            await self._release()

    def _settle(self) -> None:
        if not self._changed_traces:
            self._progress.settled = self._progress.committed
            self._progress.wake()

    async def _inherit_invocations(self) -> None:
        count = min(len(self._changed_traces), INHERIT_TRACES)
        traces = [self._changed_traces.pop() for _ in range(count)]
        try:
            self._changed(await self._threads.run(self._committer.inherit, traces))
        except Exception as error:
            self.note_error(str(error))
            self._changed_traces.update(traces)
            self._progress.give_up()
            await asyncio.sleep(0 if self._stopping else RETRY_SECONDS)

    def note_error(self, error: str) -> None:
        """Count an error, and show it as the last one."""
        self.errors += 1
        self.last_error = error
