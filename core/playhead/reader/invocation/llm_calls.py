"""The LLM calls of one invocation, from its steps and spans, each counted once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from playhead.conventions import AGENT_NAMES, REPLAYED, is_set
from playhead.decode.spans import call_of, is_answered, is_llm_call
from playhead.journal.llm_calls import Answer, CallSpan, Duplicate, call_span, find_calls
from playhead.model import Cost, Invocation, Span, Step, TimelineRow, Tokens
from playhead.reader.costs import priced_call, total_cost
from playhead.values import as_text

__all__ = ["CountedCalls", "count_calls", "find_duplicates", "is_model_call", "mark_duplicates"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOTES: Mapping[Duplicate, str] = {
    "repeated": "repeated by replay",
    "nested": "same call as the span above",
}


@dataclass(frozen=True, slots=True)
class CountedCalls:
    """The answered LLM calls of an invocation."""

    calls: int
    tokens: Tokens
    cost: Cost
    models: tuple[str, ...]
    """Models that answered, in order of their first answer."""
    agents: tuple[str, ...]
    """Agents whose model calls were answered, in order of their first answer."""
    copied: int
    """Answers that a restart copied from the original invocation, which counts them."""
    duplicates: Mapping[str, Duplicate]
    """Spans of LLM calls and tools that are not counted, by span id."""


def count_calls(head: Invocation, steps: Sequence[Step], spans: Sequence[Span]) -> CountedCalls:
    """Count the LLM calls by the same rules as the store's view `llm_calls`.

    Args:
        head: The invocation.
        steps: Its steps, with decoded answers.
        spans: Its spans.
    """
    journaled = _journaled(steps)
    answers = [_answer(head, step) for step in journaled.values()]
    found = find_calls([_call_span(span, compared=bool(answers)) for span in spans], answers)
    answered = sorted(
        (s for s in spans if is_answered(s) and s.span_id not in found.duplicates),
        key=lambda span: span.start,
    )
    counted = [
        (call_of(span.attributes, prompt=False, response=False), span.start) for span in answered
    ]
    counted += [
        (call, journaled[answer.index].ended_at)
        for answer in found.without_span
        if not answer.copied and (call := journaled[answer.index].llm) is not None
    ]
    return CountedCalls(
        calls=len(counted),
        tokens=sum((call.tokens for call, _ in counted if call.tokens), Tokens()),
        cost=total_cost(priced_call(call, at) for call, at in counted),
        models=_names(call.model for call, _ in sorted(counted, key=lambda pair: _order(pair[1]))),
        agents=_names(as_text(AGENT_NAMES.of(span.attributes)) for span in answered),
        copied=sum(answer.copied for answer in answers),
        duplicates=found.duplicates,
    )


def _names(names: Iterable[str | None]) -> tuple[str, ...]:
    """Return each known name once."""
    return tuple(dict.fromkeys(filter(None, names)))


def _order(at: datetime | None) -> datetime:
    return at or _EPOCH


def find_duplicates(
    head: Invocation, steps: Sequence[Step], spans: Sequence[Span]
) -> tuple[Mapping[str, Duplicate], frozenset[int]]:
    """Return the spans that are not counted, and the steps whose answer a counted span shows.

    Args:
        head: The invocation.
        steps: Its steps, with decoded answers.
        spans: Its spans.

    Returns:
        Reasons by span id, and journal indexes.
    """
    journaled = _journaled(steps)
    answers = [_answer(head, step) for step in journaled.values()]
    found = find_calls([_call_span(span, compared=bool(answers)) for span in spans], answers)
    return found.duplicates, frozenset(journaled) - {one.index for one in found.without_span}


def is_model_call(span: Span) -> bool:
    """Return whether a span is a request to a model that was sent, answered or not."""
    return is_llm_call(span) and not is_set(span.attributes.get(REPLAYED))


def _journaled(steps: Sequence[Step]) -> dict[int, Step]:
    return {
        step.index: step
        for step in steps
        if step.kind == "llm" and step.state == "done" and step.completion_id is not None
    }


def mark_duplicates(
    rows: Iterable[TimelineRow], duplicates: Mapping[str, Duplicate]
) -> tuple[TimelineRow, ...]:
    """Return the rows with a note on those whose span is not counted."""
    return tuple(
        replace(row, note=", ".join(filter(None, (_NOTES[reason], row.note))))
        if row.span is not None and (reason := duplicates.get(row.span.span_id))
        else row
        for row in rows
    )


def _answer(head: Invocation, step: Step) -> Answer:
    return Answer(
        index=step.index,
        completion_id=step.completion_id or 0,
        at=_microseconds(step.ended_at) or 0,
        copied=bool(head.restarted_from and step.ended_at and step.ended_at < head.created_at),
        content=step.llm,
    )


def _call_span(span: Span, *, compared: bool) -> CallSpan:
    """Return a span as `find_calls` needs it.

    Args:
        span: The span.
        compared: Whether there are answers in the journal to compare its answer with.
    """
    found = call_span(
        span_id=span.span_id,
        parent_id=span.parent_span_id,
        name=span.name,
        start=_microseconds(span.start) or 0,
        end=_microseconds(span.end),
        status=span.status,
        attributes=span.attributes,
    )
    if not (compared and found.needs_content):
        return found
    return found._replace(content=call_of(span.attributes, prompt=False))


def _microseconds(at: datetime | None) -> int | None:
    return None if at is None else (at - _EPOCH) // timedelta(microseconds=1)
