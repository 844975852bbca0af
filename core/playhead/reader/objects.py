"""Virtual objects and workflows, from the server or the store: state, locks, promises."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from playhead.errors import NotFoundError
from playhead.model import (
    ObjectPage,
    ObjectState,
    ObjectSummary,
    Promise,
    QueuedInvocation,
    StateValue,
)
from playhead.reader.object_clusters import cluster_of_state
from playhead.reader.sources import Sources, try_read
from playhead.restate import object_queries as queries
from playhead.restate.client import RestateClient
from playhead.restate.queries import object_state
from playhead.restate.rows import parse_bytes, parse_time
from playhead.values import as_int, as_text, decode_value

__all__ = ["ObjectReader"]

_LIST = """
SELECT service_name, service_key, cluster, count(*) AS keys, sum(value_length)::BIGINT AS bytes,
  count(*) OVER () AS total
FROM state WHERE (? = '' OR service_name = ?)
  AND contains(lower(service_name || '/' || service_key), lower(?))
  AND (? = '' OR coalesce(cluster = ?, true))
GROUP BY service_name, service_key, cluster
ORDER BY service_name, service_key, cluster LIMIT {limit}
"""
_STATE = (
    "SELECT key, hex(value) AS value FROM state WHERE service_name = ? AND service_key = ?"
    " AND coalesce(cluster = ?, true) ORDER BY key"
)


class ObjectReader:
    """The virtual objects and workflows of a live server, the store, or both.

    While the server answers, state comes from there. The store has the state that the recorder
    copied last.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    async def objects(
        self, *, service: str = "", text: str = "", limit: int = 1000, cluster: str = ""
    ) -> ObjectPage:
        """Return the virtual objects and workflows that have anything to show, by name.

        The server scans its whole state for the list.

        Args:
            service: Only those of this service; empty for all.
            text: Only those whose `Service/key` contains this text, in any case.
            limit: Maximum number of rows.
            cluster: Only those of this cluster, which the store has if it is not the server's;
                empty for the server's, or for all that are stored while no server answers.

        Raises:
            UnreachableError: Neither the server nor the store can be read.
        """
        store = self._sources.store
        missing = self._sources.absent()
        server, cluster = await self._of(cluster, missing)
        live = await try_read(
            server.query(queries.objects(service, text, limit)) if server else None, missing
        )
        rows: Sequence[Mapping[str, Any]] | None = live
        if rows is None:
            sql = _LIST.format(limit=int(limit))
            rows = await try_read(
                store.rows(sql, [service, service, text, cluster, cluster]) if store else None,
                missing,
            )
        if rows is None:
            raise await self._sources.unreachable(missing)
        found = tuple(
            _summary(row, live=live is not None, cluster=cluster if live is not None else None)
            for row in rows
        )
        total = as_int(rows[0].get("total")) if rows else 0
        origin = "live" if live is not None else "stored"
        return ObjectPage(found, total, origin, await self._sources.all_missing(missing))

    async def object_state(self, service: str, key: str, *, cluster: str = "") -> ObjectState:
        """Return state, lock, queue and promises of one virtual object or workflow.

        Args:
            service: Name of the service.
            key: Key of the object.
            cluster: Its cluster; empty for the server's, or for the only one that is stored.

        Raises:
            AmbiguousObjectError: No server answers, and the store has it of several clusters.
            NotFoundError: It has no state, promises, lock holder or queue.
            UnreachableError: Neither the server nor the store can be read.
        """
        store = self._sources.store
        missing = self._sources.absent()
        server, cluster = await self._of(cluster, missing)
        found: ObjectState | None = None
        if server:
            state, promises, holder, queue = await asyncio.gather(
                *(
                    try_read(server.query(sql(service, key)), missing)
                    for sql in (object_state, queries.promises, queries.holder, queries.queue)
                )
            )
            if None not in (state, promises, holder, queue):
                ids = [str(row["id"]) for row in queue or ()]
                asked = server.query(queries.queued_at(ids)) if ids else None
                times = await try_read(asked, missing)
                since = {row["id"]: parse_time(row.get("inboxed_at")) for row in times or ()}
                found = ObjectState(
                    service, key, _values(state or ()),
                    promises=tuple(_promise(row) for row in promises or ()),
                    holder=next((str(row["invocation_id"]) for row in holder or ()), None),
                    queue=tuple(QueuedInvocation(id_, since.get(id_)) for id_ in ids),
                    origin="live", cluster=cluster,
                )  # fmt: skip
        if found is None and store:
            of = cluster or await try_read(cluster_of_state(store, service, key), missing)
            rows = await try_read(store.rows(_STATE, [service, key, of]), missing)
            if rows is not None:
                found = ObjectState(
                    service, key, _values(rows), promises=None, holder=None, queue=None,
                    origin="stored", cluster=of,
                )  # fmt: skip
        if found is None:
            raise await self._sources.unreachable(missing)
        if not (found.values or found.promises or found.holder or found.queue):
            raise NotFoundError(
                f"{service}/{key} has no state, promises, lock holder or queue",
                "`playhead state` lists the virtual objects and workflows.",
            )
        return replace(found, missing=await self._sources.all_missing(missing))

    async def _of(self, cluster: str, missing: list[str]) -> tuple[RestateClient | None, str]:
        """Return the server if it is of this cluster, and the cluster if it is known."""
        server = self._sources.server
        name = await try_read(server.cluster() if server else None, missing)
        if name is None or cluster not in ("", name):
            return None, cluster
        return server, name


def _summary(row: Mapping[str, Any], *, live: bool, cluster: str | None) -> ObjectSummary:
    return ObjectSummary(
        service=str(row["service_name"]),
        key=str(row.get("service_key") or ""),
        keys=as_int(row.get("keys")),
        size=as_int(row.get("bytes")),
        promises=as_int(row.get("promises")) if live else None,
        holder=as_text(row.get("holder")),
        queued=as_int(row.get("queued")) if live else None,
        cluster=cluster or as_text(row.get("cluster")),
    )


def _values(rows: Sequence[Mapping[str, Any]]) -> tuple[StateValue, ...]:
    found: list[StateValue] = []
    for row in rows:
        raw = parse_bytes(row.get("value"))
        found.append(StateValue(str(row.get("key") or ""), decode_value(raw), raw))
    return tuple(found)


def _promise(row: Mapping[str, Any]) -> Promise:
    return Promise(
        name=str(row.get("key") or ""),
        completed=bool(row.get("completed")),
        value=decode_value(parse_bytes(row.get("completion_success_value"))),
        failure=as_text(row.get("completion_failure")),
    )
