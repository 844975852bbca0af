"""Joins steps and spans: what was sent to a model, and which spans executed a step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from playhead.decode.spans import is_llm_call, llm_call
from playhead.model import Attempt, LlmCall, Span, Step
from playhead.reader.attempts import attempt_at

__all__ = ["executions", "failed_tries", "requests", "with_prompts"]

COMPLETION_ID = "playhead.journal.completion_id"
COMMAND_INDEX = "playhead.journal.command_index"


def executions(steps: Sequence[Step], spans: Sequence[Span]) -> Mapping[int, list[Span]]:
    """The spans that executed each step, oldest first, by the step's journal index."""
    by_completion = {s.completion_id: s.index for s in steps if s.type == "Command: Run"}
    by_command = {s.command_index: s.index for s in steps if s.type == "Command: Run"}
    found: dict[int, list[Span]] = defaultdict(list)
    for span in sorted(spans, key=lambda span: span.start):
        if span.attributes.get("playhead.replayed") or COMPLETION_ID not in span.attributes:
            continue
        index = by_completion.get(span.attributes[COMPLETION_ID])
        if index is None or index != by_command.get(span.attributes.get(COMMAND_INDEX), index):
            continue
        found[index].append(span)
    return found


def with_prompts(
    steps: Sequence[Step], runs: Mapping[int, Sequence[Span]], spans: Sequence[Span]
) -> list[Step]:
    """The steps, LLM calls with what their spans tell: above all the prompt."""
    asked = requests(steps, runs, spans)
    return [
        replace(step, llm=_joined(step.llm, asked[step.index])) if step.index in asked else step
        for step in steps
    ]


def requests(
    steps: Sequence[Step], runs: Mapping[int, Sequence[Span]], spans: Sequence[Span]
) -> Mapping[int, Span]:
    """The span of the request that the last execution of each LLM step made, by journal index."""
    by_id = {span.span_id: span for span in spans}
    return {
        step.index: asked
        for step in steps
        if step.kind == "llm" and (asked := _request(runs.get(step.index, ()), by_id))
    }


def _joined(journaled: LlmCall | None, asked: Span) -> LlmCall:
    told = llm_call(asked)
    if journaled is None:
        return told
    return replace(
        journaled,
        prompt=told.prompt,
        model=journaled.model or told.model,
        provider=journaled.provider or told.provider,
        finish_reason=journaled.finish_reason or told.finish_reason,
    )


def _request(runs: Sequence[Span], by_id: Mapping[str, Span]) -> Span | None:
    """The span of the request that the last execution of a step made."""
    above = by_id.get(runs[-1].parent_span_id or "") if runs else None
    seen: set[str] = set()
    while above is not None and above.span_id not in seen:
        if is_llm_call(above):
            return above
        seen.add(above.span_id)
        above = by_id.get(above.parent_span_id or "")
    return None


def failed_tries(
    step: Step, runs: Sequence[Span], attempts: Sequence[Attempt]
) -> tuple[tuple[datetime, datetime], ...]:
    """The intervals in which the step was executed in vain; between them lies backoff.

    From its spans; without them from the errors that the server noted, whose attempts tell
    when they began.
    """
    if runs:
        return tuple((s.start, s.end) for s in runs if s.status == "error" and s.end)
    if step.type != "Command: Run" or step.started_at is None:
        return ()
    found: list[tuple[datetime, datetime]] = []
    for event in step.events:
        if event.kind != "TransientError":
            continue
        within = attempt_at(attempts, event.at)
        begun = within.started_at if within else step.started_at if not found else event.at
        found.append((max(begun, step.started_at), event.at))
    return tuple(found)
