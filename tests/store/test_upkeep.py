"""Archive, backup, vacuum and checks of a store lose and double nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from playhead.errors import StoreError, StoreLockedError
from playhead.store.database import Store
from playhead.store.retention import delete_expired, parse_keep
from playhead.store.span_writer import UNSET, SpanRow, SpanWriter
from playhead.store.tables import SPAN_COLUMNS
from playhead.store.upkeep import perform, vacuum

DAY = datetime(2026, 3, 10, tzinfo=UTC)
NEWEST = DAY + timedelta(days=9)
Select = Callable[..., list[dict[str, Any]]]


def nanoseconds(at: datetime) -> int:
    return int(at.timestamp()) * 10**9


def fill(store: Store, days: int = 10) -> None:
    """Store one ended invocation a day, with a journal and spans; one running; other spans."""
    rows: list[SpanRow] = []

    def span(number: int, at: datetime, invocation: str | None) -> None:
        rows.append(
            (f"{number:032x}", f"{number:016x}", None, "work", "internal", "agent", "",
             nanoseconds(at), nanoseconds(at) + 1, "unset", "",
             '{"gen_ai.operation.name":"chat","text":"' + "x" * 500 + '"}', "{}", "[]", "[]",
             invocation, *UNSET)
        )  # fmt: skip

    with store.transaction() as connection:
        for number in range(days):
            at = DAY + timedelta(days=number, hours=3)
            connection.execute(
                "INSERT INTO invocations (id, status, created_at, completed_at)"
                " VALUES (?, ?, ?, ?)",
                [f"inv_{number}", "completed", at, at + timedelta(minutes=1)],
            )
            connection.execute(
                'INSERT INTO journal (id, "index", raw) VALUES (?, 0, ?)',
                [f"inv_{number}", b"\x01"],
            )
            span(number * 10 + 1, at - timedelta(days=1), f"inv_{number}")
            span(number * 10 + 2, at, f"inv_{number}")
            span(number * 10 + 3, at, None)
        connection.execute(
            "INSERT INTO invocations (id, status, created_at) VALUES ('inv_old', 'suspended', ?)",
            [DAY],
        )
    span(9999, DAY, "inv_old")
    SpanWriter(store).write(rows)


def counts(select: Select, prefix: str = "") -> dict[str, int]:
    return {
        table: select(f"SELECT count(*) AS n FROM {prefix}{table}")[0]["n"]
        for table in ("spans", "invocations", "journal", "journal_events")
    }


def test_the_archive_and_the_tables_together_have_every_row_once(
    store: Store, select: Select
) -> None:
    fill(store)
    whole, spans = counts(select), select("SELECT * FROM spans ORDER BY ALL")
    moved = perform(store, {"task": "archive", "before": "2026-03-15"})
    assert moved["rows"] == {
        "spans": 15, "invocations": 5, "journal": 5, "journal_events": 0, "duplicate_spans": 0,
        "journal_llm_calls": 0,
    }  # fmt: skip
    assert counts(select)["invocations"] == whole["invocations"] - 5
    assert select("SELECT count(*) AS n FROM calls") == [{"n": counts(select)["spans"]}]
    assert counts(select, "all_") == whole
    assert select("SELECT * FROM all_spans ORDER BY ALL") == spans
    # Suspended invocations stay, however old they are.
    assert select("SELECT count(*) AS n FROM spans WHERE invocation_id = 'inv_old'") == [{"n": 1}]
    days = {path.parent.name for path in (store.folder / "archive").rglob("*.parquet")}
    assert days == {f"day=2026-03-{number}" for number in range(10, 15)}
    perform(store, {"task": "archive", "before": "2026-03-18"})
    assert perform(store, {"task": "archive", "before": "2026-03-18"})["days"] == 0
    assert counts(select, "all_") == whole


@pytest.mark.parametrize("task", ["archive", "delete"])
def test_invocations_whose_end_was_not_recorded_are_moved_too(
    store: Store, select: Select, task: str
) -> None:
    """The server has forgotten one, and others were never copied, as with --no-journal."""
    fill(store)
    with store.transaction() as connection:
        connection.execute(
            "UPDATE invocations SET status = 'gone', completed_at = NULL, modified_at = ?"
            " WHERE id IN ('inv_1', 'inv_8')",
            [DAY],
        )
        connection.execute("UPDATE invocations SET modified_at = ? WHERE id = 'inv_8'", [NEWEST])
        connection.execute("DELETE FROM invocations WHERE id IN ('inv_0', 'inv_9')")
    whole = counts(select)
    moved = perform(store, {"task": task, "before": "2026-03-13"})
    assert (moved["rows"]["invocations"], moved["rows"]["spans"]) == (2, 9)
    left = {row["id"] for row in select("SELECT DISTINCT invocation_id AS id FROM spans")}
    assert left == {None, "inv_old", *(f"inv_{number}" for number in range(3, 10))}
    if task == "archive":
        assert counts(select, "all_") == whole


def test_the_number_of_spans_is_right_after_some_were_moved(store: Store) -> None:
    fill(store)
    writer = SpanWriter(store)
    perform(store, {"task": "archive", "before": "2026-03-15"})
    limit = parse_keep("spans=1h")
    assert delete_expired(store, [limit], DAY + timedelta(days=8))["spans"] > 0
    assert len(writer) == len(SpanWriter(store))


@pytest.mark.parametrize("restarted", [False, True])
def test_archived_spans_that_arrive_again_are_not_stored_twice(
    store: Store, select: Select, restarted: bool
) -> None:
    fill(store)
    columns = ", ".join(SPAN_COLUMNS)
    with store.reading() as cursor:
        sent: list[SpanRow] = cursor.execute(f"SELECT {columns} FROM spans").fetchall()
    writer = SpanWriter(store)
    perform(store, {"task": "archive", "before": "2026-03-15"})
    if restarted:
        writer = SpanWriter(store)
    there = counts(select)["spans"]
    other = [(f"{1:032x}", "f" * 16, *sent[0][2:]), ("e" * 32, *sent[0][1:])]
    again = writer.write([*sent, *other])
    assert (again.new, again.repeated) == (2, len(sent))
    assert len(writer) == counts(select)["spans"] == there + 2
    assert select("SELECT count(*) AS n FROM all_spans") == [{"n": len(sent) + 2}]
    # Those of a later run, too; and a span is new again once it has been deleted.
    perform(store, {"task": "archive", "before": "2026-03-17"})
    assert writer.write(sent).repeated == len(sent)
    left = select("SELECT span_id AS id FROM spans")
    perform(store, {"task": "delete", "before": "2026-04-01"})
    deleted = {row["id"] for row in left} - {
        row["id"] for row in select("SELECT span_id AS id FROM spans")
    }
    assert writer.write([row for row in sent if row[1] in deleted]).new == len(deleted) > 0
    assert len(writer) == counts(select)["spans"]


def test_other_engines_read_the_archive(store: Store) -> None:
    fill(store)
    perform(store, {"task": "archive", "before": "2026-03-12"})
    files = store.folder / "archive" / "spans" / "*" / "*.parquet"
    rows = duckdb.sql(
        f"SELECT day::VARCHAR, count(*) FROM read_parquet('{files}', hive_partitioning = true)"
        " GROUP BY day ORDER BY day"
    ).fetchall()
    assert rows == [("2026-03-10", 3), ("2026-03-11", 3)]


def test_an_interrupted_run_leaves_everything_in_the_tables(
    store: Store, select: Select, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store)
    whole = counts(select)

    def fail(*_: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("playhead.store.upkeep.archive_statements", fail)
        with pytest.raises(KeyboardInterrupt):
            perform(store, {"task": "archive", "before": "2026-03-15"})
    assert list((store.folder / "archive").rglob("*.parquet"))
    assert counts(select) == whole
    store.close()
    again = Store(store.folder)
    try:
        assert list((store.folder / "archive").rglob("*.parquet")) == []
        perform(again, {"task": "archive", "before": "2026-03-15"})
        rows = again.cursor().execute("SELECT count(*) FROM all_spans").fetchall()
        assert rows == [(whole["spans"],)]
    finally:
        again.close()


def test_rows_can_be_deleted_for_good(store: Store, select: Select) -> None:
    fill(store)
    perform(store, {"task": "delete", "before": "2026-03-15"})
    assert counts(select) == counts(select, "all_")
    assert counts(select)["invocations"] == 6
    assert not (store.folder / "archive").exists()


def test_sql_reaches_no_file_outside_the_archive(store: Store, tmp_path: Path) -> None:
    fill(store)
    perform(store, {"task": "archive", "before": "2026-03-15"})
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b")
    for path in (secret, store.folder / "archive" / ".." / ".." / "secret.csv"):
        with pytest.raises(duckdb.PermissionException):
            store.cursor().execute(f"SELECT * FROM read_csv('{path}')")
    with pytest.raises(duckdb.Error):
        store.cursor().execute("SET enable_external_access = true")


def test_a_backup_of_an_open_store(store: Store, select: Select, tmp_path: Path) -> None:
    fill(store)
    folder = tmp_path / "copy"
    folder.mkdir()
    answer = perform(store, {"task": "backup", "path": str(folder / "playhead.duckdb")})
    assert answer["bytes"] == (folder / "playhead.duckdb").stat().st_size
    assert (folder / "playhead.duckdb").stat().st_mode & 0o077 == 0
    copy = Store(folder)
    try:
        [(rows,)] = copy.cursor().execute("SELECT count(*) FROM spans").fetchall()
        assert rows == counts(select)["spans"]
    finally:
        copy.close()
    with pytest.raises(StoreError, match="already exists"):
        perform(store, {"task": "backup", "path": str(folder / "playhead.duckdb")})


def test_vacuum_gives_space_back_and_keeps_every_row(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    SpanWriter(store).write(
        (f"{n:032x}", f"{n:016x}", None, "work", "internal", "agent", "", n, n + 1, "unset", "",
         '{"text":"' + f"{n * 7919:x}" * 100 + '"}', "{}", "[]", "[]", None,
             *UNSET)
        for n in range(1, 8000)
    )  # fmt: skip
    store.checkpoint(least_bytes=0)
    with store.transaction() as connection:
        connection.execute("DELETE FROM spans WHERE start_unix_nano > 100")
    with pytest.raises(StoreLockedError):
        vacuum(store.folder)
    store.close()
    before, after = vacuum(store.folder)
    assert after < before
    again = Store(store.folder)
    assert again.cursor().execute("SELECT count(*) FROM spans").fetchall() == [(100,)]
    again.close()


def test_summary_and_checks(store: Store) -> None:
    fill(store)
    store.checkpoint(least_bytes=0)
    summary = perform(store, {"task": "summary"})
    spans = next(row for row in summary["tables"] if row["table"] == "spans")
    assert (spans["rows"], spans["oldest"][:10]) == (31, "2026-03-09")
    assert spans["bytes"] > 0
    assert perform(store, {"task": "verify"}) == {"problems": []}
    with store.transaction() as connection:
        connection.execute("INSERT INTO spans SELECT * FROM spans LIMIT 2")
    assert perform(store, {"task": "verify"}) == {"problems": ["2 spans are stored more than once"]}
    with pytest.raises(ValueError, match="not a task"):
        perform(store, {"task": "drop"})
