"""Assembles one invocation: its steps, attempts, spans, and the timeline of all three."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from playhead.decode.spans import is_answered, llm_call
from playhead.journal.steps import steps as journal_steps
from playhead.journal.steps import unrelated_events
from playhead.model import (
    Attempt,
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
        head: its summary, without counts.
        row: its row of sys_invocation.
        journal: its journal.
        events: its failures and pauses.
        payloads: `raw` by journal index, as far as it was read.
        spans: its spans; None without a store.
        state: decoded state of its virtual object or workflow.
        missing: sentences about what could not be read.
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
        summary=_with_counts(head, steps, numbered, spans),
        steps=tuple(steps),
        attempts=numbered,
        spans=spans,
        timeline=timeline(steps, numbered, spans, executions),
        state=state,
        events=tuple(unrelated_events(journal, events)),
        missing=tuple(missing),
    )


def _with_counts(
    head: Invocation, steps: Sequence[Step], numbered: Sequence[Attempt], spans: Sequence[Span]
) -> Invocation:
    """Return the summary with its numbers of attempts, LLM calls and tokens.

    LLM calls are counted by spans (`ANSWERED_LLM_CALL`), or by the journal where it holds more
    answers: no agent sent spans, or its process was killed before it could.
    """
    traced = [llm_call(span) for span in spans if is_answered(span)]
    journaled = [step.llm for step in steps if step.llm and step.state == "done"]
    calls = journaled if len(journaled) > len(traced) else traced
    return replace(
        head,
        attempts=len(numbered) or None,
        llm_calls=len(calls),
        tokens=sum((call.tokens for call in calls if call.tokens), Tokens()),
    )
