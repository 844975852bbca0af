"""The contents of spans that the outline of a large trace leaves out, for what is shown of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice

from playhead.decode.spans import llm_call
from playhead.model import InvocationDetail, LlmCall, Span, Step, TimelineRow
from playhead.reader.invocation.executions import with_prompt
from playhead.reader.invocation.llm_calls import is_model_call

__all__ = ["EARLIER_CALLS", "earlier_calls", "left_out", "whole_row", "whole_span"]

EARLIER_CALLS = 20
"""Nearest earlier calls with whose messages those of a call are compared."""


def left_out(row: TimelineRow, detail: InvocationDetail) -> dict[str, Span]:
    """Return the outlines of the spans whose contents a row and its messages need, by span id."""
    if row.step is not None and row.step.llm is not None:
        earlier = (step.request_id for step in _earlier_steps(row, detail))
        ids = {id_ for id_ in (row.step.request_id, *earlier) if id_}
        if row.span is not None:
            ids.add(row.span.span_id)
        if not ids:
            return {}
        found = [span for span in detail.spans if span.span_id in ids]
    elif row.span is not None and row.span.truncated:
        found = [row.span]
        if is_model_call(row.span):
            found += _earlier_spans(row.span, detail)
    else:
        return {}
    return {span.span_id: span for span in found if span.truncated}


def whole_span(span: Span, contents: Mapping[str, Span]) -> Span:
    """Return a span with its contents, if they were read.

    Args:
        span: The span, perhaps an outline.
        contents: Spans as they are stored, by id.
    """
    read = contents.get(span.span_id) if span.truncated else None
    if read is None:
        return span
    offset = span.start - read.start  # of the clock of its process
    events = tuple(replace(event, at=event.at + offset) for event in read.events)
    return replace(span, attributes=read.attributes, events=events, truncated=False)


def whole_row(row: TimelineRow, contents: Mapping[str, Span]) -> TimelineRow:
    """Return a row with the contents of its span and the prompt of its step, if they were read."""
    step, span = row.step, row.span
    if step is not None and step.request_id in contents:
        step = with_prompt(step, contents[step.request_id or ""])
    return replace(row, step=step, span=whole_span(span, contents) if span is not None else None)


def earlier_calls(
    row: TimelineRow, detail: InvocationDetail, contents: Mapping[str, Span]
) -> Iterator[LlmCall]:
    """Yield the nearest LLM calls before a row, from the same source: steps or spans.

    Args:
        row: The row.
        detail: Its invocation.
        contents: Spans as they are stored, by id, for those that are outlines.
    """
    if row.step is not None:
        for before in _earlier_steps(row, detail):
            if before.llm is not None:
                read = contents.get(before.request_id or "")
                found = with_prompt(before, read) if read is not None else before
                yield found.llm or before.llm
    elif row.span is not None:
        for span in _earlier_spans(row.span, detail):
            yield llm_call(whole_span(span, contents))


def _earlier_steps(row: TimelineRow, detail: InvocationDetail) -> Iterator[Step]:
    step = row.step
    if step is None:
        return iter(())
    before = (s for s in reversed(detail.steps) if s.llm is not None and s.index < step.index)
    return islice(before, EARLIER_CALLS)


def _earlier_spans(span: Span, detail: InvocationDetail) -> Iterator[Span]:
    before = (s for s in reversed(detail.spans) if s.start < span.start and is_model_call(s))
    return islice(before, EARLIER_CALLS)
