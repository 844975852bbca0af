"""Two invocations side by side: aligned steps, and what differs in them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

from playhead.model import Invocation, InvocationDetail, LlmCall, Message, Step

__all__ = [
    "Comparison",
    "PairVerdict",
    "StepPair",
    "align",
    "compare",
    "field_text",
    "is_copied",
]

PairVerdict = Literal["same", "changed", "only A", "only B", "not compared"]
"""`not compared`: nothing that was read differs, but a payload was too large to be read."""
_FIELDS = ("state", "input", "arguments", "prompt", "error", "output")


@dataclass(frozen=True, slots=True)
class StepPair:
    """A step of A and the matching step of B; one of them is None without a match."""

    verdict: PairVerdict
    a: Step | None
    b: Step | None
    differences: tuple[str, ...] = ()
    """Fields that differ: `state`, `input`, `arguments` (of a tool), `prompt` (of an LLM call),
    `error`, `output`."""

    @property
    def step(self) -> Step:
        """The step of A, or else that of B."""
        step = self.a or self.b
        assert step is not None
        return step


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two invocations with their steps in pairs."""

    a: InvocationDetail
    b: InvocationDetail
    pairs: tuple[StepPair, ...]

    @property
    def first(self) -> StepPair | None:
        """The first pair that differs."""
        return next(iter(self.different), None)

    @property
    def same_status(self) -> bool:
        """Whether both invocations have the same status."""
        return self.a.summary.status == self.b.summary.status

    @property
    def different(self) -> tuple[StepPair, ...]:
        """The pairs that differ."""
        return tuple(p for p in self.pairs if p.verdict not in ("same", "not compared"))

    @property
    def not_compared(self) -> tuple[StepPair, ...]:
        """The pairs with a payload that is too large to be compared."""
        return tuple(pair for pair in self.pairs if pair.verdict == "not compared")


def compare(a: InvocationDetail, b: InvocationDetail) -> Comparison:
    """Return two invocations with their steps in pairs."""
    return Comparison(a, b, tuple(align(a.steps, b.steps)))


def align(a: Sequence[Step], b: Sequence[Step]) -> Iterator[StepPair]:
    """Yield the steps of both in order, paired by type and name.

    Times and ids are not compared: they differ in every run.
    """

    def names(steps: Sequence[Step]) -> list[tuple[str, str]]:
        return [(step.type, step.name) for step in steps]

    matcher = SequenceMatcher(a=names(a), b=names(b), autojunk=False)
    for operation, a0, a1, b0, b1 in matcher.get_opcodes():
        if operation == "equal":
            for left, right in zip(a[a0:a1], b[b0:b1], strict=True):
                differences = tuple(_differences(left, right))
                verdict: PairVerdict = "changed" if differences else "same"
                if not differences and (left.truncated or right.truncated):
                    verdict = "not compared"
                yield StepPair(verdict, left, right, differences)
            continue
        for left in a[a0:a1]:
            yield StepPair("only A", left, None)
        for right in b[b0:b1]:
            yield StepPair("only B", None, right)


def is_copied(step: Step, row: Invocation) -> bool:
    """Return whether a restart copied a step from the original invocation, which executed it."""
    return bool(row.restarted_from and step.ended_at and step.ended_at < row.created_at)


def _differences(a: Step, b: Step) -> Iterator[str]:
    for field in _FIELDS:
        left, right = _field(a, field), _field(b, field)
        # A prompt that one of them did not record is no difference.
        if left != right and not (field == "prompt" and None in (left, right)):
            yield field


def _field(step: Step, field: str) -> Any:
    match field:
        case "arguments":
            return step.tool.arguments if step.tool else None
        case "prompt":
            prompt = step.llm.prompt if step.llm else None
            return None if prompt is None else tuple(map(_message, prompt))
        case "output" if step.llm:
            return _answer(step.llm)  # an LLM's answer has ids and times, which always differ
        case _:
            return getattr(step, field)


def _answer(llm: LlmCall) -> object:
    return llm.model, llm.text, [(call.name, call.arguments) for call in llm.tool_calls]


def _message(message: Message) -> tuple[str, tuple[Any, ...]]:
    return message.role, tuple(_without_id(part) for part in message.parts)


def _without_id(part: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: value for key, value in part.items() if key != "id"}


def field_text(step: Step | None, field: str) -> str:
    """Return the value of a field of a pair as text, for a comparison of lines; empty for None."""
    if step is None:
        return ""
    if field == "prompt":
        prompt = step.llm.prompt if step.llm else None
        return "\n".join(_message_lines(prompt or ()))
    if field == "output" and step.llm:
        calls = [f"→ {c.name}({_text(c.arguments)})" for c in step.llm.tool_calls]
        return "\n".join(filter(None, (step.llm.text, *calls)))
    return _text(_field(step, field))


def _message_lines(messages: Sequence[Message]) -> Iterator[str]:
    for message in messages:
        yield f"[{message.role}]"
        for part in message.parts:
            content = part.get("content")
            if isinstance(content, str):
                yield content
            else:
                yield _text(_without_id(part))


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, bytes):
        return value.hex()
    try:
        return json.dumps(value, ensure_ascii=False, indent=2, default=str)
    except (ValueError, RecursionError):
        return repr(value)
