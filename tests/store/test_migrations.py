"""Older stores are migrated with a copy kept; newer ones are refused and left as they are."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import duckdb
import pytest
from exported_rows import row
from playhead.errors import RecorderError, StoreError
from playhead.export.stored_spans import Selection, SpanReader, StoredSpan
from playhead.record.client import connect
from playhead.record.file_client import FileClient
from playhead.settings import Settings
from playhead.store import migrations
from playhead.store.database import DATABASE, Store
from playhead.store.migrations import SCHEMA_VERSION, copy_path
from playhead.store.span_writer import UNSET, SpanWriter
from playhead.store.upkeep import vacuum


def execute(path: Path, *statements: str) -> list[Any]:
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        return connection.fetchall()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    Store(tmp_path).close()
    return tmp_path / DATABASE


def older(path: Path) -> None:
    """Make the store what it was before its tables had a version."""
    execute(
        path,
        "DROP TABLE schema_version",
        "ALTER TABLE journal_llm_calls DROP COLUMN cache_write_tokens",
        "INSERT INTO journal_llm_calls (invocation_id, model) VALUES ('inv_1', 'gpt-4o')",
    )


def version(path: Path) -> list[Any]:
    return execute(path, "SELECT version FROM schema_version")


def test_an_older_store_is_migrated_and_its_copy_is_as_before(path: Path) -> None:
    older(path)
    Store(path.parent).close()
    assert version(path) == [(SCHEMA_VERSION,)]
    row = "SELECT model, cache_write_tokens FROM journal_llm_calls"
    assert execute(path, row) == [("gpt-4o", None)]
    copy = copy_path(path, 0)
    assert copy.stat().st_mode & 0o777 == 0o600
    assert execute(copy, "SELECT model FROM journal_llm_calls") == [("gpt-4o",)]
    with pytest.raises(duckdb.BinderException):
        execute(copy, row)
    assert not list(path.parent.glob("*.writing"))


NEW = (
    "trace_state", "flags", "dropped_attributes_count", "dropped_events_count",
    "dropped_links_count", "attribute_types", "scope", "resource_details",
)  # fmt: skip
"""Columns of spans that version 1 did not have."""
WITH_CLUSTER = ("invocations", "state", "journal_copies", "recordings")
"""Tables with a column that versions 1 and 2 did not have."""


def of_version_1(path: Path, *, archived: bool = False) -> None:
    """Make the store what it was in version 1, with a span, which may be in its archive only."""
    execute(
        path,
        *(f"ALTER TABLE spans DROP COLUMN {name}" for name in NEW),
        *(f"ALTER TABLE {table} DROP COLUMN cluster" for table in WITH_CLUSTER),
        "UPDATE schema_version SET version = 1",
        "INSERT INTO spans (trace_id, span_id, name, scope_name, start_unix_nano, end_unix_nano,"
        " kind, status_code, status_message, attributes, resource, events, links)"
        " VALUES (repeat('a', 32), repeat('b', 16), 'old', 'scope', 1, 2, 'internal', 'unset', '',"
        """ '{"n":1}', '{}', '[]', '[]')""",
    )
    if archived:
        folder = path.parent / "archive" / "spans" / "day=1970-01-01"
        folder.mkdir(parents=True)
        execute(
            path,
            f"COPY spans TO '{folder / 'part-000000000000.parquet'}' (FORMAT parquet)",
            "INSERT INTO archives VALUES ('000000000000', now(), DATE '1970-01-02')",
            "DELETE FROM spans",
        )


async def exported(path: Path, *, archived: bool = False) -> list[StoredSpan]:
    client = await connect(Settings(store=path.parent))
    assert client is not None
    reader = SpanReader(client, Selection(archived=archived))
    spans = [span async for _, spans in reader.spans() for span in spans]
    await client.close()
    return spans


async def read(path: Path, sql: str) -> list[dict[str, Any]]:
    client = FileClient(path)
    try:
        return await client.rows(sql)
    finally:
        await client.close()


@pytest.mark.parametrize("archived", [False, True])
def test_spans_of_version_1_are_read_and_exported(path: Path, archived: bool) -> None:
    """Commands without a recorder migrate the store, too; days of the archive stay as they are."""
    of_version_1(path, archived=archived)
    [span] = asyncio.run(exported(path, archived=archived))
    assert (span.name, span.attributes, span.flags, span.scope) == ("old", {"n": 1}, 0, {})
    assert version(path) == [(SCHEMA_VERSION,)]
    assert execute(copy_path(path, 1), "SELECT count(*) FROM spans") == [(0 if archived else 1,)]
    SpanWriter(store := Store(path.parent)).write([row(1, rest=("k=v", 1, *UNSET[2:]))])
    store.close()
    spans = asyncio.run(exported(path, archived=archived))
    assert [(span.name, span.flags) for span in spans] == [("span 1", 1), ("old", 0)]


@pytest.mark.parametrize("clusters", [(), ("a",), ("a", "b")])
def test_periods_of_version_3_become_those_of_the_only_cluster(
    path: Path, clusters: tuple[str, ...]
) -> None:
    execute(
        path,
        "ALTER TABLE recordings DROP COLUMN cluster",
        "UPDATE schema_version SET version = 3",
        "INSERT INTO recordings VALUES (now(), now())",
        *(f"INSERT INTO invocations (id, cluster) VALUES ('{one}', '{one}')" for one in clusters),
    )
    Store(path.parent).close()
    found = [row[0] for row in execute(path, "SELECT cluster FROM recordings")]
    assert found == {0: [None], 1: ["a"], 2: []}[len(clusters)]
    assert execute(copy_path(path, 3), "SELECT count(*) FROM recordings") == [(1,)]


def test_an_older_store_that_cannot_be_migrated_is_read(path: Path) -> None:
    of_version_1(path)
    copy_path(path, 1).mkdir()  # in the way of the copy
    rows = asyncio.run(read(path, "SELECT name FROM spans"))
    assert rows == [{"name": "old"}]
    assert version(path) == [(1,)]


def test_a_current_store_is_not_copied(path: Path) -> None:
    assert version(path) == [(SCHEMA_VERSION,)]
    Store(path.parent).close()
    execute(path, "DROP TABLE schema_version")  # from before versions, with all columns
    Store(path.parent).close()
    assert version(path) == [(SCHEMA_VERSION,)]
    assert not copy_path(path, 0).exists()
    vacuum(path.parent)
    assert version(path) == [(SCHEMA_VERSION,)]


def test_a_newer_store_is_refused_and_unchanged(path: Path) -> None:
    execute(path, "UPDATE schema_version SET version = 999", "DROP VIEW llm_calls", "CHECKPOINT")
    content = path.read_bytes()
    with pytest.raises(StoreError, match="version 999") as refused:
        Store(path.parent)
    assert "Update Playhead" in refused.value.hint
    with pytest.raises(RecorderError, match="version 999"):
        asyncio.run(read(path, "SELECT 1"))
    assert path.read_bytes() == content
    with pytest.raises(StoreError, match="version 999"):  # not locked by the refused one
        Store(path.parent)


def test_a_failed_migration_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    older(path)
    copy_path(path, 0).mkdir()  # in the way of the copy
    with pytest.raises(StoreError, match="cannot be copied"):
        Store(path.parent)
    copy_path(path, 0).rmdir()
    monkeypatch.setitem(migrations.STEPS, 1, lambda _: ["ALTER TABLE nothing ADD COLUMN a INT"])
    with pytest.raises(StoreError):
        Store(path.parent)
    assert execute(path, "SELECT model FROM journal_llm_calls") == [("gpt-4o",)]
    with pytest.raises(duckdb.CatalogException):
        version(path)
    monkeypatch.undo()
    Store(path.parent).close()
    assert version(path) == [(SCHEMA_VERSION,)]
