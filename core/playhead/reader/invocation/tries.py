"""The tries of each durable step and the waits between them, from spans, attempts and errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from playhead.conventions import INTERRUPTED, is_set
from playhead.model import Attempt, Invocation, Span, Step, StepEvent, Try, TryState, Wait
from playhead.reader.invocation.attempts import attempt_at
from playhead.reader.invocation.open_spans import attempt_end, attempt_of

__all__ = ["add_tries"]

RUN = "Command: Run"
SLACK = timedelta(milliseconds=250)
"""A failure is recorded after the end of its try, by the time that its report travels."""

_WITHOUT_FAILED_TRY = frozenset(
    ("suspended", "running", "completed", "terminal error", "cancelled", "killed")
)
"""Outcomes of attempts that no failed try of a step has ended."""


def add_tries(
    steps: Sequence[Step],
    executions: Mapping[int, Sequence[Span]],
    attempts: Sequence[Attempt],
    head: Invocation,
    over: datetime | None,
) -> list[Step]:
    """Add to each durable step its tries and waits, and the attempt in which it ended.

    The tries come from the spans that executed the step. Without spans they come from the
    attempts that failed at it, and without those from the errors that the server recorded. The
    server does not record an error that equals the previous one, so there may be more of them.

    Args:
        steps: The journal's steps.
        executions: The spans that executed each step, by journal index, oldest first.
        attempts: The invocation's attempts.
        head: The invocation.
        over: The end of the invocation; None while it has not ended.
    """
    source = _Source(attempts, head, over, _failures_by_attempt(steps, attempts))
    return [
        source.with_tries(step, executions.get(step.index, ())) if step.type == RUN else step
        for step in steps
    ]


def _failures_by_attempt(
    steps: Sequence[Step], attempts: Sequence[Attempt]
) -> Mapping[int, tuple[int, StepEvent]]:
    """Return index and error of the step at which each attempt failed, by attempt number.

    A failed attempt without an error failed like the one before it: the server dropped the error.
    """
    events = [(event, step.index) for step in steps for event in step.events if _is_failure(event)]
    found: dict[int, tuple[int, StepEvent]] = {}
    for event, index in events:
        attempt = attempt_at(attempts, event.at - SLACK) or attempt_at(attempts, event.at)
        if attempt is not None:
            found[attempt.number] = (index, event)
    for before, attempt in pairwise(attempts):
        same = attempt.outcome == before.outcome == "failed" and attempt.error == before.error
        if same and attempt.number not in found and before.number in found:
            found[attempt.number] = found[before.number]
    return found


def _is_failure(event: StepEvent) -> bool:
    return event.kind == "TransientError"


@dataclass(frozen=True, slots=True)
class _Source:
    attempts: Sequence[Attempt]
    head: Invocation
    over: datetime | None
    failures: Mapping[int, tuple[int, StepEvent]]

    def with_tries(self, step: Step, spans: Sequence[Span]) -> Step:
        if spans:
            found = self._from_spans(step, spans)
        elif self.attempts and not self._attempts_missing(step):
            found = self._from_attempts(step)
        else:
            found = self._from_events(step)
        found = self._with_last(step, found)
        tries = tuple(replace(one, number=number) for number, one in enumerate(found, 1))
        return replace(
            step,
            tries=tries,
            waits=self._waits(step, tries),
            more_tries=self._more(step, tries, spans),
            attempt=self._attempt(step, tries),
        )

    # The tries.

    def _from_spans(self, step: Step, spans: Sequence[Span]) -> list[Try]:
        found = [self._of_span(step, span) for span in spans]
        failed = [event for event in step.events if _is_failure(event)]
        for place, event in enumerate(failed):
            since = failed[place - 1].at if place else None
            if not any(
                one.started_at is not None
                and one.started_at <= event.at + SLACK
                and (since is None or one.started_at > since - SLACK)
                for one in found
            ):
                found.append(self._of_event(event))
        return sorted(found, key=lambda one: one.started_at or one.ended_at or self.head.created_at)

    def _of_span(self, step: Step, span: Span) -> Try:
        attempt = attempt_of(span, self.attempts)
        error = span.status_message or None if span.status == "error" else None
        return Try(
            number=0,
            state=_span_state(step, span),
            started_at=span.start,
            ended_at=span.end,
            attempt=attempt.number if attempt else None,
            error=error,
        )

    def _of_event(self, event: StepEvent, attempt: Attempt | None = None) -> Try:
        within = attempt or attempt_at(self.attempts, event.at)
        return Try(
            number=0,
            state="failed",
            started_at=None,
            ended_at=event.at,
            attempt=within.number if within else None,
            error=event.message or None,
        )

    def _attempts_missing(self, step: Step) -> bool:
        """Return whether an error lies in no failed attempt: not all attempts are known."""
        ends = [a.ended_at for a in self.attempts if a.outcome == "failed" and a.ended_at]
        return any(
            not any(abs(end - event.at) < 4 * SLACK for end in ends)
            for event in step.events
            if _is_failure(event)
        )

    def _from_attempts(self, step: Step) -> list[Try]:
        found: list[Try] = []
        for attempt in self.attempts:
            index, event = self.failures.get(attempt.number, (None, None))
            if index != step.index or event is None or step.started_at is None:
                continue
            ended = attempt.ended_at or event.at
            if ended < step.started_at:
                continue
            found.append(
                Try(
                    number=0,
                    state="failed",
                    started_at=max(attempt.started_at, step.started_at),
                    ended_at=ended,
                    attempt=attempt.number,
                    error=event.message or None,
                )
            )
        return found

    def _from_events(self, step: Step) -> list[Try]:
        found = [self._of_event(event) for event in step.events if _is_failure(event)]
        if found:  # the step begins with its first try
            found[0] = replace(found[0], started_at=step.started_at)
        return found

    def _with_last(self, step: Step, found: list[Try]) -> list[Try]:
        """Add the try that produced the result, or the one that runs, if no span shows it."""
        last = found[-1] if found else None
        if step.state in ("done", "failed"):
            if last is not None and (last.state == "done" or self._is_final(step, last)):
                return found
            if last is not None and self._has_result(step, last):
                state = "failed" if step.state == "failed" else "done"
                return [*found[:-1], replace(last, state=state, ended_at=step.ended_at)]
            state: TryState = "failed" if step.state == "failed" else "done"
            ended = step.ended_at
        elif step.state in ("pending", "retrying") and self.head.status == "running":
            if last is not None and last.state == "running":
                return found
            state, ended = "running", None
        else:
            return found
        attempt = attempt_at(self.attempts, ended or self.head.modified_at)
        if ended is None and (attempt is None or attempt.outcome != "running"):
            attempt = next((a for a in self.attempts if a.outcome == "running"), None)
        began = step.started_at if last is None else None
        if began is None and attempt is not None and last is not None:
            later = last.ended_at is None or attempt.started_at >= last.ended_at - SLACK
            began = attempt.started_at if later else None
        if state == "running" and began is None:
            return found
        number = attempt.number if attempt else None
        return [*found, Try(0, state, began, ended, number, step.error)]

    def _has_result(self, step: Step, last: Try) -> bool:
        """Return whether a try, whose own end was not received, produced the step's result."""
        if last.state == "failed" or last.started_at is None or step.ended_at is None:
            return False
        ended = attempt_at(self.attempts, step.ended_at)
        same = ended is None or last.attempt is None or ended.number == last.attempt
        return same and last.started_at <= step.ended_at

    def _is_final(self, step: Step, last: Try) -> bool:
        """Return whether a failed try produced the step's terminal error."""
        if step.state != "failed" or last.state != "failed" or last.ended_at is None:
            return False
        ended = attempt_at(self.attempts, step.ended_at)
        if ended is not None and last.attempt is not None:
            return ended.number == last.attempt
        return step.ended_at is not None and step.ended_at - last.ended_at < 4 * SLACK

    # What follows from them.

    def _waits(self, step: Step, tries: Sequence[Try]) -> tuple[Wait, ...]:
        found = [
            Wait(before.ended_at, after.started_at or after.ended_at, after.started_at is None)
            for before, after in pairwise(tries)
            if before.ended_at is not None
            and ((after.started_at or after.ended_at or before.ended_at) > before.ended_at)
        ]
        last = tries[-1] if tries else None
        if last is None or last.state in ("done", "running") or last.ended_at is None:
            return tuple(found)
        if step.state in ("pending", "retrying"):
            running = next((a for a in self.attempts if a.outcome == "running"), None)
            again = running.started_at if running and running.started_at > last.ended_at else None
            found.append(Wait(last.ended_at, again))
        elif step.state == "unfinished":
            end = attempt_end(None, self.attempts, self.over)
            if end is not None and end > last.ended_at:
                found.append(Wait(last.ended_at, end))
        return tuple(found)

    def _more(self, step: Step, tries: Sequence[Try], spans: Sequence[Span]) -> bool:
        """Return whether tries may be missing."""
        if not spans and (not self.attempts or self._attempts_missing(step)):
            return any(_is_failure(event) for event in step.events)
        if step.started_at is None:
            return False
        tried = {one.attempt for one in tries}
        end = step.ended_at or attempt_end(None, self.attempts, self.over)
        for attempt in self.attempts:
            over = attempt_end(attempt, self.attempts, self.over)
            before = over is not None and over <= step.started_at
            after = end is not None and attempt.started_at >= end
            if before or after or attempt.number in tried:
                continue
            if attempt.outcome in _WITHOUT_FAILED_TRY:
                continue
            index, _ = self.failures.get(attempt.number, (None, None))
            # Its end was not recorded, or its error may be one of this step.
            unnamed = index is None and (attempt.outcome != "failed" or not spans)
            if unnamed or index == step.index:
                return True
        return False

    def _attempt(self, step: Step, tries: Sequence[Try]) -> int | None:
        """Return the attempt in which the step ended, or ran last."""
        if tries and tries[-1].attempt is not None:
            return tries[-1].attempt
        found = attempt_at(self.attempts, step.ended_at or step.started_at)
        return found.number if found else None


def _span_state(step: Step, span: Span) -> TryState:
    if span.lost:
        return "lost"
    if span.status == "error":
        return "failed"
    if span.end is None or not span.end_received:
        return "running" if span.end is None else "interrupted"
    return "interrupted" if is_set(span.attributes.get(INTERRUPTED)) else "done"
