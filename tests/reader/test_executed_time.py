"""The duration of a call contains no backoff and no other attempt, in Python as in SQL."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playhead.model import Attempt, Span
from playhead.reader.invocation.executed_time import executed, total
from playhead.store.database import Store
from playhead.store.tables import SPAN_COLUMNS

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(milliseconds=round(seconds * 1000))


def tool(id_: str, begin: float, end: float | None, attempt: str, **attributes: object) -> Span:
    return Span(
        "t", id_, attempt, f"execute_tool {id_}", "internal", "agents", "", at(begin),
        None if end is None else at(end), "unset", "",
        {"gen_ai.operation.name": "execute_tool", "playhead.attempt.span_id": attempt}
        | attributes,
    )  # fmt: skip


def step(id_: str, parent: str, begin: float, end: float) -> Span:
    return Span("t", id_, parent, f"run {id_}", "internal", "agents", "", at(begin), at(end),
                "unset", "", {})  # fmt: skip


ATTEMPTS = (
    Attempt(1, "one", at(0), at(2), "failed"),
    Attempt(2, "two", at(12), at(15), "completed"),
)


def seconds(span: Span, *below: Span) -> float | None:
    found = executed([span, *below], ATTEMPTS)[span.span_id].parts
    return total(found)


def test_a_call_within_its_attempt_took_what_it_lasted() -> None:
    assert seconds(tool("a", 0.5, 1.5, "one")) == 1.0


def test_a_call_whose_sibling_failed_took_what_it_ran() -> None:
    """Its step was done after 0.4 s; the next attempt read the result 10 s later."""
    call = tool("a", 0.5, 12.1, "one")
    assert seconds(call, step("s", "a", 0.6, 0.9)) == 0.4
    [found] = executed([call], ATTEMPTS).values()
    assert (found.end, found.note) == (at(2), "result read by the next attempt")


def test_a_call_that_works_again_has_two_parts() -> None:
    call = tool("a", 0.5, 13, "one")
    below = (step("s", "a", 0.6, 0.9), step("t", "a", 12.2, 12.8))
    assert seconds(call, *below) == 0.4 + 0.8
    assert executed([call, *below], ATTEMPTS)["a"].end == at(13)


def test_a_call_that_was_cut_off_ends_with_its_attempt() -> None:
    call = tool("a", 0.5, 3, "one", **{"playhead.interrupted": True})
    assert seconds(call) == 1.5


def test_an_open_call_has_no_duration() -> None:
    assert seconds(tool("a", 0.5, None, "one")) is None


def test_the_view_has_the_same_durations(tmp_path: Path) -> None:
    pick = random.Random(5)
    spans: list[Span] = []
    for number in range(300):
        begin = pick.uniform(0, 1.9)
        end = pick.choice([None, begin + 0.05, pick.uniform(2, 15)])
        attributes = {"playhead.interrupted": True} if pick.random() < 0.2 else {}
        spans.append(tool(f"{number}", begin, end, "one", **attributes))
        for below in range(pick.randint(0, 2)):
            start = pick.choice([pick.uniform(begin, 2), pick.uniform(12, 14)])
            spans.append(step(f"{number}-{below}", f"{number}", start, start + 0.1))
    store = Store(tmp_path)
    rows = [(s, "agents", s.attributes) for s in spans]
    rows += [(_server(a), "Restate", {}) for a in ATTEMPTS]
    names = list(SPAN_COLUMNS)
    with store.transaction() as connection:
        for span, service, attributes in rows:
            values = {
                "trace_id": "t", "span_id": span.span_id, "parent_span_id": span.parent_span_id,
                "name": span.name, "service_name": service, "attributes": dict(attributes),
                "start_unix_nano": _nano(span.start),
                "end_unix_nano": _nano(span.end) if span.end else None,
            }  # fmt: skip
            connection.execute(
                f"INSERT INTO spans ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
                [values.get(name) for name in names],
            )
    cursor = store.cursor()
    stored = dict(cursor.execute("SELECT span_id, seconds FROM tool_calls").fetchall())
    cursor.close()
    store.close()
    computed = executed(spans, ATTEMPTS)
    assert len(stored) == 300
    for span_id, found in stored.items():
        expected = total(computed[span_id].parts)
        assert (found is None) == (expected is None), span_id
        if expected is not None:
            assert abs(found - expected) < 1e-6, span_id


def _server(attempt: Attempt) -> Span:
    return Span("t", attempt.span_id, None, "invocation-attempt a/b", "internal", "Restate", "",
                attempt.started_at, attempt.ended_at, "unset", "", {})  # fmt: skip


def _nano(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
