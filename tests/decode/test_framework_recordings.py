"""LLM calls of other frameworks, decoded from journals of real runs.

The services and scripts in `tests/recordings/make` define the answers and their tokens.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playhead.decode.registry import MODEL_STEP_PATTERNS, decode_run
from playhead.journal.entries import run_result
from playhead.model import Tokens
from playhead.replay import Recording

FOLDER = Path(__file__).parent.parent / "recordings" / "frameworks"
# name: step, tool, model, provider, finish reasons, text of the first and the last answer, tokens
ANSWERS: dict[str, dict[str, Any]] = {
    "vercel_ai": {
        "step": "calling mock-provider",
        "tool": "getWeather",
        "model": (None, "mock-provider"),
        "ended": ("tool-calls", "stop"),
        "texts": ("Let me look.", "In Denver it is sunny, 17 °C."),
        "tokens": (Tokens(72, 14), Tokens(96, 11)),
    },
    "google_adk": {
        "step": "call LLM",
        "tool": "get_weather",
        "model": ("gemini-2.5-flash", None),
        "ended": ("STOP", "STOP"),
        "texts": ("Let me look.", "In Denver it is sunny, 17 °C."),
        "tokens": (Tokens(72, 14), Tokens(96, 11)),
    },
    "langchain": {
        "step": "LLM call",
        "tool": "get_weather",
        "model": ("gpt-local", "openai"),
        "ended": ("tool_calls", "stop"),
        "texts": ("", "The weather in Denver: sunny, 17 °C."),
        "tokens": (Tokens(62, 8), Tokens(92, 9)),
    },
}


def runs(name: str) -> list[tuple[str, Any]]:
    """Return name and result of every durable step, in journal order."""
    recording = Recording.load(FOLDER / f"{name}.journal.json")
    raw = {entry.index: entry.raw for entry in recording.entries}
    journal = recording.journal()
    found: list[tuple[str, Any]] = []
    for command in journal.commands:
        result = journal.result_of(command) if command.type == "Run" else None
        if result is not None:
            found.append((command.name, run_result(raw[result.index])))
    return found


@pytest.mark.parametrize("name", ANSWERS)
def test_both_answers_of_the_model_are_read(name: str) -> None:
    answer = ANSWERS[name]
    steps = [(step, decode_run(step, value, has_result=True)) for step, value in runs(name)]
    assert [step for step, run in steps if run.kind == "llm"] == [answer["step"]] * 2
    first, last = (run.llm for _, run in steps if run.llm)
    assert (first.model, first.provider) == answer["model"]
    assert (first.finish_reason, last.finish_reason) == answer["ended"]
    assert (first.text, last.text) == answer["texts"]
    assert (first.tokens, last.tokens) == answer["tokens"]
    (call,) = first.tool_calls
    assert (call.name, call.arguments) == (answer["tool"], {"city": "Denver"})
    assert call.call_id
    assert last.tool_calls == ()
    asked = [part for part in first.response[0].parts if part["type"] == "tool_call"]
    assert asked == [
        {
            "type": "tool_call",
            "id": call.call_id,
            "name": call.name,
            "arguments": {"city": "Denver"},
        }
    ]


@pytest.mark.parametrize("name", ANSWERS)
def test_other_steps_are_not_model_calls(name: str) -> None:
    (weather,) = [value for step, value in runs(name) if step == "Get weather"]
    assert weather == {"city": "Denver", "sky": "sunny", "temperature_c": 17}
    assert decode_run("Get weather", weather, has_result=True).kind == "run"


@pytest.mark.parametrize("name", ANSWERS)
def test_the_failed_attempt_is_in_the_recording(name: str) -> None:
    (event,) = Recording.load(FOLDER / f"{name}.journal.json").events
    assert "the weather station does not answer" in event["event_json"]


@pytest.mark.parametrize("step", [answer["step"] for answer in ANSWERS.values()])
@pytest.mark.parametrize(
    "value",
    [
        None, 1, "text", [], {}, {"json": None}, {"json": {"content": 1, "usage": {}}},
        {"content": [], "usage": 3, "x": []}, {"content": {"parts": [1]}, "usage_metadata": [1]},
        {"result": [1, {"type": "human"}]}, {"output": {"a": 1}},
    ],
)  # fmt: skip
def test_results_of_another_shape_never_raise(step: str, value: Any) -> None:
    run = decode_run(step, value, has_result=True)
    assert run.llm is None or run.llm.text == ""
    assert run.kind in ("run", "llm")


def test_step_without_a_result_is_known_by_its_name() -> None:
    assert {
        decode_run(answer["step"], None, has_result=False).kind for answer in ANSWERS.values()
    } == {"llm"}
    for other in ("calling", "calling a supplier", "Calling supplier", "calls mock-provider"):
        assert decode_run(other, None, has_result=False).kind != "llm", other


def test_names_that_can_be_listed_are_listed_once() -> None:
    assert len(MODEL_STEP_PATTERNS) == len(set(MODEL_STEP_PATTERNS))
    assert {"call LLM", "LLM call", "Model call", "calling %"} <= set(MODEL_STEP_PATTERNS)
