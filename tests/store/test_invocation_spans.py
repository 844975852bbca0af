"""Spans of an invocation that are read between known times are all of its spans."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Sequence
from typing import Any

import pytest
from playhead.record.queries import batch as query_batch
from playhead.record.queries.batch import parse_batch, run_batch
from playhead.store.answers import Answer
from playhead.store.attempt_counts import ATTEMPTS_OF
from playhead.store.database import Store
from playhead.store.invocation_spans import (
    ANY_TIME,
    IN_ORDER,
    OF_INVOCATION,
    UP_TO,
    read_narrowed,
)
from playhead.store.query import to_json_rows, to_rows
from playhead.store.query_limits import DEFAULT_LIMITS
from playhead.store.span_invocations import inherit_invocations
from playhead.store.span_writer import SpanRow, SpanWriter
from playhead.store.tables import SPAN_COLUMNS

SQL = f"SELECT span_id, start_unix_nano{OF_INVOCATION}{IN_ORDER}5000"
COUNT = f"SELECT count(*) AS n{OF_INVOCATION}"
TRACE = "a" * 32
START = list(SPAN_COLUMNS).index("start_unix_nano")


class Spans:
    """A store whose recorder keeps the attempts of invocations."""

    def __init__(self, store: Store, span: Callable[..., SpanRow]) -> None:
        self.store = store
        self.writer = SpanWriter(store)
        self.times: list[tuple[int, int]] = []
        """The times between which spans were read."""
        self._span = span

    def attempt(self, number: int, *, at: int, invocation: str = "inv_1") -> SpanRow:
        return self.span(number, at=at, name="invocation-attempt a", invocation=invocation)

    def span(self, number: int, *, at: int, **values: Any) -> SpanRow:
        row = self._span(number, **values)
        changed: Any = (*row[:START], at, *row[START + 1 :])
        return changed

    def stored(self, params: Sequence[Any]) -> list[dict[str, Any]]:
        self.times.append((params[1], params[2]))
        with self.store.reading() as cursor:
            return to_rows(cursor, SQL, params)

    def keep(self, *ids: str) -> None:
        def read(params: list[Any]) -> list[dict[str, Any]]:
            with self.store.reading() as cursor:
                return to_rows(cursor, ATTEMPTS_OF, params)

        self.store.kept.answer(ATTEMPTS_OF, [list(ids)] * 2, read)

    def check(self, *times: tuple[int, int], invocation: str = "inv_1") -> None:
        """Compare the spans with those of a read of all; check between which times it was read."""
        self.times.clear()
        found = read_narrowed(self.store.kept, SQL, [invocation, *ANY_TIME], self.stored)
        assert self.times == list(times)
        assert found == self.stored([invocation, *ANY_TIME])


@pytest.fixture
def spans(store: Store, span: Callable[..., SpanRow]) -> Spans:
    return Spans(store, span)


def test_spans_are_read_between_the_times_of_their_invocation(spans: Spans) -> None:
    spans.writer.write([spans.attempt(1, at=50), spans.attempt(9, at=500, invocation="inv_2")])
    spans.writer.write([spans.span(2, at=70, invocation="inv_1")])
    spans.writer.write([spans.span(3, at=20, parent=1)])  # of no invocation yet
    spans.check(ANY_TIME)
    spans.keep("inv_1", "inv_2", "inv_3")
    spans.check((50, 70))
    spans.check((500, 500), invocation="inv_2")
    spans.check(ANY_TIME, invocation="inv_3")
    inherit_invocations(spans.store, [TRACE])
    spans.check(ANY_TIME)
    spans.keep("inv_1")
    spans.check((20, 70))
    spans.writer.write([spans.span(4, at=2**63, invocation="inv_1")])
    spans.check(ANY_TIME)
    spans.keep("inv_1")
    spans.check((20, 2**63))
    with spans.store.transaction() as connection:
        connection.execute("UPDATE spans SET start_unix_nano = 0 WHERE start_unix_nano = 50")
    spans.check(ANY_TIME)


def test_an_invocation_with_failures_and_without_spans(spans: Spans) -> None:
    with spans.store.transaction() as connection:
        connection.execute(
            "INSERT INTO journal_events (id, event_type) VALUES ('inv_1', 'TransientError')"
        )
    spans.keep("inv_1")
    spans.check(ANY_TIME)


def test_spans_that_are_committed_just_before_they_are_read(spans: Spans) -> None:
    spans.writer.write([spans.attempt(1, at=50)])
    spans.keep("inv_1")
    later = [spans.span(2, at=40, invocation="inv_1")]

    def read(params: list[Any]) -> list[dict[str, Any]]:
        while later:
            spans.writer.write([later.pop()])
        return spans.stored(params)

    found = read_narrowed(spans.store.kept, SQL, ["inv_1", *ANY_TIME], read)
    assert [row["start_unix_nano"] for row in found] == [40, 50]
    assert spans.times == [(50, 50), ANY_TIME]


def test_spans_that_are_committed_and_not_yet_noted(
    spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans.writer.write([spans.attempt(1, at=50), spans.attempt(9, at=500, invocation="inv_2")])
    spans.keep("inv_1", "inv_2")
    kept, forget = spans.store.kept, spans.store.kept.forget
    looked: list[str] = []

    def look_first(ids: Collection[str] | None) -> None:
        looked.append("inv_1")
        spans.check((50, 50), ANY_TIME)
        spans.check((500, 500), invocation="inv_2")
        forget(ids)

    monkeypatch.setattr(kept, "forget", look_first)
    spans.writer.write([spans.span(2, at=40, invocation="inv_1")])
    assert looked
    monkeypatch.undo()
    spans.check(ANY_TIME)
    spans.keep("inv_1")
    spans.check((40, 50))


def test_other_queries_are_left_as_they_are(spans: Spans) -> None:
    spans.writer.write([spans.attempt(1, at=50)])
    spans.keep("inv_1")
    asked: list[Any] = []
    for sql, params in (
        (SQL, ["inv_1", 0, 9]),
        (SQL, []),
        (SQL + " -- 5", ["inv_1", *ANY_TIME]),
        (COUNT + " OR true", ["inv_1", *ANY_TIME]),
        (COUNT + "0", ["inv_1", *ANY_TIME]),
        (SQL.replace("spans", "all_spans"), ["inv_1", *ANY_TIME]),
    ):
        read_narrowed(spans.store.kept, sql, params, asked.append)
        assert asked == [params]
        asked.clear()
    for sql in (COUNT, SQL, f"SELECT span_id{OF_INVOCATION}{UP_TO}5"):
        read_narrowed(spans.store.kept, sql, ["inv_1", *ANY_TIME], lambda p: asked.append(p) or 1)
        assert asked == [["inv_1", 50, 50]]
        asked.clear()


def test_a_batch_reads_between_kept_times(spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    spans.writer.write([spans.attempt(1, at=50), spans.span(2, at=70, invocation="inv_1")])
    body = json.dumps({"queries": [{"sql": SQL, "params": ["inv_1", *ANY_TIME]}]}).encode()

    def starts() -> list[int]:
        answer = Answer()
        run_batch(spans.store, parse_batch(body), DEFAULT_LIMITS, threading.Event(), dict, answer)
        text = b"".join(iter(answer.pop, b""))
        return [row["start_unix_nano"] for row in json.loads(text)["results"][0]["rows"]]

    spans.keep("inv_1")
    assert starts() == [50, 70]
    spans.store.kept.forget(None)
    other = {"id": "inv_1", "first_start": 60, "last_start": 80}
    spans.store.kept.answer(ATTEMPTS_OF, [["inv_1"]] * 2, lambda _: [other])
    assert starts() == [70]
    later = [spans.span(3, at=20, invocation="inv_1")]

    def write_then_read(*args: Any, **kwargs: Any) -> list[str]:
        while later:
            spans.writer.write([later.pop()])
        return to_json_rows(*args, **kwargs)

    monkeypatch.setattr(query_batch, "to_json_rows", write_then_read)
    assert starts() == [20, 50, 70]
    assert not later


def test_a_batch_keeps_no_rows_that_are_older_than_a_commit(
    spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its queries see the commits before the first one."""
    spans.writer.write([spans.attempt(1, at=50)])
    attempts = {"sql": ATTEMPTS_OF, "params": [["inv_1"]] * 2}
    body = json.dumps({"queries": [{"sql": "SELECT count(*) FROM spans"}, attempts]}).encode()
    later = [spans.span(2, at=90, invocation="inv_1")]

    def read_then_write(*args: Any, **kwargs: Any) -> list[str]:
        found = to_json_rows(*args, **kwargs)
        while later:
            spans.writer.write([later.pop()])
        return found

    def last_starts() -> list[int]:
        answer = Answer()
        run_batch(spans.store, parse_batch(body), DEFAULT_LIMITS, threading.Event(), dict, answer)
        text = b"".join(iter(answer.pop, b""))
        return [row["last_start"] for row in json.loads(text)["results"][1]["rows"]]

    monkeypatch.setattr(query_batch, "to_json_rows", read_then_write)
    assert last_starts() == [50]
    assert not later
    assert last_starts() == [90]
    spans.check((50, 90))
