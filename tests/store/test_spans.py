from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from playhead.store import span_ids as seen
from playhead.store.database import Store
from playhead.store.span_ids import SpanIdSet
from playhead.store.span_invocations import inherit_invocations
from playhead.store.span_writer import SpanRow, SpanWriter

Make = Callable[..., SpanRow]
Select = Callable[..., list[dict[str, Any]]]
TRACE = "a" * 32


def names(select: Select) -> list[tuple[str, int | None]]:
    rows = select("SELECT name, end_unix_nano FROM spans ORDER BY span_id")
    return [(row["name"], row["end_unix_nano"]) for row in rows]


def test_a_finished_span_replaces_a_pending_one(store: Store, span: Make, select: Select) -> None:
    writer = SpanWriter(store)
    assert writer.write([span(1, end=None, name="pending")]).new == 1
    written = writer.write([span(1, name="finished")])
    assert (written.new, written.finished) == (0, 1)
    assert names(select) == [("finished", 20)]


def test_a_pending_span_never_replaces_a_finished_one(
    store: Store, span: Make, select: Select
) -> None:
    writer = SpanWriter(store)
    writer.write([span(1, name="finished"), span(1, end=None, name="pending")])
    assert writer.write([span(1, end=None, name="late")]).repeated == 1
    assert names(select) == [("finished", 20)]


def test_a_pending_span_that_arrives_again_is_not_new(store: Store, span: Make) -> None:
    writer = SpanWriter(store)
    writer.write([span(1, end=None)])
    again = writer.write([span(1, end=None)])
    assert (again.new, again.finished, again.repeated) == (0, 0, 1)
    assert len(writer) == 1


def test_within_one_request_the_finished_span_wins(
    store: Store, span: Make, select: Select
) -> None:
    SpanWriter(store).write([span(1, end=None, name="pending"), span(1, name="finished")])
    assert names(select) == [("finished", 20)]


def test_sending_again_changes_nothing(store: Store, span: Make, select: Select) -> None:
    writer = SpanWriter(store)
    rows = [span(n) for n in range(1, 40)]
    writer.write(rows)
    again = writer.write([*rows, span(99, name="new")])
    assert (again.new, again.repeated) == (1, 39)
    assert len(writer) == 40
    assert len(names(select)) == 40


def test_the_same_span_id_in_two_traces_are_two_spans(
    store: Store, span: Make, select: Select
) -> None:
    writer = SpanWriter(store)
    writer.write([span(1)])
    writer.write([span(1, trace="b" * 32)])
    assert len(names(select)) == 2


def test_a_reopened_store_knows_its_spans(store: Store, span: Make, select: Select) -> None:
    SpanWriter(store).write([span(1, name="first"), span(2, end=None, name="pending")])
    store.close()
    again = Store(store.folder)
    try:
        writer = SpanWriter(again)
        written = writer.write([span(1, name="second"), span(2, name="finished")])
        rows = again.cursor().execute("SELECT name FROM spans ORDER BY span_id").fetchall()
    finally:
        again.close()
    assert (written.new, written.finished, written.repeated) == (0, 1, 1)
    assert rows == [("first",), ("finished",)]


def test_a_random_order_of_sends_ends_in_the_same_rows(
    store: Store, span: Make, select: Select
) -> None:
    rng = random.Random(7)
    writer = SpanWriter(store)
    sends = [span(n, end=end, name=f"{n}") for n in range(1, 60) for end in (None, 20, 20, None)]
    rng.shuffle(sends)
    while sends:
        count = rng.randint(1, 25)
        writer.write(sends[:count])
        del sends[:count]
    assert sorted(names(select)) == sorted((f"{n}", 20) for n in range(1, 60))


def test_inheritance_takes_the_nearest_ancestor(store: Store, span: Make, select: Select) -> None:
    writer = SpanWriter(store)
    writer.write([
        span(4, 3), span(3, 2), span(2, 1, invocation="inv_outer"),
        span(6, 5), span(5, 3, invocation="inv_inner"), span(7, 70),
    ])  # fmt: skip
    inherit_invocations(store, [TRACE])
    rows = select("SELECT span_id, invocation_id FROM spans ORDER BY span_id")
    found = {int(row["span_id"], 16): row["invocation_id"] for row in rows}
    assert found == {
        2: "inv_outer", 3: "inv_outer", 4: "inv_outer", 5: "inv_inner", 6: "inv_inner", 7: None,
    }  # fmt: skip


def test_a_late_parent_gives_its_invocation_down(store: Store, span: Make, select: Select) -> None:
    writer = SpanWriter(store)
    writer.write([span(3, 2), span(2, 1)])
    assert inherit_invocations(store, [TRACE]).total() == 0
    writer.write([span(1, invocation="inv_1")])
    assert inherit_invocations(store, [TRACE]).total() == 2
    assert select("SELECT count(*) AS n FROM spans WHERE invocation_id = ?", "inv_1") == [{"n": 3}]


def test_a_cycle_of_parents_ends(store: Store, span: Make, select: Select) -> None:
    SpanWriter(store).write([
        span(1, 2), span(2, 1), span(3, 3), span(4, 4, invocation="inv_1"), span(5, 4),
    ])  # fmt: skip
    inherit_invocations(store, [TRACE])
    rows = select("SELECT span_id FROM spans WHERE invocation_id IS NOT NULL ORDER BY 1")
    assert [int(row["span_id"], 16) for row in rows] == [4, 5]


@pytest.mark.parametrize("most", [300, 10_000])
def test_the_set_of_ids_is_exact_across_merges(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(seen, "NEW_IDS", 100)
    monkeypatch.setattr(seen, "RUN_IDS", most)
    rng = random.Random(3)
    truth = {rng.randrange(2**64) for _ in range(2000)} | {0, 2**64 - 1}
    start, rest = sorted(truth)[::2], sorted(truth)[1::2]
    rng.shuffle(start)
    keys = SpanIdSet(
        pa.chunked_array([pa.array(start[:500], pa.uint64()), start[500:]], pa.uint64())
    )
    for at in range(0, len(rest), 37):
        keys.add(rest[at : at + 37])
    assert all(key in keys for key in truth)
    others = {rng.randrange(2**64) for _ in range(2000)}
    assert keys.known([*others, *truth]) == truth
    assert SpanIdSet().known(others) == keys.known([]) == set()
    assert not any(rng.randrange(2**64) in keys for _ in range(2000))
    assert len(keys) == len(truth)
