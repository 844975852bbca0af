"""Recordings from a live server and from the store, with the prompts of LLM calls."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncGenerator

from playhead.errors import PlayheadError, RecordingError
from playhead.journal.recording import Recording, require_invocation_id
from playhead.reader.invocation.recorded_prompts import add_prompts, has_model_steps
from playhead.reader.listing.stored_spans import StoredSpans
from playhead.record.client import StoreClient, connect
from playhead.restate.invocation_tables import STORE_TABLES, read_tables
from playhead.settings import Settings

__all__ = ["find_recording", "from_store"]

_PROMPT_SECONDS = 10.0
"""Time limit for reading prompts; a recording is useful without them."""


async def from_store(
    settings: Settings, invocation_id: str, store: StoreClient | None = None
) -> Recording:
    """Return the recording of an invocation from the store, even if the server still has it.

    Args:
        settings: The folder of the store.
        invocation_id: A complete id.
        store: An open client of the store; by default, one is opened.

    Raises:
        RecordingError: The store cannot be read, or has no journal of this invocation.
        UnsupportedJournalError: The journal has a version that cannot be replayed.
    """
    require_invocation_id(invocation_id)
    async with _open(settings, store) as source:
        if source is None:
            raise RecordingError(
                f"No recorder is running, and {settings.store} has no store",
                "Start `playhead record`, or name another folder with --store.",
            )
        tables = await read_tables(source.rows, invocation_id, STORE_TABLES)
        where = source.describe()
    return Recording.from_rows(
        tables, invocation_id=invocation_id, where=where, decode=base64.b64decode
    )


@contextlib.asynccontextmanager
async def _open(
    settings: Settings, store: StoreClient | None
) -> AsyncGenerator[StoreClient | None]:
    """Yield the given client of the store, or one that is closed after the block."""
    source = store or await connect(settings, complete=True)
    try:
        yield source
    finally:
        if source is not None and source is not store:
            await source.close()


async def find_recording(
    settings: Settings, invocation_id: str, store: StoreClient | None = None
) -> Recording:
    """Return the recording from the live server, or else from the store, with prompts.

    Args:
        settings: The server and the folder of the store.
        invocation_id: A complete id.
        store: An open client of the store; by default, one is opened.

    Raises:
        RecordingError: Neither has it; the hint quotes both errors.
        UnsupportedJournalError: The journal has a version that cannot be replayed.
    """
    try:
        found = await Recording.fetch(settings.admin_url, invocation_id, token=settings.auth_token)
    except RecordingError as live:
        try:
            found = await from_store(settings, invocation_id, store)
        except PlayheadError as stored:
            hint = "\n".join(filter(None, (live.hint, stored.title, stored.hint)))
            raise RecordingError(live.title, hint) from stored
    return await _add_stored_prompts(settings, found, store)


async def _add_stored_prompts(
    settings: Settings, recording: Recording, store: StoreClient | None
) -> Recording:
    """Return the recording with the prompts in the store's spans (see `add_prompts`).

    It is unchanged when there is no store, or the store cannot be read.
    """
    if not has_model_steps(recording):
        return recording
    try:
        async with asyncio.timeout(_PROMPT_SECONDS):
            async with _open(settings, store) as source:
                if source is None:
                    return recording
                spans = await StoredSpans(source).read(recording.id)
        return add_prompts(recording, spans)
    except Exception:  # a recording is useful without prompts, so errors of the store are ignored
        return recording
