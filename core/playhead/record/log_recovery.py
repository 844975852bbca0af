"""Requests that a killed recorder acknowledged but did not commit, for use without a recorder."""

from __future__ import annotations

import asyncio
from pathlib import Path

from playhead.errors import StoreError, StoreLockedError
from playhead.record.ingest.request_log import FOLDER, log_bytes
from playhead.store.database import Store

__all__ = ["commit_left_requests", "complete_store"]

LARGEST_LOG = 256 * 1024 * 1024
"""Size of a log that a reading command commits; a larger one waits for the next recorder."""


async def complete_store(folder: Path) -> None:
    """Commit what a killed recorder left in the log of this store, if no recorder is running.

    Commands that read the file do this first, as the next recorder would. A store that cannot be
    written is left as it is.
    """
    if not 0 < log_bytes(folder / FOLDER) <= LARGEST_LOG:
        return
    try:
        store = await asyncio.to_thread(Store, folder)
    except (StoreLockedError, StoreError):
        return
    try:
        await commit_left_requests(store)
    finally:
        await asyncio.to_thread(store.close)


async def commit_left_requests(store: Store) -> None:
    """Commit what a killed recorder left in the log of an open store.

    Raises:
        StoreError: The log cannot be read, or its requests cannot be committed.
    """
    from playhead.record.ingest.queue import Ingest  # with its decoders, which are rarely needed

    left: int | None = None
    while log_bytes(store.folder / FOLDER):
        ingest = await asyncio.to_thread(Ingest, store)
        ingest.stop()
        if ingest.waiting == left:
            problem = ingest.last_error
            await ingest.run()
            raise StoreError(
                f"The request log of {store.folder} cannot be committed"
                + (f": {problem}" if problem else ""),
                "Start `playhead record`, and see `playhead record --status`.",
            )
        left = ingest.waiting
        await ingest.run()
