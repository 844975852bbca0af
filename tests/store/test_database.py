from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import duckdb
import pytest
from playhead.errors import StoreError, StoreLockedError
from playhead.store import database, database_settings, query_limits
from playhead.store.database import DATABASE, Store, opening_hint
from playhead.store.folder_lock import LOCK
from playhead.store.upkeep import perform

WITHOUT_PRIVILEGES = """
import ctypes, os, sys

for capability in (1, 2):  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: root would write anywhere
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
os.execv(sys.executable, [sys.executable, "-m", "playhead", *sys.argv[1:]])
"""


def test_a_second_owner_learns_the_process_of_the_first(store: Store) -> None:
    with pytest.raises(StoreLockedError, match=str(os.getpid())):
        Store(store.folder)


def test_it_opens_again_after_it_was_closed(tmp_path: Path) -> None:
    for number in range(3):
        store = Store(tmp_path)
        with store.transaction() as connection:
            connection.execute(
                "INSERT INTO journal_copies VALUES (?, 1, 1, true, NULL)", [str(number)]
            )
        store.close()
        store.close()
    store = Store(tmp_path)
    [(count,)] = store.cursor().execute("SELECT count(*) FROM journal_copies").fetchall()
    store.close()
    assert count == 3


def test_a_killed_owner_holds_no_lock(tmp_path: Path) -> None:
    """The operating system releases the lock. The file with the process id stays."""
    script = (
        "import os, pathlib, sys; from playhead.store.database import Store; "
        "Store(pathlib.Path(sys.argv[1])); os.kill(os.getpid(), 9)"
    )
    ended = subprocess.run([sys.executable, "-c", script, tmp_path], check=False)
    assert ended.returncode == -9
    assert (tmp_path / LOCK).read_text() != str(os.getpid())
    store = Store(tmp_path)
    assert (tmp_path / LOCK).read_text() == str(os.getpid())
    store.close()


def test_an_owner_may_close_it_in_another_thread(tmp_path: Path) -> None:
    store = Store(tmp_path)
    thread = threading.Thread(target=store.close)
    thread.start()
    thread.join(10)
    Store(tmp_path).close()
    assert not thread.is_alive()


def test_a_file_that_is_not_a_database_stays_unchanged(tmp_path: Path) -> None:
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


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    Store(folder).close()
    folder.chmod(0o500)
    record = ("record", "--otlp-http-port=0", "--otlp-grpc-port=0", "--api-port=0")
    for command in (record, ("store", "backup", str(tmp_path / "copy.duckdb"))):
        words = [sys.executable, "-c", WITHOUT_PRIVILEGES, "--store", str(folder), *command]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 3, done.stderr
        assert f"The store cannot be used: {folder}: Permission denied" in done.stderr
        assert "choose a writable folder" in done.stderr
    folder.chmod(0o700)
    Store(folder).close()


def test_a_failed_transaction_leaves_nothing(store: Store) -> None:
    def fail() -> None:
        with store.transaction() as connection:
            connection.execute("INSERT INTO journal_copies VALUES ('a', 1, 1, true, NULL)")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    with store.transaction() as connection:
        connection.execute("INSERT INTO journal_copies VALUES ('b', 1, 1, true, NULL)")
    assert store.cursor().execute("SELECT id FROM journal_copies").fetchall() == [("b",)]


def test_a_checkpoint_empties_the_log(store: Store) -> None:
    with store.transaction() as connection:
        connection.execute(
            "INSERT INTO journal_copies SELECT 'inv' || range, 1, 1, true, NULL FROM range(100000)"
        )
    assert store.log_bytes() > 100_000
    assert store.checkpoint(least_bytes=1)
    assert store.log_bytes() == 0
    assert not store.checkpoint(least_bytes=1)


def test_others_can_read_it_when_it_is_closed(store: Store) -> None:
    store.close()
    with duckdb.connect(str(store.path), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM spans").fetchall() == [(0,)]


class _FailingRollback:
    """A connection on which ROLLBACK fails, as it does when the memory is used up."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, *args: Any) -> Any:
        if sql == "ROLLBACK":
            raise duckdb.OutOfMemoryException("failed to allocate data")
        return self._connection.execute(sql, *args)


def test_a_failed_rollback_does_not_stop_later_transactions(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_connection", _FailingRollback(store._connection))
    both = "INSERT INTO recordings VALUES (now(), now(), 'production'); SELECT 'x'::INTEGER"
    with pytest.raises(duckdb.ConversionException), store.transaction() as connection:
        connection.execute(both)
    with store.transaction() as connection:
        connection.execute("INSERT INTO recordings VALUES (now(), now(), 'production')")
    assert store.cursor().execute("SELECT count(*) FROM recordings").fetchall() == [(1,)]
    assert store.uncertain == 0


def test_a_reader_opens_a_closed_database_again(store: Store) -> None:
    """It is closed when it failed and could not be opened again at once."""
    store._connection.close()
    with store.reading() as cursor:
        assert cursor.execute("SELECT count(*) FROM spans").fetchall() == [(0,)]
    assert store.reopened == 1


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (duckdb.IOException("Could not set lock on file"), "Close the process"),
        (duckdb.ConnectionException("a different configuration"), "Close the process"),
        (duckdb.IOException("Cannot open file: Permission denied"), "Check the permissions"),
        (duckdb.IOException("not a valid DuckDB database file!"), "Move the file away"),
    ],
)
def test_the_hint_fits_the_reason(error: duckdb.Error, hint: str) -> None:
    assert opening_hint(error).startswith(hint)


def test_a_commit_has_memory_when_queries_have_taken_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB would give up the database."""
    monkeypatch.setattr(database_settings, "MEMORY", "40MB")
    monkeypatch.setattr(database, "COMMIT_MEMORY", "80MB")
    store = Store(tmp_path)
    held: list[duckdb.DuckDBPyConnection] = []

    def hold(size: int) -> None:
        """Start a query that holds a list, which cannot be moved to the disk."""
        held.append(store.cursor())
        held[-1].execute(
            f"WITH held AS MATERIALIZED (SELECT list(x) AS l FROM range({size}) t(x)) "
            "SELECT y + len(l) FROM held, range(1000000000000) u(y)"
        ).fetchmany(1)

    try:
        with (
            contextlib.closing(store.cursor()) as cursor,
            query_limits.Reading(cursor, query_limits.Limits(), None),
            store.transaction() as connection,
        ):
            connection.execute(
                "INSERT INTO spans BY NAME SELECT range::VARCHAR AS trace_id, 'a' AS span_id, "
                "'name' AS name, 1 AS start_unix_nano FROM range(100000)"
            )
            for size in (500_000, 100_000, 20_000, 4_000):
                with contextlib.suppress(duckdb.OutOfMemoryException):
                    while True:
                        hold(size)
            assert len(held) > 6
        assert (store.uncertain, store.reopened) == (0, 0)
        assert store.log_bytes() > 500_000
        for cursor in held:
            cursor.close()
        with store.transaction() as connection:
            limit = connection.execute("SELECT current_setting('memory_limit')").fetchall()
        assert limit == [("38.1 MiB",)], "as before"
    finally:
        store.close()


KILLED = """
import os, sys, duckdb
connection = duckdb.connect(sys.argv[1])
connection.execute("SET checkpoint_threshold = '1GB'")
for number in range(3):
    connection.execute("INSERT INTO archives VALUES (?, now(), now())", [str(number)])
os.kill(os.getpid(), 9)
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a store whose process was killed: three rows are in its log alone."""
    folder = tmp_path_factory.mktemp("killed")
    Store(folder).close()
    subprocess.run([sys.executable, "-c", KILLED, folder / DATABASE], check=False)
    return folder


@pytest.mark.parametrize("length", [None, 0, 1, 2, 3, 4, 5, 6, 20, 40, 90, -1])
def test_the_log_of_a_killed_process_is_read(
    killed: Path, tmp_path: Path, length: int | None
) -> None:
    """Also when only the beginning of it was written."""
    folder = shutil.copytree(killed, tmp_path / "copy")
    log = folder / f"{DATABASE}.wal"
    log.write_bytes(log.read_bytes()[:length])
    store = Store(folder)
    [(rows,)] = store.cursor().execute("SELECT count(*) FROM archives").fetchall()
    store.close()
    assert store.set_aside_log is None
    assert rows == 3 if length is None else rows < 3
    assert not list(folder.glob("*set-aside*"))


@pytest.mark.parametrize("garbage", [b"x", b"garbage" * 999, bytes(4096), b"d\0be\1" + bytes(99)])
def test_what_is_no_log_is_kept_and_named(killed: Path, tmp_path: Path, garbage: bytes) -> None:
    folder = shutil.copytree(killed, tmp_path / "copy")
    log = folder / f"{DATABASE}.wal"
    for number in (1, 2):
        log.write_bytes(garbage)
        store = Store(folder)
        [problem] = perform(store, {"task": "verify"})["problems"]
        with store.transaction() as connection:
            connection.execute("INSERT INTO derived VALUES (?, 1)", [f"mine {number}"])
        store.close()
        kept = folder / f"{DATABASE}.wal.set-aside-{number}"
        assert str(kept) in problem
        assert kept.read_bytes() == garbage
    store = Store(folder)
    assert perform(store, {"task": "verify"})["problems"] == []
    store.close()
