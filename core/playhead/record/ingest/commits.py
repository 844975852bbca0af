"""The commits of logged requests: in the order of the log, many at a time, behind their answers.

Requests are decoded while earlier ones are inserted. Spans of several groups may share a
transaction while nobody needs to see them. What fails is tried again in smaller groups.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from playhead.record.ingest.checkpoints import Checkpoints
from playhead.record.ingest.committer import Committer
from playhead.record.ingest.progress import BusyShare, IngestProgress
from playhead.record.ingest.readers import Readers
from playhead.record.ingest.request_log import LogEntry, RequestLog
from playhead.store.arrow import ArrowTable
from playhead.store.background import Background
from playhead.store.database import Store

__all__ = ["SpanCommits"]

COMMIT_WEIGHT = 8 * 1024 * 1024
"""Weight up to which logged requests share a commit; see `Inspection.weight`."""
READ_WEIGHT = 4 * 1024 * 1024
"""The same while clients read, so that the processor is free for them again soon."""
INHERIT_SECONDS = 0.2
"""Interval at which spans inherit the invocation of their ancestors while more spans arrive."""
INHERIT_SHARE = 0.2
"""Share of the time that this may take while more spans arrive."""
INHERIT_TRACES = 5000
IDLE_SECONDS = 2.0
"""Time without requests after which the store is checkpointed."""
BUSY_SHARE = 0.3
"""Share of time above which queries do not wait for commits, which would double their time."""
BUSY_BYTES = 8 * 1024 * 1024
"""Size of the requests that are not committed from which it is so, too."""
HOLD_SECONDS = 5.0
"""Longest time for which spans are not committed although nothing else is in their way."""
RETRY_SECONDS = 0.5
"""Pause after a failed commit."""
STOP_SECONDS = 6.0
"""Time for commits when the recorder stops; the log keeps the rest for the next start."""


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


class SpanCommits:
    """The queue of logged requests, and what is inserted but not committed."""

    def __init__(
        self,
        store: Store,
        committer: Committer,
        log: RequestLog,
        progress: IngestProgress,
        readers: Readers,
        *,
        clock: Callable[[], float],
        changed: Callable[[Iterable[str]], object],
        committed_in: Callable[[float], object],
        watched: Callable[[], bool],
        failed: Callable[[str], object],
    ) -> None:
        """Queue what the log has; `run` commits it.

        Args:
            store: Store that receives the spans.
            committer: Its writer.
            log: The request log.
            progress: Receives the number of committed requests, and has those who wait for them.
            readers: The queries, for which commits wait.
            clock: Monotonic time in seconds.
            changed: Takes the ids of invocations whose spans have been committed.
            committed_in: Takes the duration of each commit in seconds.
            watched: Returns whether somebody waits for the next change.
            failed: Takes the reason of each failure.
        """
        self._store = store
        self._committer = committer
        self._log = log
        self._progress = progress
        self._readers = readers
        self._clock = clock
        self._changed = changed
        self._committed_in = committed_in
        self._watched = watched
        self._failed = failed
        self._threads = Background(2, "commit")
        self._checkpoints = Checkpoints(store, committer, log, clock=clock, failed=failed)
        self._weight = COMMIT_WEIGHT
        self.load = BusyShare()
        """The share of time that commits take."""
        self.is_failing = False
        """Whether the last commit failed, for example because the disk was full."""
        self._queue = deque(log.recovered)
        self.queued_bytes = sum(entry.length for entry in self._queue)
        """Size of the requests that are not committed."""
        self._ahead: _Group | None = None
        """The requests behind those that are being committed, which are decoded meanwhile."""
        self._held: _Held | None = None
        self._held_again = len(self._queue)
        """Number of committed requests from which spans may be held, after a failure or a crash.

        What came before is committed group by group, so that another one does not repeat it all.
        """
        self._changed_traces = committer.open_traces if log.interrupted else set[str]()
        """Traces in which spans may inherit invocations."""
        self._wake = asyncio.Event()
        self._stopping = False

    @property
    def is_busy(self) -> bool:
        """Whether commits have taken most of the last seconds, are behind, or fail."""
        if self.is_failing or self.load.share(self._clock()) > BUSY_SHARE:
            return True
        held = self._held.bytes if self._held is not None else 0
        return self.queued_bytes - held > BUSY_BYTES

    @property
    def held(self) -> int:
        """Return the number of requests whose spans are inserted, but not committed."""
        return len(self._held.entries) if self._held is not None else 0

    def add(self, entry: LogEntry) -> None:
        """Queue a request that the log has."""
        self._queue.append(entry)
        self.queued_bytes += entry.length
        self._wake.set()

    def stop(self) -> None:
        """Let `run` end when the waiting requests are committed."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Commit queued requests until `stop`, then the waiting ones."""
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

    async def _idle(self) -> None:
        """Wait for a request; checkpoint the store when none arrives."""
        self._wake.clear()
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            await self._checkpoints.when_idle()

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
        if not self._stopping:
            await self._readers.wait()
        reads = self._readers.are_active
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
        self.is_failing = False
        self.load.add(began, ended)
        self._committed_in(ended - began)
        self._weight = min(self._weight * 2, COMMIT_WEIGHT)
        if committed.problem:
            self._failed(committed.problem)
        self._checkpoints.add(sum(entry.weight for entry in group.entries))
        self._changed_traces |= committed.traces
        if committed.has_earlier:
            self._note_committed()
        held = self._held = self._held or _Held(began)
        held.entries += group.entries
        held.invocations |= committed.invocations
        if not committed.is_held:
            self._note_committed()
        await self._checkpoints.when_full(done=committed.checkpointed, held=self.held > 0)

    def _may_hold(self, more: int = 0) -> bool:
        """Return whether spans may wait for the commit of later ones, which saves much of it.

        Nobody reads or expects them, and no other writer waits.

        Args:
            more: Number of requests beside those that are held.
        """
        now, progress, held = self._clock(), self._progress, self._held
        inserted = progress.committed + self.held + more
        return not (
            self._stopping
            or not self._uncommitted
            or self._changed_traces
            or self._readers.are_active
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
        self.load.add(began, self._clock())
        self._note_committed()
        self._settle()

    def _note_committed(self) -> None:
        """Forget what is held, because it is committed."""
        held, self._held = self._held, None
        if held is not None:
            self._log.cut(held.entries)
            self.queued_bytes -= held.bytes
            self._progress.committed += len(held.entries)
            self._changed(held.invocations)

    async def _put_back_failed(self, error: Exception, *groups: _Group) -> None:
        """Return what could not be committed to the queue: the log keeps it until it is."""
        self._failed(str(error))
        self.is_failing = True
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
            self._failed(str(error))
            self._changed_traces.update(traces)
            self._progress.give_up()
            await asyncio.sleep(0 if self._stopping else RETRY_SECONDS)
