"""Older stores are migrated with a copy kept; newer ones are refused and left as they are."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import duckdb
import pytest
from playhead.errors import RecorderError, StoreError
from playhead.record.file_client import FileClient
from playhead.store import migrations
from playhead.store.database import DATABASE, Store
from playhead.store.migrations import SCHEMA_VERSION, copy_path
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
        asyncio.run(FileClient(path).rows("SELECT 1"))
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
