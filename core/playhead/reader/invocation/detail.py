"""The details of one invocation: its steps, attempts and spans, and their timeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from playhead.journal.steps import steps as journal_steps
from playhead.journal.steps import unrelated_events
from playhead.model import (
    Invocation,
    InvocationDetail,
    Span,
    Status,
    Step,
)
from playhead.reader.invocation.answers import add_awakeables
from playhead.reader.invocation.attempts import attempt_at, attempts
from playhead.reader.invocation.clocks import clock_offsets, shifted
from playhead.reader.invocation.executions import add_prompts, step_executions
from playhead.reader.invocation.llm_calls import CountedCalls, count_calls, mark_duplicates
from playhead.reader.invocation.open_spans import close_spans
from playhead.reader.invocation.timeline import timeline
from playhead.reader.invocation.tries import add_tries
from playhead.restate.rows import EventRow, JournalRow, parse_time
from playhead.values import as_list

__all__ = ["build_detail"]

_UNFINISHED: Mapping[Status, str] = {
    "killed": "not finished: the invocation was killed",
    "cancelled": "not finished: the invocation was cancelled",
    "failed": "not finished: the invocation failed",
    "succeeded": "no result: the handler returned first",
    "gone": "not finished: the server no longer has the invocation",
}


def build_detail(
    head: Invocation,
    row: Mapping[str, Any],
    *,
    journal: Sequence[JournalRow],
    events: Sequence[EventRow],
    payloads: Mapping[int, bytes],
    spans: Sequence[Span] | None,
    state: Mapping[str, Any],
    missing: Sequence[str],
    now: datetime | None = None,
) -> InvocationDetail:
    """Assemble one invocation from its rows.

    Args:
        head: Its summary, without LLM calls and tokens.
        row: Its row of sys_invocation.
        journal: Its journal.
        events: Its failures and pauses.
        payloads: `raw` by journal index, for the payloads that were read.
        spans: Its spans; None without a store.
        state: Decoded state of its virtual object or workflow.
        missing: Sentences about data that could not be read.
        now: The current time, by default the clock's.
    """
    steps = journal_steps(
        head.id,
        journal,
        events=events,
        payloads=payloads,
        waiting_signals=as_list(row.get("suspended_waiting_for_signals")),
        active=not head.ended,
    )
    spans = tuple(spans or ())
    # Before the spans are shifted and closed: a span that was lost with its process is no answer.
    calls = count_calls(head, steps, spans)
    clocks = clock_offsets(head, steps, spans, step_executions(steps, spans))
    spans = shifted(spans, clocks)
    over = _end(head, steps, spans)
    numbered = attempts(head, spans, events, parse_time(row.get("last_start_at")))
    spans = close_spans(spans, numbered, head, over, now or datetime.now(UTC))
    executions = step_executions(steps, spans)
    steps = [
        replace(step, attempt=found.number if found else None)
        if step.command_index and (found := attempt_at(numbered, step.started_at))
        else step
        for step in add_prompts(steps, executions, spans)
    ]
    steps = add_awakeables(steps, spans, ended=head.ended)
    steps = [_unfinished(s, head, over) if s.state == "unfinished" else s for s in steps]
    steps = add_tries(steps, executions, numbered, head, over)
    return InvocationDetail(
        summary=_with_counts(head, calls),
        steps=tuple(steps),
        attempts=numbered,
        spans=spans,
        timeline=mark_duplicates(
            timeline(
                steps,
                numbered,
                spans,
                executions,
                over,
                head.created_at if head.restarted_from else None,
            ),
            calls.duplicates,
        ),
        state=state,
        events=tuple(unrelated_events(journal, events)),
        ended_at=over,
        clocks=clocks,
        missing=tuple(missing),
    )


def _end(head: Invocation, steps: Sequence[Step], spans: Sequence[Span]) -> datetime | None:
    """Return the end of an ended invocation; the last known moment of one that is gone."""
    if not head.ended:
        return None
    if head.completed_at:
        return head.completed_at
    known = [step.ended_at or step.started_at for step in steps]
    known += [head.modified_at, *(span.end or span.start for span in spans)]
    return max((at for at in known if at), default=head.created_at)


def _unfinished(step: Step, head: Invocation, over: datetime | None) -> Step:
    """Return a step that got no result, with the reason and the end of the invocation."""
    return replace(step, ended_at=over, note=_UNFINISHED.get(head.status, "not finished"))


def _with_counts(head: Invocation, calls: CountedCalls) -> Invocation:
    """Return the summary with its LLM calls: their number, tokens, cost, models and agents."""
    return replace(
        head,
        llm_calls=calls.calls,
        tokens=calls.tokens,
        cost=calls.cost,
        models=calls.models,
        agents=calls.agents,
        copied_llm_calls=calls.copied,
    )
