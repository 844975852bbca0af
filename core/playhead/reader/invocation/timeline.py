"""The timeline: attempts, with nested steps and spans, ordered by time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from playhead.conventions import (
    ATTEMPT_SPAN,
    INTERRUPTED,
    REPLAYED,
    SERVER_MARKS,
    SERVER_SERVICE,
    is_set,
)
from playhead.formatting import duration
from playhead.model import Attempt, Span, Step, StepState, TimelineRow
from playhead.reader.invocation.executed_time import executed, gaps_between, total
from playhead.reader.invocation.open_spans import attempt_end, attempt_of
from playhead.reader.invocation.requesters import requesting_spans

__all__ = ["WAITING", "timeline"]

WAITING = ("sleep", "awakeable", "promise", "call", "signal", "attach")
"""Kinds of steps during which the handler only waits."""
AWAITED = "end not received yet"
LOST = "lost with the process"
COPIED = "copied"
NOISE = timedelta(milliseconds=100)
"""Times of two processes that differ by less are not worth a remark."""

_NOTES = {REPLAYED: "replayed", INTERRUPTED: "interrupted"}
_NEVER = datetime.max.replace(tzinfo=UTC)
_ATTEMPT_STATES: Mapping[str, StepState] = {
    "completed": "done", "suspended": "done", "failed": "failed", "interrupted": "interrupted",
    "terminal error": "failed", "cancelled": "interrupted", "killed": "interrupted",
    "end not recorded": "lost",
    "running": "pending",
}  # fmt: skip


@dataclass(slots=True)
class _Node:
    row: TimelineRow
    at: datetime
    children: list[_Node] = field(default_factory=lambda: list[_Node]())


def timeline(
    steps: Sequence[Step],
    attempts: Sequence[Attempt],
    spans: Sequence[Span],
    executions: Mapping[int, Sequence[Span]],
    over: datetime | None = None,
    restarted_at: datetime | None = None,
) -> tuple[TimelineRow, ...]:
    """Return the rows, parents before children, siblings by time.

    A durable step and the span of its last execution share a row in the attempt in which the step
    ended, or ran last; its bar has all tries. Earlier executions are rows of the attempts in which
    they ran. Steps without a span are children of the span that issued them, if the tracing bridge
    told it, or else of their attempt. Server spans that only mark a moment are left out. No row of
    an ended invocation is open, or ends later than it.

    Args:
        steps: The journal's steps.
        attempts: The invocation's attempts; empty without a store.
        spans: Its spans.
        executions: The spans that executed each step, by its journal index.
        over: The end of the invocation; None while it has not ended.
        restarted_at: When a restart created the invocation, else None. Entries that it copied from
            the original have the times of the original; they are shown at this time instead.
    """
    return _Builder(steps, attempts, spans, executions, over, restarted_at).rows()


class _Builder:
    def __init__(
        self,
        steps: Sequence[Step],
        attempts: Sequence[Attempt],
        spans: Sequence[Span],
        executions: Mapping[int, Sequence[Span]],
        over: datetime | None,
        restarted_at: datetime | None,
    ) -> None:
        self.restarted_at = restarted_at
        self.steps = {step.index: step for step in steps if step.type == "Command: Run"}
        self.other_steps = [step for step in steps if step.type != "Command: Run"]
        self.attempts = attempts
        self.over = over
        self.requesters = requesting_spans(spans)
        self.spans = {
            s.span_id: s
            for s in spans
            if not (
                s.service_name == SERVER_SERVICE
                and s.name.startswith((ATTEMPT_SPAN, *SERVER_MARKS))
            )
        }
        self.hidden = {s.span_id for s in spans} - set(self.spans)
        self.by_attempt = {a.span_id: a for a in attempts if a.span_id}
        self.executed = executed(list(self.spans.values()), attempts)
        self.merged = {found[-1].span_id: index for index, found in executions.items() if found}
        self.tries = {
            span.span_id: number
            for found in executions.values()
            for number, span in enumerate(found[:-1], 1)
        }

    def rows(self) -> tuple[TimelineRow, ...]:
        nodes = {id_: self._span_node(span) for id_, span in self.spans.items()}
        tops = {a.number: _Node(self._attempt_row(a), a.started_at) for a in self.attempts}
        roots = list(tops.values())
        for id_, span in self.spans.items():
            self._place(span, nodes[id_], nodes, tops, roots)
        merged = set(self.merged.values())
        without_span = [step for index, step in self.steps.items() if index not in merged]
        for step in [*self.other_steps, *without_span]:
            row = self._step_row(step, None)
            node = _Node(row, row.started_at or row.ended_at or _NEVER)
            # Input and signals come from outside, between attempts or before them.
            inside = tops.get(step.attempt or 0) if step.command_index else None
            above = nodes.get(self._requester(step)) or inside
            (above.children if above else roots).append(node)
        rows: list[TimelineRow] = []
        reached: set[int] = set()
        _flatten(roots, 0, rows, reached)
        for node in sorted(nodes.values(), key=lambda node: node.at):
            if id(node) not in reached:  # no root reaches a cycle of parents
                node.row = _noted(node.row, "cycle")
                _flatten([node], 0, rows, reached)
        return tuple(_explained(rows))

    def _requester(self, step: Step) -> str:
        """Return the id of the span that issued a command, in the attempt in which it ended."""
        spans = self.requesters.get(step.command_index or 0, ())
        begun = [s for s in spans if step.ended_at is None or s.start <= step.ended_at]
        return (begun[-1] if begun else spans[0]).span_id if spans else ""

    def _place(
        self,
        span: Span,
        node: _Node,
        nodes: Mapping[str, _Node],
        tops: Mapping[int, _Node],
        roots: list[_Node],
    ) -> None:
        parent = span.parent_span_id
        if parent and parent in nodes:
            nodes[parent].children.append(node)
        elif parent and parent in self.by_attempt:
            tops[self.by_attempt[parent].number].children.append(node)
        else:
            attempt = self._attempt(span)
            if parent and parent not in self.hidden:
                # Spans arrive when they end, so the parent of one in a running attempt follows.
                is_open = attempt is not None and attempt.outcome == "running"
                node.row = _noted(node.row, "parent still open" if is_open else "orphan")
            (tops[attempt.number].children if attempt else roots).append(node)

    def _attempt(self, span: Span) -> Attempt | None:
        found = attempt_of(span, self.attempts)
        return found if found and found.span_id in self.by_attempt else None

    def _span_node(self, span: Span) -> _Node:
        if span.span_id in self.merged:
            step = self.steps[self.merged[span.span_id]]
            return _Node(self._step_row(step, span), span.start)
        attempt = self._attempt(span)
        work = self.executed[span.span_id]
        notes = [f"try {self.tries[span.span_id]}"] if span.span_id in self.tries else []
        notes += [note for name, note in _NOTES.items() if is_set(span.attributes.get(name))]
        if not span.end_received:
            notes.append(LOST if span.lost else AWAITED)
        elif work.note:
            notes.append(work.note)
        row = TimelineRow(
            key=f"span:{span.span_id}",
            depth=0,
            kind="span",
            label=span.name,
            started_at=span.start,
            ended_at=work.end,
            state=_span_state(span),
            attempt=attempt.number if attempt else None,
            span=span,
            gaps=gaps_between(work.parts),
            ran=total(work.parts),
            note=", ".join(notes) or None,
        )
        return _Node(self._within(row), span.start)

    def _step_row(self, step: Step, span: Span | None) -> TimelineRow:
        failed = [t for t in step.tries if t.state not in ("done", "running") and t.ended_at]
        row = TimelineRow(
            key=step_key(step),
            depth=0,
            kind="step",
            label=step.name,
            started_at=step.began_at,
            ended_at=step.ended_at,
            state=step.state,
            attempt=step.attempt,
            step=step,
            span=span,
            failed_tries=tuple(
                (t.started_at or t.ended_at, t.ended_at) for t in failed if t.ended_at
            ),
            gaps=tuple((wait.started_at, wait.ended_at) for wait in step.waits),
            ran=_step_seconds(step),
            note=_step_note(step),
        )
        return self._within(self._since_restart(row))

    def _since_restart(self, row: TimelineRow) -> TimelineRow:
        """Return the row, with entries that a restart copied at the time of the restart."""
        since = self.restarted_at
        if since is None or row.started_at is None or row.started_at >= since:
            return row
        if row.ended_at is None or row.ended_at >= since:
            return _changed(row, started_at=since)
        row = _changed(row, started_at=since, ended_at=since, failed_tries=(), gaps=(), ran=None)
        return _noted(row, COPIED, last=True)

    def _within(self, row: TimelineRow) -> TimelineRow:
        """Return the row, cut at the end of the invocation."""
        if self.over is None:
            return row
        late = row.ended_at - self.over if row.ended_at else timedelta()
        if late > NOISE:
            row = _noted(row, f"ends {_seconds(late)} after the invocation", last=True)
        started = row.started_at
        if started and row.ended_at and started <= self.over and row.ended_at <= self.over:
            return row
        return _changed(
            row,
            started_at=min(started, self.over) if started else None,
            ended_at=min(row.ended_at or self.over, self.over) if started else row.ended_at,
        )

    def _attempt_row(self, attempt: Attempt) -> TimelineRow:
        row = TimelineRow(
            key=f"attempt:{attempt.number}",
            depth=0,
            kind="attempt",
            label=f"attempt {attempt.number}: {attempt.outcome}",
            started_at=attempt.started_at,
            ended_at=attempt_end(attempt, self.attempts, self.over),
            state=_ATTEMPT_STATES.get(attempt.outcome, "done"),
            attempt=attempt.number,
            note="interrupted" if attempt.outcome == "interrupted" else None,
        )
        return self._within(row)


def step_key(step: Step) -> str:
    """Return the key of a step's row: its journal index, or the id of an awakeable.

    An awakeable has an id before the journal has an entry for it.
    """
    return f"step:{step.awakeable_id if step.kind == 'awakeable' else step.index}"


def _span_state(span: Span) -> StepState:
    if span.lost:
        return "lost"
    if span.end is None or not span.end_received:
        return "pending"
    if span.status == "error":
        return "failed"
    return "interrupted" if is_set(span.attributes.get(INTERRUPTED)) else "done"


def _step_seconds(step: Step) -> float | None:
    """Return the seconds that a step executed: the sum of its tries."""
    if any(t.state == "running" for t in step.tries):
        return None
    parts = [(t.started_at, t.ended_at) for t in step.tries]
    if not parts or any(start is None or end is None for start, end in parts):
        return None
    return total([(start, end) for start, end in parts if start and end])


def _step_note(step: Step) -> str | None:
    notes: list[str] = []
    if len(step.tries) > 1 or step.more_tries:
        notes.append(f"{'≥ ' if step.more_tries else ''}{len(step.tries)} tries")
    if step.note:
        notes.append(step.note)
    elif step.kind in ("awakeable", "promise") and step.started_at and step.ended_at:
        waited = (step.ended_at - step.started_at).total_seconds()
        if step.kind == "awakeable" or step.notification_index is not None:
            about = "about " if step.start_estimated else ""
            notes.append(f"waited {about}{duration(waited)} for an answer")
    return ", ".join(notes) or None


def _explained(rows: Sequence[TimelineRow]) -> list[TimelineRow]:
    """Return the rows, with a note on each that ends later than its parent."""
    found: list[TimelineRow] = []
    above: list[TimelineRow] = []
    for row in rows:
        del above[row.depth :]
        parent = above[-1] if above else None
        end = parent.ended_at if parent else None
        if parent and end and _outlasts(row, end):
            what = f"attempt {parent.attempt}" if parent.kind == "attempt" else parent.label
            if row.ended_at is None or (row.step and row.step.kind in WAITING):
                row = _noted(row, f"continues after {what}", last=True)
            else:
                row = _noted(row, f"ends {_seconds(row.ended_at - end)} after {what}", last=True)
        above.append(row)
        found.append(row)
    return found


def _outlasts(row: TimelineRow, end: datetime) -> bool:
    """Return whether a row executes beyond its parent's end; storing a result takes time, too."""
    last = row.step.tries[-1] if row.step and row.step.tries else None
    stopped = last.ended_at if last and last.state == "done" else row.ended_at
    return row.ended_at is None or stopped is None or stopped - end > NOISE


def _seconds(time: timedelta) -> str:
    return duration(time.total_seconds())


def _noted(row: TimelineRow, note: str, *, last: bool = False) -> TimelineRow:
    notes = (row.note, note) if last else (note, row.note)
    return _changed(row, note=", ".join(filter(None, notes)))


def _changed(row: TimelineRow, **values: object) -> TimelineRow:
    """Set values of a row that nobody else has yet: its copies take half of the time of a trace."""
    for name, value in values.items():
        object.__setattr__(row, name, value)
    return row


def _flatten(
    siblings: Sequence[_Node], depth: int, rows: list[TimelineRow], reached: set[int]
) -> None:
    """Append the rows depth first, without recursion: a trace may be deeper than the stack."""

    def ordered(nodes: Sequence[_Node]) -> list[_Node]:
        return sorted(nodes, key=lambda n: (n.at, _rank(n.row)), reverse=True)

    stack = [(node, depth) for node in ordered(siblings)]
    while stack:
        node, level = stack.pop()
        if id(node) in reached:
            continue
        reached.add(id(node))
        rows.append(_changed(node.row, depth=level))
        stack.extend((child, level + 1) for child in ordered(node.children))


def _rank(row: TimelineRow) -> tuple[int, int, str]:
    """Return the order among rows with the same start: attempts, steps by index, spans."""
    kinds = {"attempt": 0, "step": 1, "span": 2}
    index = row.step.index if row.step else 0
    return kinds[row.kind], index if index >= 0 else 1 << 31, row.key
