"""Rows that are kept in memory equal those of a read of everything, after changes of every kind."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from playhead.store.attempt_counts import ATTEMPTS_OF
from playhead.store.calls.call_table import rebuild_calls
from playhead.store.calls.counts import COUNTS_OF
from playhead.store.database import Store
from playhead.store.kept_rows import MOST_BYTES, KeptRows
from playhead.store.query import to_rows
from playhead.store.span_invocations import inherit_invocations
from playhead.store.span_writer import SpanRow, SpanWriter
from playhead.store.tables import SPAN_COLUMNS

PARAMETERS = {ATTEMPTS_OF: 2, COUNTS_OF: 1}
TRACE = "a" * 32
IDS = ["inv_1", "inv_2", "inv_3"]
CALL = '{"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 5}'
ATTRIBUTES = list(SPAN_COLUMNS).index("attributes")


class Kept:
    """A store's kept rows, and the ids that were really read."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.read: list[str] = []

    def rows(self, sql: str, ids: Sequence[str]) -> list[dict[str, Any]]:
        def read(params: list[Any]) -> list[dict[str, Any]]:
            self.read += params[0]
            return self.stored(sql, params)

        found = self.store.kept.answer(sql, [list(ids)] * PARAMETERS[sql], read)
        assert found is not None
        rows: list[dict[str, Any]] = json.loads(found)
        return rows

    def stored(self, sql: str, params: list[Any]) -> list[dict[str, Any]]:
        with self.store.reading() as cursor:
            return to_rows(cursor, sql, params)

    def check(self, *changed: str) -> None:
        """Compare all rows with those of the tables; only those of changed ones were read again."""
        for sql, count in PARAMETERS.items():
            self.read.clear()
            assert (self.store.kept.whole_answer(sql, [IDS] * count) is None) == bool(changed)
            assert _by_id(self.rows(sql, IDS)) == _by_id(self.stored(sql, [IDS] * count))
            assert self.read == list(changed)
            whole = self.store.kept.whole_answer(sql, [IDS] * count)
            assert whole is not None
            assert _by_id(json.loads(whole)) == _by_id(self.rows(sql, IDS))


def _by_id(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


def _call(row: SpanRow) -> SpanRow:
    values: Any = (*row[:ATTRIBUTES], CALL, *row[ATTRIBUTES + 1 :])
    return values


@pytest.fixture
def kept(store: Store) -> Kept:
    rebuild_calls(store, threading.Event())
    return Kept(store)


def test_rows_are_read_again_after_changes_of_every_kind(
    kept: Kept, span: Callable[..., SpanRow]
) -> None:
    store = kept.store
    writer = SpanWriter(store)
    kept.check(*IDS)
    kept.check()
    attempt = span(1, name="invocation-attempt a", invocation="inv_1")
    writer.write([attempt])
    kept.check("inv_1")
    writer.write([attempt])  # repeated
    kept.check()
    writer.write([_call(span(2, parent=1))])
    kept.check()
    inherit_invocations(store, [TRACE])
    kept.check("inv_1")
    writer.write([_call(span(3, invocation="inv_2", end=None))])
    kept.check("inv_2")
    writer.write([_call(span(3, invocation="inv_2"))])
    kept.check("inv_2")
    with store.transaction(noted=True):
        pass
    kept.check()
    with store.transaction() as connection:  # any invocation may change
        connection.execute("DELETE FROM spans")
    kept.check(*IDS)
    with pytest.raises(ZeroDivisionError), store.transaction(noted=True):
        raise ZeroDivisionError
    kept.check(*IDS)


def test_rows_that_are_written_while_they_are_read_are_not_kept(kept: Kept) -> None:
    def read(params: list[Any]) -> list[dict[str, Any]]:
        rows = kept.stored(COUNTS_OF, params)
        kept.store.kept.forget(["inv_2"])
        return rows

    kept.store.kept.answer(COUNTS_OF, [IDS], read)
    kept.rows(COUNTS_OF, IDS)
    assert kept.read == ["inv_2"]


def test_an_incomplete_table_of_calls_is_reported_and_not_kept(store: Store) -> None:
    kept = Kept(store)
    for _ in range(2):
        kept.read.clear()
        assert [row["id"] for row in kept.rows(COUNTS_OF, IDS)] == [None]
        assert kept.read == IDS


def test_other_queries_and_parameters_are_left_to_the_database() -> None:
    def read(_: list[Any]) -> list[dict[str, Any]]:
        raise AssertionError("it was read")

    kept = KeptRows()
    for sql, params in (
        (COUNTS_OF, []),
        (COUNTS_OF, [[]]),
        (COUNTS_OF, ["inv_1"]),
        (COUNTS_OF, [[1]]),
        (ATTEMPTS_OF, [["inv_1"], ["inv_2"]]),
    ):
        assert kept.answer(sql, params, read) is None
        assert kept.whole_answer(sql, params) is None


def test_memory_is_bounded() -> None:
    kept = KeptRows()
    most = MOST_BYTES // 50_000
    reads = 0

    def read(params: list[Any]) -> list[dict[str, Any]]:
        nonlocal reads
        reads += 1
        return [{"id": id_, "text": "x" * 50_000} for id_ in params[0]]

    ids = [f"inv_{n}" for n in range(most + 10)]
    for id_ in ids:
        kept.answer(COUNTS_OF, [[id_]], read)
    kept.answer(COUNTS_OF, [ids[-100:]], read)
    assert reads == len(ids)
    kept.answer(COUNTS_OF, [ids[:1]], read)
    assert reads == len(ids) + 1
