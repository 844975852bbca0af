"""Reads of the database file, while no recorder runs."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
from playhead.errors import QueryError, QueryMemoryError
from playhead.record.file_client import FileClient, FileInUseError
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


def write_name(folder: Path, name: str) -> Path:
    store = Store(folder)
    with store.transaction() as connection:
        connection.execute("INSERT INTO derived VALUES (?, 1)", [name])
    store.close()
    return store.path


NAMES = "SELECT name FROM derived WHERE name LIKE 'test-%' ORDER BY name"


async def read_names(client: FileClient) -> list[str]:
    return [row["name"] for row in await client.rows(NAMES)]


async def test_the_file_is_opened_once_for_queries_that_follow_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_name(tmp_path, "test-1")
    opened: list[str] = []
    connect = duckdb.connect

    def count(database: str, **more: Any) -> duckdb.DuckDBPyConnection:
        opened.append(database)
        return connect(database, **more)

    monkeypatch.setattr(duckdb, "connect", count)
    client, other = FileClient(path), FileClient(path)
    for _ in range(3):
        assert await read_names(client) == ["test-1"]
        assert await other.rows("SELECT count(*) AS n FROM all_spans") == [{"n": 0}]
    assert opened == [str(path)]
    with pytest.raises(QueryError):
        await client.rows("SELECT nothing")
    assert await read_names(client) == ["test-1"]
    assert opened == [str(path)] * 2


async def test_a_writer_of_this_process_opens_the_file_after_a_query(tmp_path: Path) -> None:
    client = FileClient(write_name(tmp_path, "test-1"))
    assert await read_names(client) == ["test-1"]
    write_name(tmp_path, "test-2")
    assert await read_names(client) == ["test-1", "test-2"]


def test_another_process_opens_the_file_between_queries(tmp_path: Path) -> None:
    path = write_name(tmp_path, "test-1")
    client = FileClient(path)
    code = f"""
from pathlib import Path
from playhead.store.database import Store
store = Store(Path({str(tmp_path)!r}))
with store.transaction() as connection:
    connection.execute("INSERT INTO derived VALUES ('test-2', 1)")
store.close()
"""
    writer = subprocess.Popen([sys.executable, "-c", code])
    try:
        while writer.poll() is None:
            with contextlib.suppress(FileInUseError):
                asyncio.run(read_names(client))
    finally:
        writer.kill()
        assert writer.wait() == 0
    assert asyncio.run(read_names(client)) == ["test-1", "test-2"]


async def test_a_file_that_was_replaced_is_opened_again(tmp_path: Path) -> None:
    path = write_name(tmp_path / "one", "test-1")
    other = write_name(tmp_path / "two", "test-2")
    client = FileClient(path)
    assert await read_names(client) == ["test-1"]
    other.replace(path)
    assert await read_names(client) == ["test-2"]


async def test_a_store_is_read_by_several_names(tmp_path: Path) -> None:
    path = write_name(tmp_path / "one", "test-1")
    (tmp_path / "link").symlink_to(tmp_path / "one")
    for _ in range(2):
        for name in (path, tmp_path / "link" / path.name):
            client = FileClient(name)
            assert await client.rows("SELECT count(*) AS n FROM all_spans") == [{"n": 0}]
            assert await read_names(client) == ["test-1"]
