"""Notes on a recording what its models were asked, as the recorder's spans tell it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from playhead.decode.prompts import plain_messages
from playhead.decode.pydantic_ai import MODEL_STEPS, llm_call
from playhead.decode.spans import answered, whole_prompt
from playhead.decode.spans import llm_call as told_call
from playhead.journal.commands import Command
from playhead.journal.recording import Recording
from playhead.model import LlmCall, Span, Step
from playhead.reader.executions import executions, requests
from playhead.values import decode_value

__all__ = ["asks_a_model", "prompted"]

_SCOPE = "pydantic-ai"
"""Whose spans have the form that `asked` gives to prompts of today."""


def asks_a_model(recording: Recording) -> bool:
    """Whether there are steps whose prompts spans could tell."""
    return any(True for _ in _model_steps(recording))


def prompted(recording: Recording, spans: Sequence[Span]) -> Recording:
    """The recording with the prompt of each step that asked a model, as `messages`.

    Steps whose arguments are noted stay as they are: those tell more. Nothing is noted where it
    is not certain: the span of the request was not recorded, is not the one whose answer the
    journal holds, or does not hold all that was sent.
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
    asked = requests(steps, executions(steps, spans), spans)
    steps_of = Counter(span.span_id for span in asked.values())
    noted: dict[int, Mapping[str, Any]] = dict(recording.steps)
    for step in steps:
        span = asked.get(step.index)
        if span is None or steps_of[span.span_id] > 1 or not _answers(span, step.llm):
            continue
        prompt = whole_prompt(span.attributes)
        if prompt is not None and step.command_index is not None:
            messages = {"messages": plain_messages(prompt)}
            noted.setdefault(step.command_index, messages)
    return replace(recording, steps=dict(sorted(noted.items())))


def _model_steps(recording: Recording) -> Iterator[Command]:
    return (c for c in recording.journal().steps() if c.type == "Run" and c.name in MODEL_STEPS)


def _journaled(recording: Recording, command: Command) -> LlmCall | None:
    result = recording.journal().result_of(command)
    if result is None or result.kind != "value":
        return None
    return llm_call(command.name, decode_value(result.value))


def _answers(span: Span, journaled: LlmCall | None) -> bool:
    """Whether the answer that the journal holds is the one that this request got."""
    if journaled is None or span.scope_name != _SCOPE or not answered(span):
        return False
    return _answer(told_call(span)) == _answer(journaled)


def _answer(llm: LlmCall) -> tuple[Any, ...]:
    return llm.text, [(call.name, call.arguments or None) for call in llm.tool_calls]
