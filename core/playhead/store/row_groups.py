"""The last row group of a table: its rows are written again by each checkpoint until it is full.

A checkpoint of spans that ended with half a row group took six times as long at the next one, which
reads, unpacks and compresses these rows again, and keeps all of them in memory meanwhile.
"""

from __future__ import annotations

import duckdb

__all__ = ["FULL_GROUP", "rows_of_last_group"]

FULL_GROUP = 122_880
"""Rows of a full row group, which DuckDB compresses together."""

_LAST = """
SELECT sum(count)::BIGINT FROM pragma_storage_info('{table}')
WHERE column_id = 0 AND segment_type <> 'VALIDITY' GROUP BY row_group_id
ORDER BY row_group_id DESC LIMIT 1
"""


def rows_of_last_group(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    """Return the number of rows in the last row group; 0 if it is full, or if there is none."""
    rows: list[tuple[int]] = connection.execute(_LAST.format(table=table)).fetchall()
    return rows[0][0] % FULL_GROUP if rows else 0
