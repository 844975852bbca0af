"""The table of calls has the same rows as a read of all spans, however the spans came."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

from playhead.store.calls import call_table
from playhead.store.database import Store
from playhead.store.span_invocations import inherit_invocations
from playhead.store.span_writer import SpanRow, SpanWriter

Make = Callable[..., SpanRow]
Select = Callable[..., list[dict[str, Any]]]
TRACE = "a" * 32


def row(span: SpanRow, **attributes: Any) -> SpanRow:
    return (*span[:11], json.dumps(attributes), *span[12:])  # type: ignore[return-value]


def chat(span: SpanRow, **more: Any) -> SpanRow:
    return row(span, **{
        "gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.agent.name": "a",
        "gen_ai.request.model": "gpt", "gen_ai.usage.input_tokens": 10, **more,
    })  # fmt: skip


def both(select: Select) -> list[dict[str, Any]]:
    """Return the rows of the table, which must equal those of the spans."""
    order = "ORDER BY started_us, span_id"
    fast = select(f"SELECT * FROM ({call_table.CALL_TABLE}) {order}")
    assert fast == select(f"SELECT * FROM ({call_table.CALLS}) {order}")
    return fast


def test_calls_are_added_with_their_spans(store: Store, span: Make, select: Select) -> None:
    call_table.rebuild_calls(store, threading.Event())
    assert select(call_table.IS_BUILT)
    SpanWriter(store).write([
        chat(span(1, invocation="inv_1")),
        chat(span(2, invocation="inv_1"), **{"playhead.replayed": True}),
        chat(span(3, invocation="inv_1"), **{"playhead.interrupted": True}),
        row(span(4), **{"openinference.span.kind": "TOOL", "tool.name": "t"}),
        row(span(5), **{"gen_ai.operation.name": "invoke_agent"}),
        row(span(6), note="gen_ai.operation.name is chat"),
    ])  # fmt: skip
    first, third, tool = both(select)
    assert (first["kind"], first["name"], first["provider"]) == ("model", "gpt", "openai")
    assert (first["agent"], first["input_tokens"], first["succeeded"]) == ("a", 10, True)
    assert first["invocation_id"] == "inv_1"
    assert (third["succeeded"], third["failed"]) == (False, False)
    assert (tool["kind"], tool["name"], tool["succeeded"]) == ("tool", "t", True)


def test_a_finished_span_replaces_its_pending_call(
    store: Store, span: Make, select: Select
) -> None:
    writer = SpanWriter(store)
    writer.write([chat(span(1, end=None))])
    [pending] = both(select)
    assert (pending["succeeded"], pending["duration"]) == (False, None)
    writer.write([chat(span(1))])
    [finished] = both(select)
    assert finished["succeeded"]


def test_calls_inherit_the_invocation_of_their_spans(
    store: Store, span: Make, select: Select
) -> None:
    writer = SpanWriter(store)
    writer.write([chat(span(2, parent=1))])
    writer.write([span(1, invocation="inv_1")])
    inherit_invocations(store, [TRACE])
    [call] = both(select)
    assert call["invocation_id"] == "inv_1"


def test_a_rebuild_adds_the_calls_of_older_stores(store: Store, span: Make, select: Select) -> None:
    SpanWriter(store).write([chat(span(1)), chat(span(2))])
    with store.transaction() as connection:
        connection.execute("DELETE FROM calls")
    assert not select(call_table.IS_BUILT)
    call_table.rebuild_calls(store, threading.Event())
    assert select(call_table.IS_BUILT)
    assert len(both(select)) == 2
    call_table.rebuild_calls(store, threading.Event())
    assert len(both(select)) == 2
