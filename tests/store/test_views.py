from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from playhead.store.database import Store
from playhead.store.span_writer import SpanRow, SpanWriter

Make = Callable[..., SpanRow]
Select = Callable[..., list[dict[str, Any]]]


def dressed(row: SpanRow, attributes: dict[str, Any], events: list[dict[str, Any]] = []) -> SpanRow:  # noqa: B006
    return (*row[:11], json.dumps(attributes), row[12], json.dumps(events), *row[14:])  # type: ignore[return-value]


def chat(**more: Any) -> dict[str, Any]:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt",
        "gen_ai.response.model": "gpt-2026",
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.input.messages": '[{"role":"user"}]',
        **more,
    }


def test_llm_calls_are_those_that_ran(store: Store, span: Make, select: Select) -> None:
    SpanWriter(store).write([
        dressed(span(1, invocation="inv_1"), chat()),
        dressed(span(2), chat(**{"playhead.replayed": True})),
        dressed(span(3), chat(**{"gen_ai.operation.name": "invoke_agent"})),
        dressed(span(4), chat(**{"playhead.replayed": False, "gen_ai.usage.input_tokens": "many"})),
        dressed(span(5), chat(**{"playhead.interrupted": True})),
    ])  # fmt: skip
    rows = select("SELECT * FROM llm_calls ORDER BY span_id")
    assert [int(row["span_id"]) for row in rows] == [1, 4, 5]
    assert [row["answered"] for row in rows] == [True, True, False]
    assert rows[0]["invocation_id"] == "inv_1"
    assert (rows[0]["provider"], rows[0]["model"]) == ("openai", "gpt-2026")
    assert (rows[0]["input_tokens"], rows[0]["output_tokens"]) == (10, 3)
    assert rows[0]["seconds"] == 1e-8
    assert rows[0]["started_at"] == "1970-01-01T00:00:00Z"
    assert rows[1]["input_tokens"] is None


def test_tool_calls(store: Store, span: Make, select: Select) -> None:
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "weather",
        "gen_ai.tool.call.id": "c1",
        "gen_ai.tool.call.arguments": '{"city":"Paris"}',
    }
    SpanWriter(store).write([
        dressed(span(1), attributes),
        dressed(span(2), attributes | {"playhead.replayed": True}),
    ])  # fmt: skip
    [row] = select("SELECT tool, call_id, arguments FROM tool_calls")
    assert (row["tool"], row["call_id"]) == ("weather", "c1")
    assert json.loads(json.loads(row["arguments"])) == {"city": "Paris"}


def test_attempts_are_numbered_by_time(store: Store, span: Make, select: Select) -> None:
    prefix = "restate.invocation.lifecycle."
    first = dressed(
        span(9, invocation="inv_1", name="invocation-attempt a/b"),
        {},
        [{"name": prefix + "new_command"}, {"name": prefix + "suspended"}],
    )
    later = span(1, invocation="inv_1", name="invocation-attempt a/b", end=None)
    later = (*later[:7], 11, *later[8:])
    SpanWriter(store).write([later, first, span(3, invocation="inv_1", name="invocation-end")])
    rows = select("SELECT number, span_id, lifecycle, ended_at FROM attempts ORDER BY number")
    assert [(row["number"], int(row["span_id"])) for row in rows] == [(1, 9), (2, 1)]
    assert rows[0]["lifecycle"] == ["new_command", "suspended"]
    assert rows[1]["ended_at"] is None


def test_absurd_times_do_not_break_a_view(store: Store, span: Make, select: Select) -> None:
    row = dressed(span(1), chat())
    SpanWriter(store).write([(*row[:7], 2**64 - 1, 1, *row[9:])])
    [found] = select("SELECT seconds FROM llm_calls")
    assert found["seconds"] < 0
    assert len(select("SELECT * FROM llm_calls")) == 1
