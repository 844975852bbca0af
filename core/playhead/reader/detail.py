"""One invocation put together: steps, attempts, spans, and the timeline of all three."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from playhead.decode.spans import answered, llm_call
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
from playhead.reader.executions import executions, with_prompts
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
    """The detail of one invocation.

    Args:
        head: its summary, without counts.
        row: its row of sys_invocation.
        journal: its journal.
        events: its failures and pauses.
        payloads: `raw` by journal index, as far as it was read.
        spans: its spans; None without a recording.
        state: state of its virtual object or workflow, decoded.
        missing: what could not be read.
    """
    steps = journal_steps(
        head.id,
        journal,
        events=events,
        payloads=payloads,
        waiting_signals=as_list(row.get("suspended_waiting_for_signals")),
        active=not head.ended,
    )
    known = spans or ()
    runs = executions(steps, known)
    tries = attempts(head, known, events, parse_time(row.get("last_start_at")))
    steps = [
        replace(step, attempt=found.number if found else None)
        if step.command_index and (found := attempt_at(tries, step.started_at))
        else step
        for step in with_prompts(steps, runs, known)
    ]
    return InvocationDetail(
        summary=_counted(head, steps, tries, known),
        steps=tuple(steps),
        attempts=tries,
        spans=tuple(known),
        timeline=timeline(steps, tries, known, runs),
        state=state,
        events=tuple(unrelated_events(journal, events)),
        missing=tuple(missing),
    )


def _counted(
    head: Invocation, steps: Sequence[Step], tries: Sequence[Attempt], spans: Sequence[Span]
) -> Invocation:
    """The summary with attempts, LLM calls and tokens.

    Calls are answers that a model really gave: spans of requests that were answered, not
    replayed, not cut off. Where the journal holds more answers, those count: no agent sent spans,
    or its process was killed before it could.
    """
    sent = [llm_call(span) for span in spans if answered(span)]
    kept = [step.llm for step in steps if step.llm and step.state == "done"]
    calls = kept if len(kept) > len(sent) else sent
    return replace(
        head,
        attempts=len(tries) or None,
        llm_calls=len(calls),
        tokens=sum((call.tokens for call in calls if call.tokens), Tokens()),
    )
