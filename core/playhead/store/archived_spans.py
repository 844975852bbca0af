"""Spans that arrive again after `playhead archive` has moved them: they are not stored twice."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from playhead.store.archive_files import archived_files, read_files
from playhead.store.arrow import ArrowTable, pa, pc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playhead.store.database import Store

__all__ = ["ArchivedSpans"]

_NEWEST = """
SELECT max(stats_max_value::UBIGINT) FROM parquet_metadata(?)
WHERE path_in_schema = 'start_unix_nano'
"""
_SAME = """
SELECT DISTINCT trace_id, span_id FROM {files}
WHERE start_unix_nano BETWEEN {first} AND {last}
AND span_id IN (SELECT unnest(?::VARCHAR[]))
"""


class ArchivedSpans:
    """Looks for spans in the archive, when some arrive that are as old as those in it.

    Ids of archived spans are not kept in memory, because the archive has no size limit. A span that
    arrives again has the same start time, which limits what is read from the Parquet files. While
    one of these cannot be read, no span counts as archived: what arrives is stored, and queries on
    the archive fail.
    """

    def __init__(self, store: Store) -> None:
        """Take the store; nothing is read before the first spans arrive."""
        self._store = store
        self._removed: int | None = None
        """`Store.removed_spans` when the newest start was read."""
        self._newest: int | None = None

    def without(self, spans: ArrowTable) -> ArrowTable:
        """Return the spans that are not in the archive."""
        newest = self._newest_start()
        starts = spans.column("start_unix_nano")
        if newest is None or pc.min(starts).as_py() > newest:
            return spans
        old = spans.filter(pc.less_equal(starts, pa.scalar(newest, pa.uint64())))
        ends: Any = pc.min_max(old.column("start_unix_nano")).as_py()
        files = read_files(archived_files(self._store.folder, "spans"))
        same = _SAME.format(files=files, first=ends["min"], last=ends["max"])
        ids: list[str] = old.column("span_id").to_pylist()
        archived = set(self._rows(same, [ids]))
        if not archived:
            return spans
        keys = zip(
            spans.column("trace_id").to_pylist(), spans.column("span_id").to_pylist(), strict=True
        )
        return spans.filter(pa.array([key not in archived for key in keys]))

    def _newest_start(self) -> int | None:
        """Return the start of the newest span in the archive; None without one."""
        if self._removed != (removed := self._store.removed_spans):
            files = archived_files(self._store.folder, "spans")
            found = self._rows(_NEWEST, [files]) if files else []
            self._newest = found[0][0] if found else None
            self._removed = removed
        return self._newest

    def _rows(self, sql: str, params: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return rows of the archive; none if a file cannot be read."""
        import duckdb

        # A connection of its own: an error would end the transaction that writes the spans.
        with contextlib.closing(self._store.cursor()) as cursor:
            try:
                return cursor.execute(sql, params).fetchall()
            except duckdb.Error:
                return []
