"""Finished spans of the store, trace by trace, in pieces of limited size."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec.json

from playhead.errors import QueryLimitError
from playhead.export.exact_values import details, restored, with_types
from playhead.store.tables import SPAN_COLUMNS

if TYPE_CHECKING:
    from playhead.record.client import StoreClient
    from playhead.store.arrow import ArrowTable

__all__ = [
    "BY_TRACE",
    "Part",
    "Selection",
    "SpanReader",
    "StoredSpan",
    "Totals",
    "span_key",
    "spans_of",
    "unix_nano",
]

PIECE_BYTES = 16_000_000
"""Approximate size of the spans that are in memory at a time."""
PIECE_SPANS = 10_000
PLAN_TRACES = 50_000
"""Traces that are planned at a time."""

_SIZE = "strlen(attributes::VARCHAR) + strlen(events::VARCHAR) + strlen(links::VARCHAR) + 400"
_COLUMNS = ", ".join(SPAN_COLUMNS)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

BY_TRACE = itemgetter(0, 7, 1)
"""Key that sorts rows of `spans` by trace and start."""
_decode = msgspec.json.Decoder().decode


@dataclass(slots=True)
class StoredSpan:
    """One finished span, in an editable form; the store keeps the original."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    kind: str
    service_name: str
    scope_name: str
    start_unix_nano: int
    end_unix_nano: int
    status_code: str
    status_message: str
    attributes: dict[str, Any]
    resource: Mapping[str, Any]
    """Attributes of the resource; many spans share one mapping."""
    events: list[dict[str, Any]]
    links: list[dict[str, Any]]
    invocation_id: str | None
    trace_state: str
    flags: int
    dropped: tuple[int, int, int]
    """Numbers of attributes, events and links that the sender dropped."""
    scope: Mapping[str, Any]
    """What else the scope has; many spans share one mapping."""
    resource_details: Mapping[str, Any]
    """What else the resource has; many spans share one mapping."""
    size: int
    """Approximate size in bytes."""

    @property
    def key(self) -> int:
        """A 64-bit number that identifies the span."""
        return span_key(self.trace_id, self.span_id)


@dataclass(frozen=True, slots=True)
class Selection:
    """Conditions that select spans; by default, all finished spans."""

    since: datetime | None = None
    """Earliest start of a span."""
    invocations: frozenset[str] | None = None
    """Ids of the only invocations whose spans match; None for all spans."""
    invocations_sql: str = ""
    """A SELECT of these ids, for queries on all spans."""
    parameters: tuple[Any, ...] = ()
    """Its parameters."""
    archived: bool = False
    """Whether the archive has spans that match."""

    @property
    def prefix(self) -> str:
        """Prefix of the names of tables: with `all_`, they are views of tables and archive."""
        return "all_" if self.archived else ""

    @property
    def everything(self) -> bool:
        """Whether all finished spans match."""
        return self.since is None and self.invocations is None

    def where(self, *, filtered: bool = True) -> tuple[str, list[Any]]:
        """Return the condition in SQL, and its parameters. Pending spans never match.

        Args:
            filtered: Whether the condition selects invocations, which takes time.
        """
        parts: list[str] = ["end_unix_nano IS NOT NULL"]
        parameters: list[Any] = []
        if filtered and self.invocations_sql:
            parts.append(f"invocation_id IN (SELECT id FROM ({self.invocations_sql}))")
            parameters += self.parameters
        if self.since is not None:
            parts.append("start_unix_nano >= ?::UBIGINT")
            parameters.append(unix_nano(self.since))
        return " AND ".join(parts), parameters


@dataclass(frozen=True, slots=True)
class Totals:
    """Numbers of the spans that match."""

    spans: int
    traces: int
    pending: int
    """Spans that are still open, which are never exported."""


@dataclass(slots=True)
class _Trace:
    trace_id: str
    first: int
    last: int
    spans: int
    size: int = 0
    """Size of its spans, or more: those of other invocations of the trace are included."""


@dataclass(slots=True)
class _Group:
    """Traces that fit into memory together."""

    traces: list[_Trace] = field(default_factory=list[_Trace])
    spans: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """Spans to read at a time: some traces, or a part of a large one."""

    traces: list[str]
    start: int
    """Earliest start of the spans of this part."""
    end: int
    """Latest start of them."""
    first: int
    """Earliest start of all spans of the traces."""
    last: int
    """Latest start of them."""

    @property
    def whole(self) -> bool:
        """Whether these are all spans of the traces that the selection has."""
        return (self.start, self.end) == (self.first, self.last)


class SpanReader:
    """Reads the finished spans of a store, through its recorder or from its file."""

    def __init__(self, client: StoreClient, selection: Selection = Selection()) -> None:
        """Create the reader; nothing is read yet."""
        self._client = client
        self.selection = selection
        self._invocations = selection.invocations
        self._spans = f"{selection.prefix}spans"
        self._where, self._parameters = selection.where()
        self._plain, self._plain_parameters = selection.where(filtered=False)

    async def totals(self) -> Totals:
        """Count the spans. Raises the errors of `StoreClient.rows`."""
        pending = self._where.replace("end_unix_nano IS NOT NULL", "end_unix_nano IS NULL", 1)
        [row] = await self._client.rows(
            f"SELECT (SELECT count(*) FROM spans WHERE {pending}) AS pending, count(*) AS spans,"
            f" count(DISTINCT trace_id) AS traces FROM {self._spans} WHERE {self._where}",
            [*self._parameters, *self._parameters],
        )
        return Totals(row["spans"], row["traces"], row["pending"])

    async def parts(self) -> AsyncIterator[tuple[Part, ArrowTable]]:
        """Yield the spans as Arrow tables: whole traces by their first start, large ones in parts.

        Spans that arrive meanwhile may be included. Raises the errors of `StoreClient.arrow`.
        """
        following: tuple[Part, asyncio.Task[ArrowTable]] | None = None
        try:
            async for part in self._parts():
                task = asyncio.ensure_future(self._fetch(part))
                if following is not None:
                    yield following[0], await following[1]
                following = (part, task)
            if following is not None:
                yield following[0], await following[1]
                following = None
        finally:
            if following is not None:
                following[1].cancel()

    async def spans(self) -> AsyncIterator[tuple[Part, list[StoredSpan]]]:
        """Yield the spans of each part by trace and start. Raises the errors of `parts`."""
        async for part, table in self.parts():
            yield part, spans_of(table)

    async def _parts(self) -> AsyncIterator[Part]:
        group = _Group()
        async for trace in self._plan():
            full = group.spans + trace.spans > PIECE_SPANS or group.size + trace.size > PIECE_BYTES
            if group.traces and full:
                yield _whole(group)
                group = _Group()
            if trace.size > PIECE_BYTES or trace.spans > PIECE_SPANS:
                async for start, end in self._divided(trace):
                    yield Part([trace.trace_id], start, end, trace.first, trace.last)
            else:
                group.traces.append(trace)
                group.spans += trace.spans
                group.size += trace.size
        if group.traces:
            yield _whole(group)

    async def _plan(self) -> AsyncIterator[_Trace]:
        """Yield the traces by their first start, with their sizes."""
        waiting: list[_Trace] = []
        count = 0
        async for trace in self._traces():
            waiting.append(trace)
            count += trace.spans
            if count >= PIECE_SPANS:
                for sized in await self._sized(waiting):
                    yield sized
                waiting, count = [], 0
        for sized in await self._sized(waiting):
            yield sized

    async def _traces(self) -> AsyncIterator[_Trace]:
        """Yield the traces by their first start.

        Only small columns are read: to read the attributes of all spans, DuckDB would need more
        memory for a larger store.
        """
        first, trace_id = 0, ""
        while True:
            rows = await self._client.rows(
                "SELECT trace_id, min(start_unix_nano) AS first, max(start_unix_nano) AS last,"
                f" count(*) AS spans FROM {self._spans} WHERE {self._where} GROUP BY trace_id"
                " HAVING (min(start_unix_nano), trace_id) > (?::UBIGINT, ?)"
                f" ORDER BY first, trace_id LIMIT {PLAN_TRACES}",
                [*self._parameters, first, trace_id],
            )
            for row in rows:
                yield _Trace(**row)
            if len(rows) < PLAN_TRACES:
                return
            first, trace_id = rows[-1]["first"], rows[-1]["trace_id"]

    async def _sized(self, traces: list[_Trace]) -> list[_Trace]:
        """Return the traces with the sizes of their spans."""
        if not traces:
            return []
        rows = await self._client.rows(
            f"SELECT trace_id, sum({_SIZE})::UBIGINT AS size FROM {self._spans} WHERE {self._plain}"
            " AND start_unix_nano BETWEEN ?::UBIGINT AND ?::UBIGINT"
            " AND trace_id IN (SELECT unnest(?::VARCHAR[])) GROUP BY trace_id",
            [
                *self._plain_parameters,
                min(trace.first for trace in traces),
                max(trace.last for trace in traces),
                [trace.trace_id for trace in traces],
            ],
        )
        sizes = {row["trace_id"]: row["size"] for row in rows}
        for trace in traces:
            trace.size = sizes.get(trace.trace_id, 0)
        return traces

    async def _divided(self, trace: _Trace) -> AsyncIterator[tuple[int, int]]:
        """Yield the ranges of starts that divide a large trace into pieces."""
        count = max(1, min(PIECE_SPANS, trace.spans * PIECE_BYTES // max(trace.size, 1)))
        rows = await self._client.rows(
            "SELECT start_unix_nano AS start FROM (SELECT start_unix_nano, row_number() OVER"
            f" (ORDER BY start_unix_nano) AS number FROM {self._spans} WHERE {self._where}"
            " AND trace_id = ?) WHERE number % ? = 0 ORDER BY start",
            [*self._parameters, trace.trace_id, count],
        )
        start = trace.first
        for row in rows:
            if start <= row["start"]:
                yield start, row["start"]
                start = row["start"] + 1
        if start <= trace.last:
            yield start, trace.last

    async def _fetch(self, part: Part) -> ArrowTable:
        from playhead.store.arrow import pa, pc

        # A span that was imported again after it was archived is in both places.
        once = "DISTINCT ON (trace_id, span_id) " if self.selection.archived else ""
        try:
            table = await self._client.arrow(
                f"SELECT {once}{_COLUMNS} FROM {self._spans} WHERE {self._plain}"
                " AND start_unix_nano BETWEEN ?::UBIGINT AND ?::UBIGINT"
                " AND trace_id IN (SELECT unnest(?::VARCHAR[]))",
                [*self._plain_parameters, part.start, part.end, part.traces],
            )
        except QueryLimitError as error:
            raise QueryLimitError(
                f"The spans of trace {part.traces[0]} are too large to be read: {error.title}"
            ) from error
        if self._invocations is None:
            return table
        chosen = [id_ in self._invocations for id_ in table.column("invocation_id").to_pylist()]
        return pc.filter(table, pa.array(chosen, pa.bool_()))


def span_key(trace_id: str, span_id: str) -> int:
    """Return a 64-bit number that identifies a span."""
    return int(span_id, 16) ^ int(trace_id[:16], 16)


def unix_nano(moment: datetime) -> int:
    """Return a time in nanoseconds since 1970."""
    age = moment - _EPOCH
    return max(((age.days * 86400 + age.seconds) * 1_000_000 + age.microseconds) * 1000, 0)


def _whole(group: _Group) -> Part:
    first = min(trace.first for trace in group.traces)
    last = max(trace.last for trace in group.traces)
    return Part([trace.trace_id for trace in group.traces], first, last, first, last)


def spans_of(table: ArrowTable) -> list[StoredSpan]:
    """Return the rows of `spans` by trace and start."""
    columns = [column.to_pylist() for column in table.columns]
    return [_span(*row) for row in sorted(zip(*columns, strict=True), key=BY_TRACE)]


def _span(*row: Any) -> StoredSpan:
    """Return the span of a row of `spans`."""
    (
        trace_id, span_id, parent_span_id, name, kind, service_name, scope_name, start, end,
        status, message, attributes, resource, events, links, invocation_id,
        trace_state, flags, dropped_attributes, dropped_events, dropped_links, types, scope, others,
    ) = row  # fmt: skip
    values = _decode(attributes)
    return StoredSpan(
        trace_id, span_id, parent_span_id, name, kind, service_name, scope_name, start, end,
        status, message,
        restored(values, _decode(types)) if types else values,
        _resource(resource, others or "{}"),
        [] if events == "[]" else list(map(with_types, _decode(events))),
        [] if links == "[]" else list(map(with_types, _decode(links))),
        invocation_id,
        trace_state or "",
        flags or 0,
        (dropped_attributes or 0, dropped_events or 0, dropped_links or 0),
        details(scope or "{}"),
        details(others or "{}"),
        len(attributes) + len(events) + len(links) + 100,
    )  # fmt: skip


@lru_cache(maxsize=4096)
def _resource(text: str, others: str) -> Mapping[str, Any]:
    return MappingProxyType(restored(_decode(text), details(others).get("attribute_types")))
