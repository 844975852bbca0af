"""Reads of the database file, while no recorder runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from playhead.errors import QueryMemoryError
from playhead.record.file_client import FileClient
from playhead.store.database import Store


async def test_a_query_of_the_file_has_the_memory_of_the_recorders(tmp_path: Path) -> None:
    store = Store(tmp_path)
    [expected] = store.cursor().execute("SELECT current_setting('memory_limit')").fetchall()
    store.close()
    client = FileClient(store.path)
    [row] = await client.rows("SELECT current_setting('memory_limit') AS size")
    assert (row["size"],) == expected
    with pytest.raises(QueryMemoryError):
        await client.rows("SELECT len(list(range)) FROM range(300000000)")
    # A sort of more than that continues on the disk.
    sql = "FROM range(30000000) ORDER BY hash(range) LIMIT 1 OFFSET 25000000"
    assert len(await client.rows(sql)) == 1
