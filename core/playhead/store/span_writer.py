"""The writer of spans: each (trace_id, span_id) once; a finished span replaces a pending one."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from playhead.store.archived_spans import ArchivedSpans
from playhead.store.arrow import ArrowTable, pa
from playhead.store.arrow_source import ArrowSource
from playhead.store.calls.call_table import add_calls, delete_calls
from playhead.store.calls.llm_calls import update_llm_calls
from playhead.store.calls.span_calls import SpanCalls
from playhead.store.database import Store
from playhead.store.row_groups import FULL_GROUP, open_rows
from playhead.store.span_ids import SpanIdSet, id_numbers
from playhead.store.span_marks import MARKS, marks_of
from playhead.store.stale_figures import note_stale
from playhead.store.tables import SPAN_COLUMNS

__all__ = ["UNSET", "SpanRow", "SpanWriter", "Written", "span_table"]

SpanRow = tuple[
    str, str, str | None, str, str, str, str, int, int | None, str, str, str, str, str, str,
    str | None, str | None, int | None, int | None, int | None, int | None, str | None, str | None,
    str | None,
]  # fmt: skip
"""One span, its values in the order of `SPAN_COLUMNS`."""
UNSET = (None, None, None, None, None, None, None, None)
"""Values of the last columns, from `trace_state` on, for a span that sets none of them."""

_TYPES: dict[str, Any] = {
    "UBIGINT": pa.uint64(),
    "UINTEGER": pa.uint32(),
    # With Arrow's JSON type, DuckDB does not parse the text again to validate it.
    "JSON": pa.json_(),
    "VARCHAR": pa.string(),
}
_SCHEMA: Any = pa.schema(
    [*((name, _TYPES[kind]) for name, kind in SPAN_COLUMNS.items()), (MARKS, pa.uint8())]
)
_STORED_TYPES: Any = [
    field.type.storage_type if isinstance(field.type, pa.JsonType) else field.type
    for field in _SCHEMA
]
_END = list(SPAN_COLUMNS).index("end_unix_nano")
_ATTRIBUTES = list(SPAN_COLUMNS).index("attributes")
_SOURCE = "incoming_spans"
_INSERTS = (f"INSERT INTO spans SELECT * EXCLUDE ({MARKS}) FROM {_SOURCE}", add_calls(_SOURCE))


@dataclass
class Written:
    """Outcome of one write."""

    new: int = 0
    """Number of spans added."""
    finished: int = 0
    """Number of pending spans that finished ones replaced."""
    repeated: int = 0
    """Number of spans that were already in the store, or in its archive."""


def span_table(rows: Sequence[SpanRow]) -> ArrowTable:
    """Return rows as an Arrow table with the columns of `spans`, and their marks."""
    columns: Iterable[Sequence[Any]] = (
        (*zip(*rows, strict=True), marks_of(str(row[_ATTRIBUTES]) for row in rows))
        if rows
        else [()] * len(_SCHEMA)
    )
    arrays = [
        _typed(pa.array(values, stored), kind)
        for values, stored, kind in zip(columns, _STORED_TYPES, _SCHEMA.types, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=_SCHEMA)


def _typed(column: Any, kind: Any) -> Any:
    """Return a column with one of the schema's types, without copying it."""
    if column.type == kind:
        return column
    if not isinstance(kind, pa.JsonType):
        return column.cast(kind)
    if isinstance(column, pa.ChunkedArray):
        return pa.chunked_array([_typed(chunk, kind) for chunk in column.chunks], kind)
    return pa.ExtensionArray.from_storage(kind, column.cast(kind.storage_type))


class SpanWriter:
    """The only writer of the spans of a store."""

    def __init__(self, store: Store) -> None:
        """Read the ids of the stored spans."""
        self._store = store
        self._archived = ArchivedSpans(store)
        self._removed_before = store.removed_spans
        cursor = store.cursor()
        try:
            ids: ArrowTable = cursor.sql(
                "SELECT ('0x' || span_id)::UBIGINT AS id FROM spans"
            ).to_arrow_table()
            self._calls = SpanCalls(cursor)
            self._open_rows = open_rows(cursor, "spans")
        finally:
            cursor.close()
        self._ids = SpanIdSet(ids.column("id"))
        """With those of spans that were deleted or archived since."""
        self._added = len(self._ids)
        self._source = ArrowSource(_SOURCE)
        self._transaction: tuple[contextlib.ExitStack, duckdb.DuckDBPyConnection] | None = None
        """The open transaction, and its connection."""
        self._uncommitted = 0
        """Number of spans that it added."""

    def __len__(self) -> int:
        """Return the number of spans in the store."""
        return self._added - (self._store.removed_spans - self._removed_before)

    @property
    def room(self) -> int:
        """Return the number of spans until a row group is full; 0 if it is."""
        return max(FULL_GROUP - self._open_rows, 0)

    def note_checkpoint(self) -> None:
        """Note that the store was checkpointed, so new rows begin another row group."""
        self._open_rows = 0

    def forget_invocations(self, ids: Iterable[str]) -> None:
        """Note that stored spans have been changed to belong to these invocations."""
        self._calls.forget(ids)

    def write(self, rows: Iterable[SpanRow]) -> Written:
        """Commit these spans in one transaction; they are durable when the method returns."""
        return self.write_table(span_table(list(rows)))

    def write_table(self, spans: ArrowTable, *, holds: bool = False) -> Written:
        """Commit rows of `spans` with marks, and JSON as Arrow's type or as text; see `write`.

        Args:
            spans: The rows.
            holds: Whether to leave the transaction open for the rows of the next call, or for
                `commit`. DuckDB writes a row group that one transaction fills into the file at
                once, and not into the write-ahead log before.

        Raises:
            Exception: The write failed. Rows that were held are not stored, and this writer cannot
                be used any more if there were any.
        """
        written = Written()
        if not spans.num_rows:
            if not holds:
                self.commit()
            return written
        spans = pa.Table.from_arrays(
            [
                _typed(column, kind)
                for column, kind in zip(spans.columns, _SCHEMA.types, strict=True)
            ],
            schema=_SCHEMA,
        )
        try:
            with self._writing(holds=holds) as connection:
                sent, spans = spans.num_rows, self._archived.without(spans)
                written.repeated = sent - spans.num_rows
                numbers = id_numbers(spans.column("span_id"))
                stored = self._ids.known(numbers)
                fresh, rest = _split(spans, numbers, stored | _doubled(numbers))
                if rest:
                    fresh = pa.concat_tables([fresh, self._unique(connection, rest, written)])
                if fresh.num_rows:
                    _insert(connection, self._source, fresh)
                    note_stale(connection, fresh.column("invocation_id").unique().to_pylist())
                    update_llm_calls(connection, self._calls.changed(connection, fresh))
                written.new = sent - written.finished - written.repeated
                self._uncommitted += written.new
        except BaseException:
            self._source.forget()
            raise
        self._open_rows += fresh.num_rows
        self._ids.add([number for number in numbers if number not in stored] if stored else numbers)
        return written

    @property
    def holds(self) -> bool:
        """Whether rows are written, but not committed."""
        return self._transaction is not None

    def commit(self) -> None:
        """Commit the rows that are held."""
        if self._transaction is not None:
            (transaction, _), self._transaction = self._transaction, None
            transaction.close()
            self._added += self._uncommitted
            self._uncommitted = 0

    def abandon(self) -> None:
        """Drop the rows that are held; do not use this writer any more."""
        if self._transaction is not None:
            (transaction, _), self._transaction = self._transaction, None
            error = _AbandonedError()
            with contextlib.suppress(_AbandonedError):
                transaction.__exit__(_AbandonedError, error, None)

    @contextlib.contextmanager
    def _writing(self, *, holds: bool) -> Generator[duckdb.DuckDBPyConnection]:
        if self._transaction is None:
            stack = contextlib.ExitStack()
            connection = stack.enter_context(self._store.transaction(noted=True, heads=False))
            self._transaction = (stack, connection)
            self._uncommitted = 0
        transaction, connection = self._transaction
        try:
            yield connection
        except BaseException:
            self._transaction = None
            transaction.__exit__(*sys.exc_info())  # rolls back
            raise
        if not holds:
            self.commit()

    @staticmethod
    def _unique(
        connection: duckdb.DuckDBPyConnection, rows: Sequence[SpanRow], written: Written
    ) -> ArrowTable:
        """Return the rows to insert, after deleting the pending rows that they replace."""
        unique: dict[tuple[str, str], SpanRow] = {}
        for row in rows:
            key = (row[0], row[1])
            earlier = unique.get(key)
            if earlier is None or earlier[_END] is None:
                unique[key] = row
            if earlier is not None:
                written.repeated += 1
        keys = list(unique)
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
                is_finished = unique[key][_END] is not None
                written.finished += is_finished
                written.repeated += not is_finished
            else:
                del unique[key]
                written.repeated += 1
        if pending:
            replaced: list[tuple[str | None]] = connection.execute(
                "DELETE FROM spans WHERE (trace_id, span_id) IN "
                "(SELECT unnest(?::VARCHAR[]), unnest(?::VARCHAR[])) RETURNING invocation_id",
                [[trace for trace, _ in pending], [span for _, span in pending]],
            ).fetchall()
            note_stale(connection, (id_ for (id_,) in replaced))
            delete_calls(connection, [trace for trace, _ in pending], [span for _, span in pending])
        return span_table(list(unique.values()))


class _AbandonedError(Exception):
    """Ends a transaction without a commit."""


def _doubled(numbers: Sequence[int]) -> set[int]:
    """Return the numbers that are there more than once."""
    if len(set(numbers)) == len(numbers):
        return set()
    return {number for number, times in Counter(numbers).items() if times > 1}


def _split(
    spans: ArrowTable, numbers: Sequence[int], repeated: set[int]
) -> tuple[ArrowTable, list[SpanRow]]:
    """Return the spans with other ids, and the rows with repeated ones."""
    if not repeated:
        return spans, []
    mask = pa.array([number in repeated for number in numbers])
    chosen = spans.filter(mask)
    columns: list[list[Any]] = [column.to_pylist() for column in _plain(chosen)]
    rows: list[Any] = list(zip(*columns, strict=True))
    return spans.filter(pa.array([number not in repeated for number in numbers])), rows


def _plain(spans: ArrowTable) -> Iterable[Any]:
    """Return the columns without the marks, JSON as text."""
    for column, kind in zip(spans.columns[:-1], _STORED_TYPES[:-1], strict=True):
        yield column if column.type == kind else column.cast(kind)


def _insert(connection: duckdb.DuckDBPyConnection, source: ArrowSource, spans: ArrowTable) -> None:
    with source.rows(connection, spans):
        for statement in _INSERTS:
            connection.execute(source.prepared(statement))
