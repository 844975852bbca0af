"""The spans of steps: those that executed a step, and its request to a model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from playhead.conventions import COMMAND_INDEX, COMPLETION_ID, REPLAYED, is_set
from playhead.decode.spans import is_llm_call, llm_call
from playhead.model import LlmCall, Span, Step

__all__ = ["add_prompts", "request_spans", "step_executions", "with_prompt"]


def step_executions(steps: Sequence[Step], spans: Sequence[Span]) -> Mapping[int, list[Span]]:
    """Return the spans that executed each step, oldest first, by the step's journal index."""
    by_completion = {s.completion_id: s.index for s in steps if s.type == "Command: Run"}
    by_command = {s.command_index: s.index for s in steps if s.type == "Command: Run"}
    found: dict[int, list[Span]] = defaultdict(list)
    for span in sorted(spans, key=lambda span: span.start):
        if is_set(span.attributes.get(REPLAYED)) or COMPLETION_ID not in span.attributes:
            continue
        index = by_completion.get(span.attributes[COMPLETION_ID])
        if index is None or index != by_command.get(span.attributes.get(COMMAND_INDEX), index):
            continue
        found[index].append(span)
    return found


def add_prompts(
    steps: Sequence[Step], executions: Mapping[int, Sequence[Span]], spans: Sequence[Span]
) -> list[Step]:
    """Add the prompt and other data from the spans of their requests to LLM steps."""
    requests = request_spans(steps, executions, spans)
    return [
        with_prompt(step, requests[step.index]) if step.index in requests else step
        for step in steps
    ]


def with_prompt(step: Step, request: Span) -> Step:
    """Return an LLM step with the prompt and other data from the span of its request."""
    return replace(
        step,
        llm=_joined(step.llm, request),
        request_id=request.span_id if request.truncated else None,
    )


def request_spans(
    steps: Sequence[Step], executions: Mapping[int, Sequence[Span]], spans: Sequence[Span]
) -> Mapping[int, Span]:
    """Return the span of the request that each LLM step last made, by journal index."""
    by_id = {span.span_id: span for span in spans}
    return {
        step.index: request
        for step in steps
        if step.kind == "llm" and (request := _request(executions.get(step.index, ()), by_id))
    }


def _joined(journaled: LlmCall | None, request: Span) -> LlmCall:
    traced = llm_call(request)
    if journaled is None:
        return traced
    return replace(
        journaled,
        prompt=traced.prompt,
        model=journaled.model or traced.model,
        provider=journaled.provider or traced.provider,
        finish_reason=journaled.finish_reason or traced.finish_reason,
    )


def _request(executions: Sequence[Span], by_id: Mapping[str, Span]) -> Span | None:
    """Return the request that is the nearest ancestor of a step's last execution."""
    above = by_id.get(executions[-1].parent_span_id or "") if executions else None
    visited: set[str] = set()
    while above is not None and above.span_id not in visited:
        if is_llm_call(above):
            return above
        visited.add(above.span_id)
        above = by_id.get(above.parent_span_id or "")
    return None
