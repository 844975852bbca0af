"""The details of one invocation: its steps, attempts and spans, and their timeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from playhead.decode.spans import is_answered, llm_call
from playhead.journal.steps import steps as journal_steps
from playhead.journal.steps import unrelated_events
from playhead.model import (
    Invocation,
    InvocationDetail,
    Span,
    Step,
    Tokens,
)
from playhead.reader.attempts import attempt_at, attempts
from playhead.reader.executions import add_prompts, step_executions
from playhead.reader.timeline import timeline
from playhead.restate.rows import EventRow, JournalRow, parse_time
from playhead.values import as_list

__all__ = ["build_detail"]


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
    executions = step_executions(steps, spans)
    numbered = attempts(head, spans, events, parse_time(row.get("last_start_at")))
    steps = [
        replace(step, attempt=found.number if found else None)
        if step.command_index and (found := attempt_at(numbered, step.started_at))
        else step
        for step in add_prompts(steps, executions, spans)
    ]
    return InvocationDetail(
        summary=_with_counts(head, steps, spans),
        steps=tuple(steps),
        attempts=numbered,
        spans=spans,
        timeline=timeline(steps, numbered, spans, executions),
        state=state,
        events=tuple(unrelated_events(journal, events)),
        missing=tuple(missing),
    )


def _with_counts(head: Invocation, steps: Sequence[Step], spans: Sequence[Span]) -> Invocation:
    """Return the summary with its numbers of LLM calls and tokens.

    LLM calls are counted from spans (`ANSWERED_LLM_CALL`), or from the journal if it has more
    answers: the agent sent no spans, or its process was killed before it could send them.
    """
    traced = [llm_call(span) for span in spans if is_answered(span)]
    journaled = [step.llm for step in steps if step.llm and step.state == "done"]
    calls = journaled if len(journaled) > len(traced) else traced
    return replace(
        head,
        llm_calls=len(calls),
        tokens=sum((call.tokens for call in calls if call.tokens), Tokens()),
    )
