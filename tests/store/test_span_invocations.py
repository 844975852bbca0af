"""Spans that arrive in any order and in any groups inherit the same invocations."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from playhead.store.arrow import pc
from playhead.store.database import Store
from playhead.store.span_invocations import OpenTraces, inherit_invocations, inherit_within
from playhead.store.span_writer import SpanRow, SpanWriter, span_table

Make = Callable[..., SpanRow]
Select = Callable[..., list[dict[str, Any]]]
FOUND = "SELECT span_id, invocation_id FROM spans ORDER BY span_id"


def commit(writer: SpanWriter, open_traces: OpenTraces, rows: list[SpanRow]) -> set[str]:
    """Write rows as the recorder does; return the traces to run the inheritance on."""
    spans, unlinked = inherit_within(span_table(rows))
    writer.write_table(spans)
    linked = spans.filter(pc.is_valid(spans.column("invocation_id")))
    return open_traces.changed(linked.column("trace_id").unique().to_pylist(), unlinked)


@pytest.mark.parametrize("seed", range(8))
def test_any_order_gives_the_same_invocations(
    store: Store, span: Make, select: Select, seed: int
) -> None:
    rng = random.Random(seed)
    rows: list[SpanRow] = []
    for trace in range(12):
        first = len(rows) + 1
        for number in range(first, first + rng.randrange(2, 12)):
            parents = [None, *range(first, number), 10_000 + number]
            parent = rng.choice(parents) if number > first else None
            invocation = f"inv_{number}" if rng.random() < 0.15 else None
            rows.append(span(number, parent, trace=f"{trace + 1:032x}", invocation=invocation))
    rng.shuffle(rows)
    writer, open_traces = SpanWriter(store), OpenTraces(store)
    waiting: set[str] = set()
    while rows:
        size = rng.randrange(1, 10)
        waiting |= commit(writer, open_traces, rows[:size])
        del rows[:size]
        if rng.random() < 0.3:
            inherit_invocations(store, waiting)
            waiting = set()
        elif rng.random() < 0.2:  # the recorder was killed
            open_traces = OpenTraces(store)
            waiting = set(open_traces.found)
    inherit_invocations(store, waiting)
    found = select(FOUND)
    inherit_invocations(store, [f"{trace + 1:032x}" for trace in range(12)])
    assert found == select(FOUND)
    assert any(row["invocation_id"] for row in found)


def test_traces_without_invocations_are_never_read_again(store: Store, span: Make) -> None:
    writer, open_traces = SpanWriter(store), OpenTraces(store)
    assert commit(writer, open_traces, [span(2, 1), span(3, 2)]) == set()
    assert commit(writer, open_traces, [span(4, 1), span(1)]) == set()


def test_spans_beside_an_invocation_are_not_open(store: Store, span: Make) -> None:
    """A root without an invocation, as the caller of an invocation sends it, never gets one."""
    writer, open_traces = SpanWriter(store), OpenTraces(store)
    assert commit(writer, open_traces, [span(1), span(2, 1, invocation="inv_1")]) == set()
    assert commit(writer, open_traces, [span(3, 2, invocation="inv_1")]) == set()
    assert commit(writer, open_traces, [span(5, 4)]) == {span(6)[0]}
    assert OpenTraces(store).found == {span(7)[0]}
