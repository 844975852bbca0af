"""Decode payloads of frameworks, and payloads in other shapes."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from playhead.decode import openai_agents, pydantic_ai
from playhead.decode.registry import MODEL_STEP_PATTERNS, decode_run
from playhead.decode.spans import llm_call, messages
from playhead.model import Tokens
from playhead.reader.listing.rows import SharedTexts, span_of
from playhead.values import decode_value

JUNK: tuple[Any, ...] = (
    None, True, 7, -1.5, "", "text", b"\xff", [], [None], [[]], {}, {"parts": None}, {"parts": 3},
    {"parts": [None, 3, "x", {}]}, {"parts": [{"part_kind": "tool-call"}], "usage": "no"},
    {"parts": [{"part_kind": "text", "content": None}], "usage": {"input_tokens": "many"}},
    {"output": None}, {"output": [None, {"type": "message", "content": 5}], "usage": []},
    {"output": [{"type": "function_call"}, {"type": ["x"]}]}, {"kind": {}, "output": {}},
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    list(itertools.product((*MODEL_STEP_PATTERNS, "Calling x", "get mcp tools"), JUNK)),
)
def test_other_shapes_never_raise(name: str, value: Any) -> None:
    found = decode_run(name, value, has_result=True)
    assert found.kind in ("llm", "tool", "run")
    assert (found.llm is not None) == (found.kind == "llm")


def test_the_name_decides_without_a_result() -> None:
    assert decode_run("Model call", None, has_result=False).kind == "llm"
    assert decode_run("Calling weather", None, has_result=False).kind == "tool"
    assert decode_run("Calling weather", "another step", has_result=True).kind == "run"
    assert decode_run("anything", {"parts": []}, has_result=True).kind == "run"


@pytest.mark.parametrize(
    ("name", "value", "tool", "result"),
    [
        ("Calling weather", {"kind": "output", "output": 20, "error": None}, "weather", 20),
        ("Calling w", {"kind": "model_retry", "output": None, "error": "no city"}, "w",
         {"model_retry": "no city"}),
        ("Calling mcp tool add", {"output": 3}, "add", 3),
        ("get mcp tools", {"output": {"add": {}, "sub": {}}}, "get mcp tools", ["add", "sub"]),
    ],
)  # fmt: skip
def test_tools_of_pydantic_ai(name: str, value: Any, tool: str, result: Any) -> None:
    found = pydantic_ai.tool_call(name, value)
    assert found is not None
    assert (found.name, found.result) == (tool, result)


def test_result_of_the_installed_openai_agents_sdk() -> None:
    """A result serialized by the integration's own model."""
    from agents import Usage
    from openai.types.responses import (
        ResponseFunctionToolCall,
        ResponseOutputMessage,
        ResponseOutputText,
    )
    from restate.ext.openai.models import RestateModelResponse

    said = ResponseOutputText(annotations=[], text="Let me look.", type="output_text")
    answer = RestateModelResponse(
        output=[
            ResponseOutputMessage(
                id="m", content=[said], role="assistant", status="completed", type="message"
            ),
            ResponseFunctionToolCall(
                arguments='{"city": "Paris"}', call_id="c1", name="weather", type="function_call"
            ),
        ],
        usage=Usage(requests=1, input_tokens=11, output_tokens=5, total_tokens=16),
        response_id="r",
    )
    value = decode_value(answer.model_dump_json().encode())
    found = openai_agents.llm_call("call LLM", value)
    assert found is not None
    assert found.text == "Let me look."
    assert found.tokens == Tokens(11, 5)
    assert [(c.name, c.arguments, c.call_id) for c in found.tool_calls] == [
        ("weather", {"city": "Paris"}, "c1")
    ]


@pytest.mark.parametrize("value", [*JUNK, "[{]", '[{"parts": 3}, 5, null]'])
def test_malformed_messages_are_left_out(value: Any) -> None:
    assert all(message.role for message in messages(value))
    row = {"trace_id": "t", "span_id": "s", "attributes": {"gen_ai.input.messages": value,
           "gen_ai.response.finish_reasons": value, "gen_ai.system_instructions": value,
           "gen_ai.usage.input_tokens": value}, "events": value}  # fmt: skip
    assert llm_call(span_of(row, SharedTexts())).text == ""


@pytest.mark.parametrize(
    ("data", "value"),
    [(b"", None), (b"null", None), (b'{"a": 1}', {"a": 1}), (b"text", "text"),
     (b"\xff\x00", b"\xff\x00"), (b"[" * 100_000, "[" * 100_000)],
)  # fmt: skip
def test_payloads(data: bytes, value: Any) -> None:
    assert decode_value(data) == value
