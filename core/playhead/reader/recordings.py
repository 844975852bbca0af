"""Recordings from a live server and from the recorder's store, with the prompts of LLM calls."""

from __future__ import annotations

import asyncio
import base64

from playhead.errors import PlayheadError, RecordingError
from playhead.journal.recording import Recording, require_invocation_id
from playhead.reader.prompts import asks_a_model, prompted
from playhead.reader.recorded import Recorded
from playhead.record.client import connect
from playhead.restate.invocation_tables import STORE_TABLES, read_tables
from playhead.settings import Settings

__all__ = ["find_recording", "from_store", "with_prompts"]

_PROMPT_SECONDS = 10.0
"""How long to wait for prompts; a recording is useful without them."""


async def from_store(settings: Settings, invocation_id: str) -> Recording:
    """The recording of an invocation in the store, purged from the server or not.

    Raises:
        RecordingError: the store cannot be read, or does not hold the invocation's journal.
        UnsupportedJournalError: the journal is of a version that cannot be replayed.
    """
    require_invocation_id(invocation_id)
    source = await connect(settings)
    if source is None:
        raise RecordingError(f"No recorder answers, and {settings.store} holds no store")
    try:
        tables = await read_tables(source.rows, invocation_id, STORE_TABLES)
        where = source.describe()
    finally:
        await source.close()
    return Recording.from_rows(
        tables, invocation_id=invocation_id, where=where, decode=base64.b64decode
    )


async def find_recording(settings: Settings, invocation_id: str) -> Recording:
    """The recording from the live server, else from the store; with the prompts.

    Raises:
        RecordingError: neither has it; the hint quotes both.
        UnsupportedJournalError: the journal is of a version that cannot be replayed.
    """
    try:
        found = await Recording.fetch(settings.admin_url, invocation_id, token=settings.auth_token)
    except RecordingError as live:
        try:
            found = await from_store(settings, invocation_id)
        except PlayheadError as stored:
            hint = "\n".join(filter(None, (live.hint, stored.title, stored.hint)))
            raise RecordingError(live.title, hint) from stored
    return await with_prompts(settings, found)


async def with_prompts(settings: Settings, recording: Recording) -> Recording:
    """The recording with the prompts that the store's spans hold (see `prompted`).

    Unchanged without a recorder, without a store, or when the store cannot be read.
    """
    if not asks_a_model(recording):
        return recording
    try:
        async with asyncio.timeout(_PROMPT_SECONDS):
            source = await connect(settings)
            if source is None:
                return recording
            try:
                spans = await Recorded(source).spans(recording.id)
            finally:
                await source.close()
        return prompted(recording, spans)
    except Exception:  # whatever is wrong with the store: the journal is what was asked for
        return recording
