"""The history of the state of a virtual object or workflow, from the server and the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from playhead.journal.state_changes import (
    STATE_COMMANDS,
    StateCommand,
    state_changes,
    unexplained_keys,
)
from playhead.model import StateHistory
from playhead.reader.listing.pages import Attempt
from playhead.reader.object_clusters import cluster_of_history
from playhead.record.client import StoreClient
from playhead.restate import queries
from playhead.restate.client import RestateClient
from playhead.restate.rows import parse_bytes, parse_time
from playhead.values import as_text, decode_value

__all__ = ["read_state_history"]

_Rows = list[dict[str, Any]]
_Read = tuple[_Rows, _Rows, Mapping[str, bytes] | None]
_NOTHING: _Read = ([], [], None)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS = ", ".join(f"'{kind}'" for kind in STATE_COMMANDS)
IDS = 200
"""Invocations whose commands one query reads."""

_INVOCATIONS = """
SELECT id, target_handler_name, created_at, restarted_from FROM invocations
WHERE target_service_name = ? AND target_service_key = ? AND coalesce(cluster = ?, true)
ORDER BY created_at DESC LIMIT ?
"""
_COMMANDS = f"""
SELECT id, "index", entry_type, appended_at, hex(raw) AS raw FROM journal
WHERE id IN (SELECT unnest(?::VARCHAR[])) AND entry_type IN ({_COLUMNS})
"""
_STATE = """
SELECT key, hex(value) AS value FROM state WHERE service_name = ? AND service_key = ?
  AND coalesce(cluster = ?, true)
"""


async def read_state_history(
    live: RestateClient | None,
    store: StoreClient | None,
    service: str,
    key: str,
    limit: int,
    attempt: Attempt,
    cluster: str = "",
) -> StateHistory:
    """Return the changes that the newest invocations of an object made to its state.

    Journals of both sources are used: those that the server has deleted are in the store.

    Args:
        live: The server, if any.
        store: The store, if any.
        service: Name of the service.
        key: Key of the object.
        limit: Maximum number of invocations.
        attempt: Awaits a read, and returns None when its source does not answer.
        cluster: Its cluster; empty for the server's, or for the only one that is stored.

    Raises:
        AmbiguousObjectError: No server answers, and the store has it of several clusters.
    """
    name = await attempt(live.cluster() if live else None)
    if name is None or cluster not in ("", name):
        live = None
    of = cluster or name
    if of is None and store:
        of = await attempt(cluster_of_history(store, service, key))
    invocations: dict[str, Mapping[str, Any]] = {}
    commands: dict[tuple[str, int], Mapping[str, Any]] = {}
    current: Mapping[str, bytes] | None = None
    for rows, entries, state in (
        await attempt(_stored(store, service, key, of, limit + 1) if store else None) or _NOTHING,
        await attempt(_live(live, service, key, limit + 1) if live else None) or _NOTHING,
    ):
        invocations |= {str(row["id"]): row for row in rows}
        commands |= {(str(row["id"]), int(row["index"])): row for row in entries}
        current = state if state is not None else current
    ids = sorted(invocations, key=lambda id_: _time(invocations[id_], "created_at"), reverse=True)
    chosen = set(ids[:limit])
    changes, rebuilt = state_changes(
        [
            _command(row, invocations[id_])
            for (id_, _), row in commands.items()
            if id_ in chosen
        ],
        {id_ for id_, _ in commands} & chosen,
    )  # fmt: skip
    return StateHistory(
        service,
        key,
        changes,
        {name: decode_value(value) for name, value in (current or {}).items()},
        unexplained=() if current is None else tuple(unexplained_keys(rebuilt, current)),
        more=len(ids) > limit,
        cluster=of,
    )


async def _stored(
    store: StoreClient, service: str, key: str, cluster: str | None, limit: int
) -> _Read:
    rows = await store.rows(_INVOCATIONS, [service, key, cluster, limit])
    entries = await store.rows(_COMMANDS, [[row["id"] for row in rows]]) if rows else []
    state = await store.rows(_STATE, [service, key, cluster])
    return rows, entries, _values(state)


async def _live(live: RestateClient, service: str, key: str, limit: int) -> _Read:
    rows = await live.query(queries.invocations_of_object(service, key, limit))
    ids = [str(row["id"]) for row in rows]
    entries: _Rows = []
    for start in range(0, len(ids), IDS):
        entries += await live.query(queries.state_commands(ids[start : start + IDS]))
    state = await live.query(queries.object_state(service, key))
    return rows, entries, _values(state)


def _values(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, bytes]:
    return {str(row["key"]): parse_bytes(row.get("value")) for row in rows}


def _command(row: Mapping[str, Any], invocation: Mapping[str, Any]) -> StateCommand:
    return StateCommand(
        invocation_id=str(row["id"]),
        index=int(row["index"]),
        entry_type=str(row["entry_type"]),
        at=_time(row, "appended_at"),
        raw=parse_bytes(row.get("raw")),
        handler=str(invocation.get("target_handler_name") or ""),
        created_at=_time(invocation, "created_at"),
        restarted_from=as_text(invocation.get("restarted_from")),
    )


def _time(row: Mapping[str, Any], column: str) -> datetime:
    return parse_time(row.get(column)) or _EPOCH
