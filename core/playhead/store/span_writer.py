"""The writer of spans: each (trace_id, span_id) once; a finished span replaces a pending one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import duckdb

from playhead.store.arrow import ArrowTable, pa
from playhead.store.database import Store
from playhead.store.llm_calls import update_llm_calls_of_spans
from playhead.store.schema import SPAN_COLUMNS
from playhead.store.span_ids import SpanIdSet

__all__ = ["SpanRow", "SpanWriter"]

SpanRow = tuple[
    str, str, str | None, str, str, str, str, int, int | None, str, str, str, str, str, str,
    str | None,
]  # fmt: skip
"""One span, its values in the order of `SPAN_COLUMNS`."""

_SCHEMA: Any = pa.schema(
    [
        (name, pa.uint64() if kind == "UBIGINT" else pa.string())
        for name, kind in SPAN_COLUMNS.items()
    ]
)
_END = list(SPAN_COLUMNS).index("end_unix_nano")
_INVOCATION: Literal[15] = 15
"""Place of `invocation_id`, as a literal that gives the value its type."""
_BATCH = "incoming_spans"


@dataclass
class Written:
    """Outcome of one write."""

    new: int = 0
    """Number of spans added."""
    finished: int = 0
    """Number of pending spans that finished ones replaced."""
    repeated: int = 0
    """Number of spans that were already in the store."""
    traces: set[str] = field(default_factory=set[str])
    """Ids of the traces that got rows."""
    invocations: set[str] = field(default_factory=set[str])
    """Ids of the invocations that these rows name themselves."""


class SpanWriter:
    """The only writer of the spans of a store."""

    def __init__(self, store: Store) -> None:
        """Read the ids of the stored spans."""
        self._store = store
        cursor = store.cursor()
        try:
            ids: ArrowTable = cursor.sql(
                "SELECT ('0x' || span_id)::UBIGINT AS id FROM spans"
            ).to_arrow_table()
        finally:
            cursor.close()
        self._ids = SpanIdSet(ids.column("id"))

    def __len__(self) -> int:
        """Return the number of spans in the store."""
        return len(self._ids)

    def write(self, rows: Iterable[SpanRow]) -> Written:
        """Commit these spans in one transaction; they are durable when the method returns."""
        unique: dict[tuple[str, str], SpanRow] = {}
        repeated = 0
        for row in rows:
            key = (row[0], row[1])
            earlier = unique.get(key)
            if earlier is None or earlier[_END] is None:
                unique[key] = row
            if earlier is not None:
                repeated += 1
        written = Written(repeated=repeated)
        if not unique:
            return written
        stored = [key for key in unique if int(key[1], 16) in self._ids]
        with self._store.transaction() as connection:
            if stored:
                self._replace_pending(connection, stored, unique, written)
            if unique:
                _insert(connection, unique.values())
                update_llm_calls_of_spans(connection, unique.values())
        written.new = len(unique) - written.finished
        written.traces = {trace for trace, _ in unique}
        written.invocations = {id_ for row in unique.values() if (id_ := row[_INVOCATION])}
        self._ids.add([int(span, 16) for _, span in unique])
        return written

    @staticmethod
    def _replace_pending(
        connection: duckdb.DuckDBPyConnection,
        keys: list[tuple[str, str]],
        unique: dict[tuple[str, str], SpanRow],
        written: Written,
    ) -> None:
        """Drop spans that are stored as finished, and delete the rows that are still pending."""
        stored: list[tuple[Any, ...]] = connection.execute(
            "SELECT trace_id, span_id, end_unix_nano IS NULL FROM spans "
            "WHERE span_id IN (SELECT unnest(?::VARCHAR[]))",
            [[span for _, span in keys]],
        ).fetchall()
        pending: list[tuple[str, str]] = []
        for trace, span, is_pending in stored:
            key = (trace, span)
            if key not in unique:
                continue
            if is_pending:
                pending.append(key)
                written.finished += unique[key][_END] is not None
            else:
                del unique[key]
                written.repeated += 1
        if pending:
            connection.execute(
                "DELETE FROM spans WHERE (trace_id, span_id) IN "
                "(SELECT unnest(?::VARCHAR[]), unnest(?::VARCHAR[]))",
                [[trace for trace, _ in pending], [span for _, span in pending]],
            )


def _insert(connection: duckdb.DuckDBPyConnection, rows: Iterable[SpanRow]) -> None:
    columns = [
        pa.array(values, kind)
        for values, kind in zip(zip(*rows, strict=True), _SCHEMA.types, strict=True)
    ]
    connection.register(_BATCH, pa.Table.from_arrays(columns, schema=_SCHEMA))
    try:
        connection.execute(f"INSERT INTO spans SELECT * FROM {_BATCH}")
    finally:
        connection.unregister(_BATCH)
