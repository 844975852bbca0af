"""The conversation of an invocation with its models: what each call added, and what it answered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from playhead.conventions import AGENT_NAMES
from playhead.decode.spans import call_of, llm_call
from playhead.model import InvocationDetail, LlmCall, Message, Span, TimelineRow
from playhead.reader.invocation.contents import whole_row
from playhead.reader.invocation.llm_calls import find_duplicates, is_model_call
from playhead.values import as_text

__all__ = [
    "EarlierPrompts",
    "ModelCall",
    "Turn",
    "conversation",
    "model_calls",
    "repeated_messages",
    "turns_of",
]


@dataclass(frozen=True, slots=True)
class Turn:
    """One LLM call of a conversation."""

    key: str
    """Key of its row of the timeline."""
    index: int | None
    """Journal index of its step; None for a span without one."""
    at: datetime | None
    agent: str
    """Name of the agent; empty if it is unknown."""
    model: str
    """Empty if it is unknown."""
    repeated: int | None
    """Number of messages of its prompt that an earlier call had; None without a prompt."""
    added: tuple[Message, ...]
    """The other messages of its prompt."""
    answer: tuple[Message, ...]
    """Empty while it is pending, and after an error."""
    error: str | None = None


class ModelCall(NamedTuple):
    """An LLM call of an invocation."""

    row: TimelineRow
    journal_index: int | None
    """Journal index of its step; None for a span without one."""

    @property
    def left_out(self) -> str | None:
        """Id of the span whose contents it needs, if the row has an outline only."""
        if self.row.step is not None:
            return self.row.step.request_id
        return self.row.span.span_id if self.row.span and self.row.span.truncated else None


def conversation(detail: InvocationDetail) -> tuple[Turn, ...]:
    """Return the LLM calls of an invocation in order of time, each call once.

    A call is shown by its span, which has the prompt, or by its step, which has the journal index;
    see `playhead.journal.llm_calls`.
    """
    return tuple(turns_of(model_calls(detail), {}, EarlierPrompts()))


def turns_of(
    calls: Iterable[ModelCall], contents: Mapping[str, Span], before: EarlierPrompts
) -> Iterator[Turn]:
    """Yield the turns of calls.

    Args:
        calls: The calls, in order of time.
        contents: Spans as they are stored, by id, for calls with `left_out` contents.
        before: The prompts of the calls before; those of these calls are added.
    """
    for one, index in calls:
        row = whole_row(one, contents)
        call = _call(row)
        repeated = None if call.prompt is None else before.repeated(call.prompt)
        yield Turn(
            key=row.key,
            index=index,
            at=row.started_at,
            agent=_agent(row),
            model=call.model or "",
            repeated=repeated,
            added=(call.prompt or ())[repeated or 0 :],
            answer=_answer(call),
            error=_error(row),
        )
        before.add(call.prompt or ())


def repeated_messages(call: LlmCall, before: Iterable[LlmCall]) -> int:
    """Return how many messages at the start of a prompt the closest earlier call had.

    Args:
        call: The call.
        before: Earlier calls of the same invocation; their answers are part of what is repeated.
    """
    earlier = EarlierPrompts()
    for one in before:
        earlier.add(one.prompt or ())
    return earlier.repeated(call.prompt or ())


class EarlierPrompts:
    """The beginnings of prompts, by digest: a prompt is compared with all earlier ones at once."""

    def __init__(self) -> None:
        self._begun: set[bytes] = set()
        """Digests of the first messages of the prompts, for each number of messages."""
        self._whole: set[bytes] = set()
        """Digests of the prompts."""

    def add(self, prompt: Sequence[Message]) -> None:
        """Add the prompt of an earlier call."""
        digests = list(_digests(prompt))
        self._begun.update(digests)
        self._whole.update(digests[-1:])

    def repeated(self, prompt: Sequence[Message]) -> int:
        """Return how many messages at the start of a prompt the closest earlier one had.

        An answer to that one is part of it. Some frameworks record it in other words, so its role
        is enough after all other messages.
        """
        same, last = 0, b""
        for digest in _digests(prompt):
            if digest not in self._begun:
                break
            same, last = same + 1, digest
        answered = last in self._whole and same < len(prompt) and prompt[same].role == "assistant"
        return same + 1 if answered else same


def _digests(prompt: Sequence[Message]) -> Iterator[bytes]:
    """Yield the digest of the first message, of the first two, and so on."""
    digest = b""
    for message in prompt:
        text = json.dumps([message.role, message.parts], sort_keys=True, default=str)
        digest = hashlib.blake2b(digest + text.encode(), digest_size=16).digest()
        yield digest


def model_calls(detail: InvocationDetail) -> list[ModelCall]:
    """Return the LLM calls in order of time, each call once."""
    left_out, by_span = find_duplicates(detail.summary, detail.steps, detail.spans)
    steps = {step.index: step for step in detail.steps}
    requested = {steps[index].request_id: index for index in by_span}
    unpaired = [steps[index] for index in sorted(by_span) if steps[index].request_id is None]
    found: list[ModelCall] = []
    for row in detail.timeline:
        if row.step is not None and row.step.kind == "llm":
            if row.step.index not in by_span:
                found.append(ModelCall(row, row.step.index))
        elif row.span is not None and is_model_call(row.span) and row.span.span_id not in left_out:
            index = requested.get(row.span.span_id)
            if index is None and unpaired:
                call = call_of(row.span.attributes, prompt=False)
                step = next((one for one in unpaired if one.llm and _same(one.llm, call)), None)
                if step is not None:
                    unpaired.remove(step)
                    index = step.index
            found.append(ModelCall(row, index))
    found.sort(key=lambda one: (one.row.started_at is None, one.row.started_at))
    return found


def _call(row: TimelineRow) -> LlmCall:
    if row.step is not None:
        return row.step.llm or LlmCall(None, None, None, "")
    assert row.span is not None
    return llm_call(row.span)


def _same(one: LlmCall, other: LlmCall) -> bool:
    """Return whether two sources show the same answer."""
    names = [[call.name for call in calls.tool_calls] for calls in (one, other)]
    return one.text == other.text and names[0] == names[1]


def _answer(call: LlmCall) -> tuple[Message, ...]:
    if call.response:
        return call.response
    parts = [{"type": "text", "content": call.text}] if call.text else []
    parts += [
        {"type": "tool_call", "id": tool.call_id, "name": tool.name, "arguments": tool.arguments}
        for tool in call.tool_calls
    ]
    return (Message("assistant", tuple(parts)),) if parts else ()


def _agent(row: TimelineRow) -> str:
    return as_text(AGENT_NAMES.of(row.span.attributes)) or "" if row.span else ""


def _error(row: TimelineRow) -> str | None:
    if row.step is not None:
        failures = [event.message for event in row.step.events]
        return row.step.error or (failures[-1] if failures and row.state != "done" else None)
    if row.span is not None and row.span.status == "error":
        return row.span.status_message or "error"
    return None
