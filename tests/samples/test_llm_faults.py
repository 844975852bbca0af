"""LLM faults as text."""

from __future__ import annotations

import pytest
from playhead_samples.llm.faults import LlmFault


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (
            LlmFault("server_error", agent="chat"),
            "the LLM answers 500 for agent chat, on request 1",
        ),
        (LlmFault("server_error", call=2, times=None), "the LLM answers 500, from request 2 on"),
        (
            LlmFault("rate_limit", times=2, prompt="x"),
            "the LLM answers 429 with Retry-After 1 s when the conversation contains 'x', "
            "on requests 1 to 2",
        ),
        (LlmFault("malformed", times=None), "the LLM answers with invalid JSON, on every request"),
    ],
)
def test_fault_as_text(fault: LlmFault, text: str) -> None:
    assert str(fault) == text
