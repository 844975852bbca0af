"""The prompts of a recording's LLM calls, from spans."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from playhead.conventions import PYDANTIC_AI_MODEL_STEPS, PYDANTIC_AI_SCOPE
from playhead.decode import pydantic_ai
from playhead.decode import spans as llm_spans
from playhead.decode.prompts import plain_messages
from playhead.journal.commands import Command
from playhead.journal.recording import Recording
from playhead.model import LlmCall, Span, Step
from playhead.reader.invocation.executions import request_spans, step_executions
from playhead.values import decode_value

__all__ = ["add_prompts", "has_model_steps"]


def has_model_steps(recording: Recording) -> bool:
    """Return whether the recording has LLM steps with prompts that spans can provide."""
    return any(True for _ in _model_steps(recording))


def add_prompts(recording: Recording, spans: Sequence[Span]) -> Recording:
    """Return the recording with the prompt of each LLM step of Pydantic AI, as `messages`.

    A step that already has arguments or messages keeps them. A prompt is added only if it is
    certain: the request's span was recorded, the prompt in it is complete, and its answer is the
    one in the journal.
    """
    steps = [
        Step(
            index=command.index,
            command_index=command.command_index,
            kind="llm",
            type="Command: Run",
            name=command.name,
            state="done",
            started_at=None,
            ended_at=None,
            completion_id=command.completion_id,
            llm=_journaled(recording, command),
        )
        for command in _model_steps(recording)
    ]
    requests = request_spans(steps, step_executions(steps, spans), spans)
    steps_of = Counter(span.span_id for span in requests.values())
    noted: dict[int, Mapping[str, Any]] = dict(recording.steps)
    for step in steps:
        span = requests.get(step.index)
        if span is None or steps_of[span.span_id] > 1 or not _answers(span, step.llm):
            continue
        prompt = llm_spans.complete_prompt(span.attributes)
        if prompt is not None and step.command_index is not None:
            messages = {"messages": plain_messages(prompt)}
            noted.setdefault(step.command_index, messages)
    return replace(recording, steps=dict(sorted(noted.items())))


def _model_steps(recording: Recording) -> Iterator[Command]:
    return (
        c
        for c in recording.journal().steps()
        if c.type == "Run" and c.name in PYDANTIC_AI_MODEL_STEPS
    )


def _journaled(recording: Recording, command: Command) -> LlmCall | None:
    result = recording.journal().result_of(command)
    if result is None or result.kind != "value":
        return None
    return pydantic_ai.llm_call(command.name, decode_value(result.value))


def _answers(span: Span, journaled: LlmCall | None) -> bool:
    """Return whether the request got the answer in the journal."""
    if journaled is None or span.scope_name != PYDANTIC_AI_SCOPE or not llm_spans.is_answered(span):
        return False
    return _answer(llm_spans.llm_call(span)) == _answer(journaled)


def _answer(llm: LlmCall) -> tuple[Any, ...]:
    return llm.text, [(call.name, call.arguments or None) for call in llm.tool_calls]
