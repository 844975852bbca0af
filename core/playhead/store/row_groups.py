"""Row groups: rows of a table that DuckDB compresses together.

A checkpoint compresses the new rows, and later rows begin another row group. A checkpoint that
merges also looks for row groups that are not full, and writes up to four whose rows fit into three
again: that takes ten times as long, and keeps all these rows in memory meanwhile. So the store is
checkpointed each time that a row group of spans has become full, and those that are not full, which
idle times leave, are merged rarely.
"""

from __future__ import annotations

import duckdb

__all__ = ["FULL_GROUP", "open_rows"]

FULL_GROUP = 122_880
"""Rows of a full row group."""

_OPEN = """
SELECT coalesce(sum(count), 0)::BIGINT FROM pragma_storage_info('{table}')
WHERE column_id = 0 AND segment_type <> 'VALIDITY' AND NOT persistent
"""


def open_rows(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    """Return the number of rows in the row group that new rows are added to."""
    rows: list[tuple[int]] = connection.execute(_OPEN.format(table=table)).fetchall()
    return rows[0][0] % FULL_GROUP
