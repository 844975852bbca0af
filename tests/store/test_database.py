from __future__ import annotations

import os
from pathlib import Path

import duckdb
import pytest
from playhead.errors import StoreError, StoreLockedError
from playhead.store.database import DATABASE, Store


def test_a_second_owner_is_told_who_has_it(store: Store) -> None:
    with pytest.raises(StoreLockedError, match=str(os.getpid())):
        Store(store.folder)


def test_it_opens_again_after_it_was_closed(tmp_path: Path) -> None:
    for _ in range(3):
        store = Store(tmp_path)
        store.close()
        store.close()


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / DATABASE
    path.write_bytes(b"not a database, but mine" * 1000)
    with pytest.raises(StoreError, match=r"playhead\.duckdb"):
        Store(tmp_path)
    assert path.read_bytes() == b"not a database, but mine" * 1000
    path.unlink()
    Store(tmp_path).close()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot be used"):
        Store(tmp_path / "file")


def test_a_failed_transaction_leaves_nothing(store: Store) -> None:
    def fail() -> None:
        with store.transaction() as connection:
            connection.execute("INSERT INTO journal_copies VALUES ('a', 1, 1, true)")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    with store.transaction() as connection:
        connection.execute("INSERT INTO journal_copies VALUES ('b', 1, 1, true)")
    assert store.cursor().execute("SELECT id FROM journal_copies").fetchall() == [("b",)]


def test_a_checkpoint_empties_the_log(store: Store) -> None:
    with store.transaction() as connection:
        connection.execute(
            "INSERT INTO journal_copies SELECT 'inv' || range, 1, 1, true FROM range(100000)"
        )
    assert store.log_bytes() > 100_000
    assert store.checkpoint(least_bytes=1)
    assert store.log_bytes() == 0
    assert not store.checkpoint(least_bytes=1)


def test_others_can_read_it_when_it_is_closed(store: Store) -> None:
    store.close()
    with duckdb.connect(str(store.path), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM spans").fetchall() == [(0,)]
