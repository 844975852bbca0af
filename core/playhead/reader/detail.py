"""One invocation put together: steps, attempts, spans, and the timeline of all three."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from playhead.decode.shape import as_list
from playhead.reader.models import (
    InvocationDetail,
    InvocationSummary,
    Span,
    Step,
    TimelineRow,
    Tokens,
)
from playhead.restate.journal import steps as journal_steps
from playhead.restate.journal import unrelated_events
from playhead.restate.rows import EventRow, JournalRow

__all__ = ["build_detail"]


def build_detail(
    head: InvocationSummary,
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
    calls = [step.llm for step in steps if step.llm]
    head = replace(
        head,
        llm_calls=len(calls),
        tokens=sum((call.tokens for call in calls if call.tokens), Tokens()) if calls else None,
    )
    return InvocationDetail(
        summary=head,
        steps=tuple(steps),
        attempts=(),
        spans=tuple(spans or ()),
        timeline=tuple(
            TimelineRow(
                key=_key(step),
                depth=0,
                kind="step",
                label=step.name,
                started_at=step.started_at,
                ended_at=step.ended_at,
                state=step.state,
                attempt=None,
                step=step,
            )
            for step in steps
        ),
        state=state,
        events=tuple(unrelated_events(journal, events)),
        missing=tuple(missing),
    )


def _key(step: Step) -> str:
    return f"step:{step.awakeable_id if step.command_index is None else step.index}"
