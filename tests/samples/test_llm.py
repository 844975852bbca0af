"""The local LLM server with the real OpenAI client: both APIs, faults, and counts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
from lab import Lab
from openai import AsyncOpenAI

SYSTEM = "You are a weather agent."
QUESTION = "What is the weather in Oslo?"
TOOL: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
CHAT: dict[str, Any] = {
    "model": "gpt-local",
    "messages": [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": QUESTION},
    ],
    "tools": [{"type": "function", "function": {"name": "get_weather", "parameters": TOOL}}],
}
RESPONSES: dict[str, Any] = {
    "model": "gpt-local",
    "instructions": SYSTEM,
    "input": QUESTION,
    "tools": [{"type": "function", "name": "get_weather", "parameters": TOOL, "strict": True}],
}


@pytest.fixture
async def client(lab: Lab) -> AsyncIterator[AsyncOpenAI]:
    base = f"{lab.llm_url}/v1"
    async with AsyncOpenAI(base_url=base, api_key="k", max_retries=0, timeout=1.0) as made:
        yield made


async def test_chat_answer_is_equal_whole_and_streamed(lab: Lab, client: AsyncOpenAI) -> None:
    whole = await client.chat.completions.create(**CHAT)
    (call,) = whole.choices[0].message.tool_calls or []
    assert (call.function.name, call.function.arguments) == ("get_weather", '{"city": "Oslo"}')
    assert whole.choices[0].finish_reason == "tool_calls"
    pieces: list[str] = []
    usage = None
    stream = await client.chat.completions.create(
        **CHAT, stream=True, stream_options={"include_usage": True}
    )
    async for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            functions = [c.function for c in choice.delta.tool_calls or [] if c.function]
            pieces += [function.arguments or "" for function in functions]
    assert "".join(pieces) == call.function.arguments
    assert usage == whole.usage
    assert lab.llm_counts()["weather"]["input_tokens"] == 2 * whole.usage.prompt_tokens


async def test_responses_answer_is_equal_whole_and_streamed(lab: Lab, client: AsyncOpenAI) -> None:
    whole = await client.responses.create(**RESPONSES)
    (call,) = whole.output
    assert call.type == "function_call"
    assert call.arguments == '{"city": "Oslo"}'
    items: list[Any] = [
        {"role": "user", "content": QUESTION},
        call.model_dump(exclude_none=True),
        {"type": "function_call_output", "call_id": call.call_id, "output": "fog"},
    ]
    again: dict[str, Any] = {**RESPONSES, "input": items}
    whole_answer = await client.responses.create(**again)
    assert whole_answer.output_text == "I could not find the weather: fog"
    async with client.responses.stream(**again) as stream:
        streamed = await stream.get_final_response()
    assert streamed.output_text == whole_answer.output_text
    assert streamed.usage == whole_answer.usage


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("rate_limit", openai.RateLimitError),
        ("server_error", openai.InternalServerError),
        ("context_length", openai.BadRequestError),
        ("hang", openai.APITimeoutError),
        ("reset", openai.APIConnectionError),
        ("truncate", openai.APIConnectionError),
        ("malformed", json.JSONDecodeError),
    ],
)
async def test_fault_reaches_the_client_like_a_provider_error(
    lab: Lab, client: AsyncOpenAI, api: str, kind: str, error: type[Exception]
) -> None:
    lab.set_llm_fault(do=kind, seconds=7)
    create = client.chat.completions.create if api == "chat" else client.responses.create
    arguments = CHAT if api == "chat" else RESPONSES
    with pytest.raises(error) as raised:
        await create(**arguments)
    if isinstance(raised.value, openai.RateLimitError):
        assert raised.value.response.headers["retry-after"] == "7"
    counts = lab.llm_counts()["weather"]
    assert counts["faults"] == {kind: 1}
    assert counts["answers"] == counts["input_tokens"] == 0
    assert await create(**arguments)
    assert lab.llm_counts()["weather"]["answers"] == 1


async def test_truncated_stream_breaks_in_the_middle(lab: Lab, client: AsyncOpenAI) -> None:
    lab.set_llm_fault(do="truncate")
    stream = await client.chat.completions.create(**CHAT, stream=True)
    events = aiter(stream)
    assert (await anext(events)).choices
    with pytest.raises(openai.APIConnectionError):
        await drain(events)
    assert lab.llm_log()[0]["delivered"] is False


async def drain(events: AsyncIterator[Any]) -> None:
    async for _ in events:
        pass


async def test_fault_applies_to_the_requests_it_was_set_for(lab: Lab, client: AsyncOpenAI) -> None:
    lab.set_llm_fault(do="server_error", agent="weather", prompt="Oslo", call=2, times=2)
    lab.set_llm_fault(do="server_error", model="other-model", times=None)
    outcomes: list[bool] = []
    for _ in range(5):
        try:
            await client.chat.completions.create(**CHAT)
            outcomes.append(True)
        except openai.InternalServerError:
            outcomes.append(False)
    assert outcomes == [True, False, False, True, True]


async def test_fault_header_applies_to_one_request(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.RateLimitError):
        await client.chat.completions.create(
            **CHAT, extra_headers={"x-playhead-fault": "rate_limit"}
        )
    assert await client.chat.completions.create(**CHAT)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"do": "explode"}, "'do' must be one of"),
        ({"do": "slow", "agnt": "x"}, "no field agnt"),
        ("slow", "a fault must be an object"),
    ],
)
def test_invalid_fault_is_rejected_with_the_reason(lab: Lab, fault: Any, message: str) -> None:
    response = httpx.post(f"{lab.llm_url}/control/faults", json=fault)
    assert response.status_code == 400
    assert message in response.json()["error"]
    assert httpx.get(f"{lab.llm_url}/control/faults").json() == []


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'{"model": "m"}', b'{"model": "m", "messages": [1]}', b'{"messages": []}'],
)
@pytest.mark.parametrize("path", ["chat/completions", "responses"])
def test_invalid_request_is_rejected_and_not_logged(lab: Lab, path: str, body: bytes) -> None:
    response = httpx.post(f"{lab.llm_url}/v1/{path}", content=body)
    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith("invalid request:")
    assert lab.llm_log() == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"messages": "' + b"x" * (17 << 20) + b'"}', "the body is larger than 16777216 bytes"),
        (b"[" * 200_000, "the body has too many levels"),
    ],
)
@pytest.mark.parametrize("path", ["v1/chat/completions", "v1/responses", "control/faults"])
def test_large_and_deep_bodies_are_rejected(lab: Lab, path: str, body: bytes, message: str) -> None:
    response = httpx.post(f"{lab.llm_url}/{path}", content=body)
    assert response.status_code == 400
    assert message in response.text
    assert lab.llm_log() == []


def test_unknown_prompt_gets_a_default_answer(lab: Lab) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
    answer = httpx.post(f"{lab.llm_url}/v1/chat/completions", json=body).json()
    assert answer["choices"][0]["message"]["content"].startswith("No rule answers this prompt.")
    assert [entry["agent"] for entry in lab.llm_log()] == ["unknown"]


async def test_another_name_of_the_machine_is_refused(lab: Lab) -> None:
    """A web page can give 127.0.0.1 a name of its own."""
    async with httpx.AsyncClient(trust_env=False) as http:
        for path in ("/control/log", "/v1/models"):
            refused = await http.get(lab.llm_url + path, headers={"host": "evil.example"})
            assert (refused.status_code, refused.text) == (400, "Invalid host header")
            assert (await http.get(lab.llm_url + path)).status_code == 200
