"""When the store is checkpointed while spans arrive, and freed memory returned to the system."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from playhead.record.allocators import release_freed_memory
from playhead.record.ingest.committer import Committer
from playhead.record.ingest.request_log import RequestLog
from playhead.store.database import Store

__all__ = ["Checkpoints"]

CHECKPOINT_BYTES = 256 * 1024 * 1024
"""Size of the store's write-ahead log from which it is checkpointed while requests arrive.

It is checkpointed earlier when a row group has become full; see `playhead.store.row_groups`.
"""
LEAST_CHECKPOINT_BYTES = 32 * 1024 * 1024
"""Size below which it is not checkpointed, because that begins a row group that never gets full."""
MERGE_SECONDS = 600.0
"""Least time between two checkpoints that merge such row groups."""
RELEASE_WEIGHT = 64 * 1024 * 1024
"""Weight of committed requests after which freed memory is returned to the system."""


class Checkpoints:
    """Checkpoints the store between commits."""

    def __init__(
        self,
        store: Store,
        committer: Committer,
        log: RequestLog,
        *,
        clock: Callable[[], float],
        failed: Callable[[str], object],
    ) -> None:
        """Do nothing yet.

        Args:
            store: The store.
            committer: The writer of its spans.
            log: The request log, which is trimmed after a checkpoint.
            clock: Monotonic time in seconds.
            failed: Takes the reason why the store was not checkpointed.
        """
        self._store = store
        self._committer = committer
        self._log = log
        self._clock = clock
        self._failed = failed
        self._next_merge = clock() + MERGE_SECONDS
        self._unreleased = 0
        """Weight of the requests that were committed since freed memory was returned."""

    def add(self, weight: int) -> None:
        """Note that requests of this weight were committed."""
        self._unreleased += weight

    async def when_idle(self) -> None:
        """Checkpoint the store, unless there is little to move."""
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
            self._failed(str(error))

    async def when_full(self, *, done: bool, held: bool) -> None:
        """Checkpoint the store if its write-ahead log is large; return freed memory.

        Args:
            done: Whether the commit has checkpointed the store already.
            held: Whether a transaction is open, during which that is impossible.
        """
        merges = self._clock() > self._next_merge
        most = LEAST_CHECKPOINT_BYTES if merges else CHECKPOINT_BYTES
        if not held and self._store.log_bytes() > most:
            await self.when_idle()
        elif done:
            await self._release()
            self._log.trim()
        elif self._unreleased > RELEASE_WEIGHT:
            await self._release()

    async def _release(self) -> None:
        self._unreleased = 0
        await asyncio.to_thread(release_freed_memory)
