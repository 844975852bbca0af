"""Two invocations side by side: aligned steps, and the fields that differ."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from playhead.model import LlmCall, Message, Step, ToolCall
from playhead.reader.invocation.comparison import align, field_text

AT = datetime(2026, 3, 14, tzinfo=UTC)


def step(index: int, name: str, **more: Any) -> Step:
    return Step(index, index, "run", "Command: Run", name, "done", AT, AT, **more)


def answer(text: str, prompt: str | None, call_id: str = "1") -> LlmCall:
    parts = ({"type": "tool_call_response", "id": call_id, "response": prompt},)
    asked = None if prompt is None else (Message("tool", parts),)
    calls = (ToolCall("look", {"q": text}, call_id),)
    return LlmCall("gpt", None, None, text, calls, prompt=asked)


def test_steps_are_aligned_by_type_and_name_and_compared_without_ids() -> None:
    a = [
        step(0, "input", input={"n": 1}),
        step(1, "Model call", llm=answer("hi", "sunny", "a"), output="raw a"),
        step(2, "only here"),
        step(3, "Calling look", tool=ToolCall("look", {"q": 1})),
        step(4, "Model call", llm=answer("bye", "rain")),
    ]
    b = [
        step(0, "input", input={"n": 1}),
        step(1, "Model call", llm=answer("hi", "sunny", "b"), output="raw b"),
        step(2, "Calling look", tool=ToolCall("look", {"q": 2})),
        step(3, "Model call", llm=answer("see you", "snow")),
        step(4, "new"),
    ]
    pairs = list(align(a, b))
    assert [(pair.verdict, pair.differences) for pair in pairs] == [
        ("same", ()),
        ("same", ()),
        ("only A", ()),
        ("changed", ("arguments",)),
        ("changed", ("prompt", "output")),
        ("only B", ()),
    ]
    changed = pairs[4]
    assert field_text(changed.a, "output") == 'bye\n→ look({\n  "q": "bye"\n})'
    assert "rain" in field_text(changed.a, "prompt")
    assert "snow" in field_text(changed.b, "prompt")


def test_a_prompt_that_one_side_did_not_record_is_no_difference() -> None:
    a = [step(0, "Model call", llm=answer("hi", "sunny"))]
    b = [step(0, "Model call", llm=answer("hi", None))]
    assert [pair.verdict for pair in align(a, b)] == ["same"]


def test_values_of_any_kind_become_text() -> None:
    one = step(0, "x", output=b"\xff\x00", error="[409] no", input="text")
    assert [field_text(one, field) for field in ("output", "error", "input", "state")] == [
        "ff00", "[409] no", "text", "done",
    ]  # fmt: skip
    assert field_text(None, "output") == ""
    assert field_text(replace(one, output=None), "output") == ""


def test_a_payload_that_was_not_read_is_not_the_same() -> None:
    large = step(0, "input", truncated=True)
    [pair] = align([large], [large])
    assert (pair.verdict, pair.differences) == ("not compared", ())
    [pair] = align([large], [replace(large, state="failed")])
    assert (pair.verdict, pair.differences) == ("changed", ("state",))
