"""Recognition of a durable step's framework, by its name and the shape of its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from playhead.conventions import MODEL_STEPS, VERCEL_AI_MODEL_STEP
from playhead.decode import google_adk, langchain, openai_agents, pydantic_ai, vercel_ai
from playhead.model import LlmCall, StepKind, ToolCall

__all__ = ["MODEL_STEP_PATTERNS", "DecodedRun", "decode_run"]

MODEL_STEP_PATTERNS = (*sorted(MODEL_STEPS), f"{VERCEL_AI_MODEL_STEP}%")
"""Names of steps that may be model calls, as patterns for SQL's LIKE.

The shape of a step's result decides.
"""


class Framework(Protocol):
    """The interface of a framework's module in this folder."""

    def kind(self, name: str) -> StepKind | None:
        """Return the kind of the durable step with this name; None for other frameworks."""
        ...

    def llm_call(self, name: str, value: Any) -> LlmCall | None:
        """Return the model's answer in the step's result; None when it has another shape."""
        ...

    def tool_call(self, name: str, value: Any) -> ToolCall | None:
        """Return the tool's result in the step's result; None when it has another shape."""
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
        name: The step's name.
        value: Its decoded result.
        has_result: Whether the step has a result and it was read. If not, the name decides;
            otherwise, a step with a result of another shape is an ordinary step.
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
