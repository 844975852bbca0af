"""Waiting for an answer: when each awakeable was asked for, and those that were not answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from playhead.conventions import AWAKEABLE_EVENT, AWAKEABLE_ID
from playhead.journal.steps import awakeable
from playhead.model import Span, Step

__all__ = ["add_awakeables"]


def add_awakeables(steps: Sequence[Step], spans: Sequence[Span], *, ended: bool) -> list[Step]:
    """Add to each awakeable the time at which the handler created it, and add unanswered ones.

    The journal does not have the time. It comes from the event that the bridge sets on the current
    span, or else from the last entry before the answer, when the handler did nothing but wait. An
    awakeable has an entry when it is answered, and the server names it while the invocation is
    suspended on it; at other times, its event is the only trace of it.

    Args:
        steps: The journal's steps, awaited awakeables last.
        spans: The invocation's spans.
        ended: Whether the invocation has ended.
    """
    asked: dict[str, datetime] = {}
    for span in spans:
        for event in span.events:
            if event.name == AWAKEABLE_EVENT:
                id_ = str(event.attributes.get(AWAKEABLE_ID))
                asked[id_] = min(event.at, asked.get(id_, event.at))
    known = {step.awakeable_id for step in steps if step.kind == "awakeable"}
    return [
        *(
            _with_start(step, asked.get(step.awakeable_id or ""), steps)
            if step.kind == "awakeable" and step.started_at is None
            else step
            for step in steps
        ),
        *(
            awakeable(id_, "unfinished" if ended else "pending", asked=at)
            for id_, at in asked.items()
            if id_ not in known
        ),
    ]


def _with_start(step: Step, asked: datetime | None, steps: Sequence[Step]) -> Step:
    if asked is not None and (step.ended_at is None or asked <= step.ended_at):
        return replace(step, started_at=asked)
    before = [
        at
        for other in steps
        if other is not step and other.index >= 0 and (step.index < 0 or other.index < step.index)
        for at in (other.started_at, other.ended_at)
        if at is not None and (step.ended_at is None or at <= step.ended_at)
    ]
    return replace(step, started_at=max(before), start_estimated=True) if before else step
