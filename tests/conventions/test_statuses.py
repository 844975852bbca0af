"""Python and the store's SQL select the same rows for each status."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, get_args

import duckdb
from playhead.model import ENDED, FAILING, STATUSES, Status, status_of
from playhead.model.status import (
    ENDED_AS,
    looks_ended_from_outside,
    server_status_sql,
    stored_status_name,
    stored_status_sql,
    tells_ends_apart,
)
from playhead.store.database import Store

WORDS = ("pending", "scheduled", "inboxed", "ready", "running", "backing-off", "suspended",
         "paused", "completed", "gone", "a newer one", None)  # fmt: skip
RESULTS = (None, "success", "failure")
FAILURES = (None, "", "[409] killed", "[409] cancelled", "[500] it is broken")
COLUMNS = ("status", "completion_result", "completion_failure")


def test_every_row_is_selected_by_its_status_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    rows: list[dict[str, Any]] = [dict(zip(COLUMNS, values, strict=True))
            for values in itertools.product(WORDS, RESULTS, FAILURES)]  # fmt: skip
    with store.transaction() as connection:
        for number, row in enumerate(rows):
            connection.execute(
                "INSERT INTO invocations (id, status, completion_result, completion_failure) "
                "VALUES (?, ?, ?, ?)",
                [str(number), *row.values()],
            )
    cursor = store.cursor()
    # A handler may fail with the text of a kill or a cancellation.
    alike = [str(n) for n, row in enumerate(rows) if looks_ended_from_outside(row)]
    for raised in ([], alike[:1], alike):
        ended = [
            status_of(row | ({ENDED_AS: "failed"} if str(n) in raised else {}))
            for n, row in enumerate(rows)
        ]
        sql = f"list_contains({raised}::VARCHAR[], id)"
        for status in STATUSES:
            selected = cursor.execute(
                f"SELECT id FROM invocations WHERE {stored_status_sql([status], sql)}"
            ).fetchall()
            expected = {str(n) for n, one in enumerate(ended) if one == status}
            assert {id_ for (id_,) in selected} == expected, status
            assert expected or (status in ("killed", "cancelled") and raised)
        names = f"SELECT id, {stored_status_name(sql)} FROM invocations"
        assert dict(cursor.execute(names).fetchall()) == {str(n): s for n, s in enumerate(ended)}
    cursor.close()
    store.close()


def test_some_statuses_need_the_journal() -> None:
    assert tells_ends_apart(["failed", "running"])
    assert tells_ends_apart(["failed", "killed"])
    assert not tells_ends_apart(["failed", "killed", "cancelled"])
    assert not tells_ends_apart(["running", "succeeded"])


def test_every_status_but_unknown_has_a_rule() -> None:
    assert set(STATUSES) == set(get_args(Status)) - {"unknown"}
    assert {"succeeded", "failed", "killed", "cancelled", "gone"} == ENDED
    assert set(FAILING) == {"failed", "killed", "backing-off", "paused"}
    assert status_of({}) == "unknown"


def test_unknown_statuses_match_nothing() -> None:
    assert stored_status_sql(["'; DROP TABLE spans; --"], "false") == "(false)"
    assert server_status_sql([]) == ("(false)", False)


def test_each_invoked_row_has_exactly_one_status() -> None:
    """Each row of sys_invocation_status that is invoked has exactly one status."""
    connection = duckdb.connect()
    states = "(VALUES (NULL, NULL), (true, 0), (true, 3), (false, 0), (false, 3))"
    for in_flight, retries in connection.execute(f"FROM {states}").fetchall():
        matching = [
            status
            for status in STATUSES
            if connection.execute(
                f"SELECT {server_status_sql([status])[0]} FROM (SELECT 'invoked' AS status, "
                "NULL AS completion_result, NULL AS completion_failure) ss, "
                "(SELECT ?::BOOLEAN AS in_flight, ?::INTEGER AS retry_count) sis",
                [in_flight, retries],
            ).fetchone()
            == (True,)
        ]
        assert len(matching) == 1
    assert server_status_sql(["ready"])[1]
    assert not server_status_sql(["failed"])[1]
