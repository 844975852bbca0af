"""Which framework a durable step belongs to, by its name and the shape of its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from playhead.decode import google_adk, langchain, openai_agents, pydantic_ai, vercel_ai
from playhead.model import LlmCall, StepKind, ToolCall

__all__ = ["MODEL_STEPS", "DecodedRun", "decode_run"]


class Framework(Protocol):
    """What a module of this folder offers for the steps of its framework."""

    @property
    def MODEL_STEPS(self) -> tuple[str, ...]:  # noqa: N802 - a module's constant
        """Names of the steps that may hold an answer of a model, as patterns of SQL's LIKE."""
        ...

    def kind(self, name: str) -> StepKind | None:
        """What a durable step of this name is."""
        ...

    def llm_call(self, name: str, value: Any) -> LlmCall | None:
        """The model's answer in its result."""
        ...

    def tool_call(self, name: str, value: Any) -> ToolCall | None:
        """The tool's result in its result."""
        ...


_FRAMEWORKS: tuple[Framework, ...] = (
    pydantic_ai,
    openai_agents,
    google_adk,
    langchain,
    vercel_ai,
)

MODEL_STEPS = tuple({name: None for framework in _FRAMEWORKS for name in framework.MODEL_STEPS})
"""Names of the durable steps that may hold an answer of a model, of all frameworks, as patterns
of SQL's LIKE; the shape of the result decides."""


@dataclass(frozen=True, slots=True)
class DecodedRun:
    """What a durable step is."""

    kind: StepKind
    llm: LlmCall | None = None
    tool: ToolCall | None = None


def decode_run(name: str, value: Any, *, known: bool) -> DecodedRun:
    """What a durable step of that name and result is.

    Args:
        name: the step's name.
        value: its decoded result.
        known: whether there is a result and it was read. Without one the name decides;
            with one, a result of another shape makes it an ordinary step.
    """
    for framework in _FRAMEWORKS:
        kind = framework.kind(name)
        if kind is None:
            continue
        if not known:
            return DecodedRun(kind)
        llm, tool = framework.llm_call(name, value), framework.tool_call(name, value)
        if llm or tool:
            return DecodedRun("llm" if llm else "tool", llm, tool)
    return DecodedRun("run")
