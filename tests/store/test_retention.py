"""What exceeds a limit is deleted, the oldest first, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playhead.store.database import Store
from playhead.store.retention import Keep, delete_expired, parse_keep, table_bytes
from playhead.store.span_writer import UNSET, SpanRow, SpanWriter

Select = Callable[..., list[dict[str, Any]]]
DAY = datetime(2026, 3, 10, tzinfo=UTC)
NOW = DAY + timedelta(days=10)


def fill(store: Store) -> None:
    """Store an invocation a day with a journal, an event and two spans; one has not ended."""
    rows: list[SpanRow] = []

    def span(number: int, at: datetime, invocation: str | None) -> None:
        nanoseconds = int(at.timestamp()) * 10**9
        attributes = {"gen_ai.operation.name": "chat", "gen_ai.response.model": "gpt-4o"}
        rows.append(
            (f"{number:032x}", f"{number:016x}", None, "chat", "internal", "agent", "", nanoseconds,
             nanoseconds + 1, "unset", "", json.dumps(attributes), "{}", "[]", "[]", invocation,
             *UNSET)
        )  # fmt: skip

    with store.transaction() as connection:
        for number in range(10):
            at = DAY + timedelta(days=number)
            status = "suspended" if number == 1 else "completed"
            connection.execute(
                "INSERT INTO invocations (id, status, created_at, completed_at)"
                " VALUES (?, ?, ?, ?)",
                [f"inv_{number}", status, at, None if number == 1 else at],
            )
            connection.execute(
                'INSERT INTO journal (id, "index", raw, appended_at) VALUES (?, 0, ?, ?)',
                [f"inv_{number}", b"x", at],
            )
            connection.execute(
                "INSERT INTO journal_events (id, appended_at) VALUES (?, ?)",
                [f"inv_{number}", at],
            )
            # The first span of an invocation may be much older than its end.
            span(3 * number + 1, DAY - timedelta(days=100), f"inv_{number}")
            span(3 * number + 2, at, f"inv_{number}")
            span(3 * number + 3, at, None if number % 2 else "inv_unknown")
    SpanWriter(store).write(rows)


def ids(select: Select, table: str) -> set[str]:
    column = "invocation_id" if table in ("spans", "calls") else "id"
    rows = select(f"SELECT DISTINCT {column} AS id FROM {table} WHERE {column} LIKE 'inv\\__' "
                  "ESCAPE '\\'")  # fmt: skip
    return {row["id"] for row in rows}


EVERY = {f"inv_{number}" for number in range(10)}
LATER = EVERY - {"inv_0", "inv_2", "inv_3", "inv_4"}


def test_an_age_deletes_whole_invocations_of_one_table(store: Store, select: Select) -> None:
    fill(store)
    deleted = delete_expired(store, [parse_keep("spans=120h")], NOW)
    assert ids(select, "spans") == ids(select, "calls") == LATER
    assert ids(select, "journal") == ids(select, "journal_events") == EVERY
    assert ids(select, "invocations") == EVERY
    [row] = select("SELECT count(*) AS n FROM spans WHERE invocation_id IN (SELECT id FROM"
                   " invocations)")  # fmt: skip
    assert row["n"] == 2 * len(LATER)
    # Spans without an invocation have their own age; inv_unknown's newest span is two days old.
    [row] = select("SELECT count(*) AS n FROM spans WHERE invocation_id IS NULL")
    assert row["n"] == 3
    assert deleted == {"spans": 4 * 2 + 2}
    assert delete_expired(store, [parse_keep("spans=120h")], NOW) == {"spans": 0}


@pytest.mark.parametrize("table", ["journal", "journal_events"])
def test_other_tables_have_their_own_limit(store: Store, select: Select, table: str) -> None:
    fill(store)
    assert delete_expired(store, [parse_keep(f"{table}=5d")], NOW) == {table: 4}
    assert ids(select, table) == LATER
    for other in {"spans", "journal", "journal_events", "invocations"} - {table}:
        assert ids(select, other) == EVERY


def test_a_size_deletes_the_oldest_and_only_what_exceeds_it(store: Store, select: Select) -> None:
    fill(store)
    with store.transaction() as connection:
        connection.execute(
            'INSERT INTO journal (id, "index", raw, appended_at) SELECT id, n,'
            " encode(sha256((hash(id || n))::VARCHAR) || repeat(md5(hash(n || id)::VARCHAR), 99)),"
            " created_at FROM invocations, range(1, 200) AS numbers(n)"
        )
    store.checkpoint(least_bytes=0)
    used = table_bytes(store.cursor(), "journal")
    assert delete_expired(store, [Keep("journal", size=used)], NOW) == {}
    assert ids(select, "journal") == EVERY
    deleted = delete_expired(store, [Keep("journal", size=used // 2)], NOW)
    assert deleted["journal"] > 0
    left = ids(select, "journal")
    assert "inv_1" in left, "it has not ended"
    assert 4 <= len(left) <= 5
    assert left - {"inv_1"} == {f"inv_{number}" for number in range(11 - len(left), 10)}
    assert delete_expired(store, [Keep("journal", size=used // 2)], NOW).get("journal", 0) == 0
    assert ids(select, "spans") == EVERY


@pytest.mark.parametrize(
    "text", ["", "spans", "spans=", "spans=30", "spans=-1d", "state=1d", "spans=1.5d", "a=1d=2d",
             "spans=0d", "invocations=1d", "spans=99999999999999w"],
)  # fmt: skip
def test_other_texts_are_not_limits(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a limit|is longer"):
        parse_keep(text)
