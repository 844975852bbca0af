"""Recognizes the framework of a durable step by its name and the shape of its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from playhead.conventions import MODEL_STEPS, VERCEL_AI_MODEL_STEP
from playhead.decode import google_adk, langchain, openai_agents, pydantic_ai, vercel_ai
from playhead.model import LlmCall, StepKind, ToolCall

__all__ = ["MODEL_STEP_PATTERNS", "DecodedRun", "decode_run"]

MODEL_STEP_PATTERNS = (*sorted(MODEL_STEPS), f"{VERCEL_AI_MODEL_STEP}%")
"""Names of the steps that may hold an answer of a model, as patterns for SQL's LIKE.

The shape of a step's result decides.
"""


class Framework(Protocol):
    """What a module of this folder offers for the steps of its framework."""

    def kind(self, name: str) -> StepKind | None:
        """Return the kind of a durable step of this name; None for another framework's."""
        ...

    def llm_call(self, name: str, value: Any) -> LlmCall | None:
        """Return the model's answer in the step's result; None when the shape is another."""
        ...

    def tool_call(self, name: str, value: Any) -> ToolCall | None:
        """Return the tool's result in the step's result; None when the shape is another."""
        ...


_FRAMEWORKS: tuple[Framework, ...] = (
    pydantic_ai,
    openai_agents,
    google_adk,
    langchain,
    vercel_ai,
)


@dataclass(frozen=True, slots=True)
class DecodedRun:
    """Kind of a durable step, with its LLM call or tool call."""

    kind: StepKind
    llm: LlmCall | None = None
    tool: ToolCall | None = None


def decode_run(name: str, value: Any, *, has_result: bool) -> DecodedRun:
    """Decode a durable step.

    Args:
        name: the step's name.
        value: its decoded result.
        has_result: whether the step has a result and it was read. Without a result, the name
            decides; with one, a result of another shape makes it an ordinary step.
    """
    for framework in _FRAMEWORKS:
        kind = framework.kind(name)
        if kind is None:
            continue
        if not has_result:
            return DecodedRun(kind)
        llm, tool = framework.llm_call(name, value), framework.tool_call(name, value)
        if llm or tool:
            return DecodedRun("llm" if llm else "tool", llm, tool)
    return DecodedRun("run")
