"""Recordings from a live server and from the store, with the prompts of LLM calls."""

from __future__ import annotations

import asyncio
import base64

from playhead.errors import PlayheadError, RecordingError
from playhead.journal.recording import Recording, require_invocation_id
from playhead.reader.recorded_prompts import add_prompts, has_model_steps
from playhead.reader.stored import StoredInvocations
from playhead.record.client import connect
from playhead.restate.invocation_tables import STORE_TABLES, read_tables
from playhead.settings import Settings

__all__ = ["find_recording", "from_store"]

_PROMPT_SECONDS = 10.0
"""Time limit for reading prompts; a recording is useful without them."""


async def from_store(settings: Settings, invocation_id: str) -> Recording:
    """Return the recording of an invocation from the store, even if the server still has it.

    Raises:
        RecordingError: The store cannot be read, or has no journal of this invocation.
        UnsupportedJournalError: The journal has a version that cannot be replayed.
    """
    require_invocation_id(invocation_id)
    source = await connect(settings)
    if source is None:
        raise RecordingError(
            f"No recorder is running, and {settings.store} has no store",
            "Start `playhead record`, or name another folder with --store.",
        )
    try:
        tables = await read_tables(source.rows, invocation_id, STORE_TABLES)
        where = source.describe()
    finally:
        await source.close()
    return Recording.from_rows(
        tables, invocation_id=invocation_id, where=where, decode=base64.b64decode
    )


async def find_recording(settings: Settings, invocation_id: str) -> Recording:
    """Return the recording from the live server, or else from the store, with prompts.

    Raises:
        RecordingError: Neither has it; the hint quotes both errors.
        UnsupportedJournalError: The journal has a version that cannot be replayed.
    """
    try:
        found = await Recording.fetch(settings.admin_url, invocation_id, token=settings.auth_token)
    except RecordingError as live:
        try:
            found = await from_store(settings, invocation_id)
        except PlayheadError as stored:
            hint = "\n".join(filter(None, (live.hint, stored.title, stored.hint)))
            raise RecordingError(live.title, hint) from stored
    return await _add_stored_prompts(settings, found)


async def _add_stored_prompts(settings: Settings, recording: Recording) -> Recording:
    """Return the recording with the prompts in the store's spans (see `add_prompts`).

    It is unchanged when there is no store, or the store cannot be read.
    """
    if not has_model_steps(recording):
        return recording
    try:
        async with asyncio.timeout(_PROMPT_SECONDS):
            source = await connect(settings)
            if source is None:
                return recording
            try:
                spans = await StoredInvocations(source).spans(recording.id)
            finally:
                await source.close()
        return add_prompts(recording, spans)
    except Exception:  # a recording is useful without prompts, so errors of the store are ignored
        return recording
