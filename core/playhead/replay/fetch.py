"""Recordings from a live server's admin API, and from the recorder's store."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from playhead.replay.errors import RecordingError
from playhead.replay.recording import Entry, Recording
from playhead.replay.validate import refuse_version

if TYPE_CHECKING:
    from playhead.settings import Settings

__all__ = ["find", "from_rows", "from_server", "from_store", "with_prompts"]

_ID = re.compile(r"inv_[0-9A-Za-z]{34}")
_SECONDS = 30.0
_PROMPT_SECONDS = 10.0
"""How long a recorder may take to tell prompts, without which a recording is good enough."""

Rows = list[dict[str, Any]]
Query = Callable[[str], Awaitable[Rows]]


async def from_server(admin_url: str, invocation_id: str, *, token: str | None = None) -> Recording:
    """The recording of an invocation that the server still has.

    Raises:
        RecordingError: the server cannot be reached, or does not have the invocation's journal.
        UnsupportedJournal: the journal is of a version that cannot be replayed.
    """
    import httpx

    _check_id(invocation_id)
    headers = {"accept": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    try:
        async with httpx.AsyncClient(
            base_url=admin_url, headers=headers, timeout=_SECONDS
        ) as client:

            async def query(sql: str) -> Rows:
                response = await client.post("/query", json={"query": sql})
                response.raise_for_status()
                rows: Rows = response.json()["rows"]
                return rows

            version = (await client.get("/version")).json().get("version")
            tables = await _read(query, invocation_id, _SERVER_TABLES)
    except httpx.HTTPStatusError as error:
        raise RecordingError(
            f"{admin_url} answered {error.response.status_code}: {error.response.text[:300]}"
        ) from error
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise RecordingError(
            f"No Restate admin API answers at {admin_url} ({error or type(error).__name__}). "
            "Set RESTATE_ADMIN_URL, or give --admin-url."
        ) from error
    return from_rows(
        *tables,
        invocation_id=invocation_id,
        where=admin_url,
        decode=bytes.fromhex,
        server_version=version,
    )


async def from_store(settings: Settings, invocation_id: str) -> Recording:
    """The recording of an invocation that the recorder has, purged from the server or not.

    Raises:
        RecordingError: there is no store, or it does not hold the invocation's journal.
        UnsupportedJournal: the journal is of a version that cannot be replayed.
    """
    from playhead.record.client import connect

    _check_id(invocation_id)
    source = await connect(settings)
    if source is None:
        raise RecordingError(f"No recorder answers, and there is no recording in {settings.store}")
    try:
        tables = await _read(source.rows, invocation_id, _STORE_TABLES)
        where = source.describe()
    finally:
        await source.close()
    return from_rows(*tables, invocation_id=invocation_id, where=where, decode=base64.b64decode)


async def find(settings: Settings, invocation_id: str) -> Recording:
    """The recording from the live server, else from the recorder's store, with the prompts.

    Raises:
        RecordingError: neither has it; the text tells what each said.
        UnsupportedJournal: the journal is of a version that cannot be replayed.
    """
    try:
        found = await from_server(settings.admin_url, invocation_id, token=settings.auth_token)
    except RecordingError as live:
        try:
            found = await from_store(settings, invocation_id)
        except Exception as stored:
            raise RecordingError(f"{live}\n{stored}") from stored
    return await with_prompts(settings, found)


async def with_prompts(settings: Settings, recording: Recording) -> Recording:
    """The recording with the prompts that the recorder's spans tell (see `prompted`).

    As it was where there is no recorder, no store, or one that cannot be read.
    """
    from playhead.reader.recorded import Recorded
    from playhead.record.client import connect
    from playhead.replay.prompted import asks_a_model, prompted

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
    except Exception:  # whatever is wrong with a store: the journal is what was asked for
        return recording


def from_rows(
    invocations: Iterable[Mapping[str, Any]],
    journal: Iterable[Mapping[str, Any]],
    events: Iterable[Mapping[str, Any]],
    state: Iterable[Mapping[str, Any]],
    *,
    invocation_id: str,
    where: str,
    decode: Callable[[str], bytes],
    server_version: str | None = None,
) -> Recording:
    """A recording from rows of sys_invocation, sys_journal, sys_journal_events and state.

    Args:
        invocations: at most one row.
        journal: its entries, with `raw`.
        events: what the server noted beside them.
        state: key and value pairs of the object or workflow.
        invocation_id: named in errors.
        where: where the rows come from, named in errors.
        decode: bytes from their text; the admin API writes hex, the recorder base64.
        server_version: of the server that was asked, when it was.

    Raises:
        RecordingError: there is no such invocation, or no journal of it.
        UnsupportedJournal: the journal is of a version that cannot be replayed.
    """
    invocation = next((_plain(row) for row in invocations), None)
    if invocation is None:
        raise RecordingError(f"{where} has no invocation {invocation_id}")
    rows = sorted(journal, key=lambda row: int(row["index"]))
    if not rows:
        raise RecordingError(
            f"{where} has no journal of {invocation_id} ({invocation.get('status')}): the server "
            "drops it some time after the end (journal retention); the recorder keeps it."
        )
    for row in rows:
        refuse_version(int(row.get("version") or 2), invocation_id)
    return Recording(
        invocation=invocation,
        entries=tuple(
            Entry(
                int(row["index"]),
                str(row["entry_type"]),
                str(row.get("name") or ""),
                decode(row["raw"] or ""),
                _text(row.get("appended_at")),
            )
            for row in rows
        ),
        state={str(row["key"]): decode(row["value"] or "") for row in state},
        events=tuple(_plain(row) for row in events),
        sdk_version=invocation.get("last_attempt_server"),
        server_version=server_version or invocation.get("created_using_restate_version"),
    )


_SERVER_TABLES = ("sys_invocation", "sys_journal", "sys_journal_events", "state")
_STORE_TABLES = ("invocations", "journal", "journal_events", "state")


async def _read(
    query: Query, invocation_id: str, tables: tuple[str, str, str, str]
) -> tuple[Rows, Rows, Rows, Rows]:
    invocations, journal, events, state = tables
    found = await query(f"SELECT * FROM {invocations} WHERE id = '{invocation_id}'")
    entries = await query(
        'SELECT "index", entry_type, name, raw, version, appended_at '
        f"FROM {journal} WHERE id = '{invocation_id}'"
    )
    notes = await query(f"SELECT * FROM {events} WHERE id = '{invocation_id}'")
    values: Rows = []
    if found and found[0].get("target_service_key") is not None:
        service, key = (
            _quoted(found[0][name]) for name in ("target_service_name", "target_service_key")
        )
        values = await query(
            f"SELECT key, value FROM {state} WHERE service_name = {service} AND service_key = {key}"
        )
    return found, entries, notes, values


def _check_id(invocation_id: str) -> None:
    if not _ID.fullmatch(invocation_id):
        raise RecordingError(f"{invocation_id!r} is no invocation id (inv_ and 34 characters)")


def _quoted(text: str) -> str:
    return "'" + str(text).replace("'", "''") + "'"


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value if isinstance(value, str | int | float | bool | None) else str(value)
        for name, value in row.items()
    }
