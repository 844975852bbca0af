"""What each attempt of an invocation executed, and how the time after it passed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from playhead.conventions import DEPLOYMENT_ID
from playhead.formatting import duration, failure_line, result_line, seconds_between, step_label
from playhead.model import Attempt, InvocationDetail, Phase, Step, Try

__all__ = ["AttemptContents", "StepExecution", "attempt_contents", "contents_lines"]


@dataclass(frozen=True, slots=True)
class StepExecution:
    """What an attempt did about a step."""

    step: Step
    tries: tuple[Try, ...]
    """Executions of a durable step in this attempt; empty for other steps, or when the step's
    executions were not recorded."""


@dataclass(frozen=True, slots=True)
class AttemptContents:
    """An attempt with its steps."""

    attempt: Attempt
    deployment_id: str | None
    """The deployment that ran it; None until the attempt's span has arrived."""
    executions: tuple[StepExecution, ...]
    """Steps that it executed or appended to the journal, by journal index."""
    after: tuple[Phase, ...]
    """Backoff or suspension from its end to the next attempt."""


def attempt_contents(detail: InvocationDetail) -> tuple[AttemptContents, ...]:
    """Return the attempts in order, each with its steps. Steps that were replayed are left out."""
    spans = {span.span_id: span for span in detail.spans}
    starts = [attempt.started_at for attempt in detail.attempts]
    executed = _executions(detail)
    found: list[AttemptContents] = []
    for place, attempt in enumerate(detail.attempts):
        span = spans.get(attempt.span_id)
        until = starts[place + 1] if place + 1 < len(starts) else None
        after = (
            phase
            for phase in detail.phases
            if phase.kind != "running"
            and phase.started_at >= attempt.started_at
            and (until is None or phase.started_at < until)
        )
        found.append(
            AttemptContents(
                attempt,
                str(span.attributes.get(DEPLOYMENT_ID) or "") or None if span else None,
                tuple(executed[attempt.number]),
                tuple(after),
            )
        )
    return tuple(found)


def _executions(detail: InvocationDetail) -> dict[int, list[StepExecution]]:
    """Return what was executed, by the number of the attempt."""
    found: dict[int, list[StepExecution]] = defaultdict(list)
    for step in sorted(detail.steps, key=lambda step: step.index):
        tries: dict[int, list[Try]] = defaultdict(list)
        for one in step.tries:
            if one.attempt is not None:
                tries[one.attempt].append(one)
        for number, own in tries.items():
            found[number].append(StepExecution(step, tuple(own)))
        if not step.tries and step.attempt is not None and step.kind != "input":
            found[step.attempt].append(StepExecution(step, ()))
    return found


def contents_lines(contents: AttemptContents) -> Iterator[tuple[str, bool]]:
    """Yield what an attempt executed, and how the time after it passed: text, whether it failed."""
    for one in contents.executions:
        result = one.step.error or result_line(one.step)
        label = f"{step_label(one.step)}{f': {failure_line(result)}' if result else ''}"
        if not one.tries:
            state = "" if one.step.state == "done" else f"  {one.step.state}"
            yield f"{label}{state}", one.step.error is not None
        for each in one.tries:
            took = duration(seconds_between(each.started_at, each.ended_at))
            failed = each.state not in ("done", "running")
            words = [step_label(one.step) if failed else label]
            if len(one.step.tries) > 1 or failed:
                words.append(f"try {each.number}")
            words += [each.state if failed or not each.ended_at else "", took]
            text = "  ".join(filter(None, words))
            yield f"{text}: {failure_line(each.error)}" if each.error else text, failed
    for phase in contents.after:
        lasted = duration(seconds_between(phase.started_at, phase.ended_at))
        yield f"{phase.kind} {lasted}" if lasted else f"{phase.kind} until now", False
