"""Writing spans: each (trace_id, span_id) once, a finished span over a pending one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import duckdb

from playhead.store.arrow import ArrowTable, pa
from playhead.store.database import Store
from playhead.store.schema import SPAN_COLUMNS
from playhead.store.span_ids import SeenKeys

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
_BATCH = "incoming_spans"


@dataclass
class Written:
    """What became of a set of spans."""

    new: int = 0
    finished: int = 0
    """Pending ones that were replaced."""
    repeated: int = 0
    """Left alone: the store has them already."""
    traces: set[str] = field(default_factory=set[str])
    """Trace ids that got rows."""


class SpanWriter:
    """Writes spans into a store; one a store."""

    def __init__(self, store: Store) -> None:
        """Read which spans are there."""
        self._store = store
        cursor = store.cursor()
        try:
            keys: ArrowTable = cursor.sql(
                "SELECT ('0x' || span_id)::UBIGINT AS key FROM spans"
            ).to_arrow_table()
        finally:
            cursor.close()
        self._seen = SeenKeys(keys.column("key"))

    def __len__(self) -> int:
        """Number of spans in the store."""
        return len(self._seen)

    def write(self, rows: Iterable[SpanRow]) -> Written:
        """Commit these spans in one transaction; they are durable when this returns."""
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
        seen = self._seen
        maybe = [key for key in unique if int(key[1], 16) in seen]
        with self._store.transaction() as connection:
            if maybe:
                self._settle(connection, maybe, unique, written)
            if unique:
                _insert(connection, unique.values())
        written.new = len(unique) - written.finished
        written.traces = {trace for trace, _ in unique}
        seen.add([int(span, 16) for _, span in unique])
        return written

    @staticmethod
    def _settle(
        connection: duckdb.DuckDBPyConnection,
        maybe: list[tuple[str, str]],
        unique: dict[tuple[str, str], SpanRow],
        written: Written,
    ) -> None:
        """Drop spans that are stored as finished; delete the stored ones that were pending."""
        stored: list[tuple[Any, ...]] = connection.execute(
            "SELECT trace_id, span_id, end_unix_nano IS NULL FROM spans "
            "WHERE span_id IN (SELECT unnest(?::VARCHAR[]))",
            [[span for _, span in maybe]],
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
