"""Malformed traces: orphans, cycles, great depth; and the limit of payloads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from playhead.conventions import ATTEMPT_SPAN_ID
from playhead.model import Attempt, Span, Step, Try
from playhead.reader.invocation.payloads import Payloads
from playhead.reader.invocation.timeline import timeline
from playhead.restate.rows import JournalRow, journal_row

START = datetime(2026, 1, 1, tzinfo=UTC)


def span(id_: str, parent: str | None, at: float = 0.0) -> Span:
    begun = START + timedelta(seconds=at)
    return Span("t", id_, parent, id_, "internal", "agents", "scope", begun,
                START + timedelta(seconds=60), "unset", "", {})  # fmt: skip


def shown(*spans: Span) -> list[tuple[str, int, str | None]]:
    return [(r.label, r.depth, r.note) for r in timeline((), (), spans, {})]


def test_children_that_came_first_find_their_parent() -> None:
    assert shown(span("child", "parent", 1), span("parent", None)) == [
        ("parent", 0, None), ("child", 1, None),
    ]  # fmt: skip


def test_an_orphan_is_labeled() -> None:
    assert shown(span("a", "never came"), span("b", "a", 1)) == [
        ("a", 0, "orphan"), ("b", 1, None),
    ]  # fmt: skip


def test_a_parent_that_is_still_open_follows_when_it_ends() -> None:
    """Spans are sent when they end, so those below an open one arrive first."""
    running = Attempt(2, "server", START, None, "running")
    child = replace(span("a", "not yet", 1), attributes={ATTEMPT_SPAN_ID: "server"})
    for attempt, note in (
        (running, "parent still open"),
        (replace(running, ended_at=START + timedelta(seconds=70), outcome="completed"), "orphan"),
    ):
        rows = timeline((), (attempt,), (child,), {})
        assert [row.note for row in rows if row.label == "a"] == [note]


def test_a_cycle_is_labeled_and_shown_once() -> None:
    rows = shown(span("a", "b"), span("b", "a", 1), span("c", "c", 2), span("fine", None, 3))
    assert rows == [
        ("fine", 0, None), ("a", 0, "cycle"), ("b", 1, None), ("c", 0, "cycle"),
    ]  # fmt: skip


def test_a_trace_deeper_than_the_recursion_limit() -> None:
    spans = [span(str(n), str(n - 1) if n else None, n / 1000) for n in range(5000)]
    rows = shown(*spans)
    assert len(rows) == 5000
    assert rows[-1] == ("4999", 4999, None)


def test_entries_that_a_restart_copied_are_at_the_restart() -> None:
    def step(index: int, began: float, ended: float, **more: Any) -> Step:
        begun, over = (START + timedelta(seconds=t) for t in (began, ended))
        return Step(index, index, "run", "Command: Run", f"s{index}", "done", begun, over, **more)

    early = Try(1, "failed", START - timedelta(seconds=490), START - timedelta(seconds=480), 1)
    steps = (
        step(0, -500, -500), step(1, -490, -400, tries=(early,)), step(3, -300, 2), step(4, 1, 3)
    )  # fmt: skip
    marks = [replace(span("m", None), name="restart-as-new S/run", service_name="Restate")]
    rows = timeline(steps, (), marks, {}, restarted_at=START)

    def since(at: datetime | None) -> float | None:
        return None if at is None else (at - START).total_seconds()

    assert [(r.label, since(r.started_at), since(r.ended_at), r.note) for r in rows] == [
        ("s0", 0, 0, "copied"), ("s1", 0, 0, "copied"), ("s3", 0, 2, None), ("s4", 1, 3, None),
    ]  # fmt: skip
    assert not any(row.failed_tries for row in rows)
    assert since(timeline(steps, (), (), {})[1].started_at) == -490


class Source:
    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    async def payloads(self, invocation_id: str, indexes: Sequence[int]) -> dict[int, bytes]:
        self.asked.append(list(indexes))
        return {index: bytes([index]) for index in indexes}


def entry(index: int, length: int, kind: str = "Notification: Run") -> JournalRow:
    row: dict[str, Any] = {"index": index, "entry_type": kind, "raw_length": length, "version": 2}
    return journal_row(row)


async def test_payloads_are_read_within_the_limit_and_once() -> None:
    source, payloads = Source(), Payloads(limit=100)
    journal = [entry(0, 40), entry(1, 1000), entry(2, 50), entry(3, 5, "Command: Run")]
    assert set(await payloads.read(source, "inv", journal)) == {0, 2}
    assert source.asked == [[0, 2]]
    journal.append(entry(4, 10))
    assert set(await payloads.read(source, "inv", journal)) == {0, 2, 4}
    assert source.asked[1:] == [[4]]
