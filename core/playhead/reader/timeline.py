"""The timeline: attempts, with nested steps and spans, ordered by time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from playhead.conventions import (
    ATTEMPT_SPAN,
    ATTEMPT_SPAN_ID,
    INTERRUPTED,
    REPLAYED,
    SERVER_MARKS,
    SERVER_SERVICE,
    is_set,
)
from playhead.model import Attempt, Span, Step, StepState, TimelineRow
from playhead.reader.attempts import attempt_at
from playhead.reader.executions import failed_tries

__all__ = ["timeline"]

_NOTES = {REPLAYED: "replayed", INTERRUPTED: "interrupted"}
_NEVER = datetime.max.replace(tzinfo=UTC)
_ATTEMPT_STATES: Mapping[str, StepState] = {
    "completed": "done", "suspended": "done", "failed": "failed", "interrupted": "failed",
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
) -> tuple[TimelineRow, ...]:
    """Return the rows, parents before children, siblings by time.

    A durable step and the span of its first execution share a row in the attempt that started the
    step; its bar ends with the result. Later executions are rows of the attempts in which they ran.
    Steps without a span are children of their attempt. Server spans that only mark a moment are
    left out.

    Args:
        steps: The journal's steps.
        attempts: The invocation's attempts; empty without a store.
        spans: Its spans.
        executions: The spans that executed each step, by its journal index.
    """
    return _Builder(steps, attempts, spans, executions).rows()


class _Builder:
    def __init__(
        self,
        steps: Sequence[Step],
        attempts: Sequence[Attempt],
        spans: Sequence[Span],
        executions: Mapping[int, Sequence[Span]],
    ) -> None:
        self.steps = steps
        self.attempts = attempts
        self.executions = executions
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
        self.merged = {found[0].span_id: index for index, found in executions.items() if found}
        self.tries = {
            span.span_id: number
            for found in executions.values()
            for number, span in enumerate(found, 1)
            if number > 1
        }

    def rows(self) -> tuple[TimelineRow, ...]:
        nodes = {id_: self._span_node(span) for id_, span in self.spans.items()}
        tops = {a.number: _Node(_attempt_row(a), a.started_at) for a in self.attempts}
        roots = list(tops.values())
        for id_, span in self.spans.items():
            self._place(span, nodes[id_], nodes, tops, roots)
        with_span = set(self.merged.values())
        for step in self.steps:
            if step.index in with_span and step.type == "Command: Run":
                continue
            node = _Node(self._step_row(step, None), step.started_at or step.ended_at or _NEVER)
            attempt = attempt_at(self.attempts, step.started_at)
            # Input and signals come from outside, between attempts or before them.
            inside = attempt if step.command_index else None
            (tops[inside.number].children if inside else roots).append(node)
        rows: list[TimelineRow] = []
        reached: set[int] = set()
        _flatten(roots, 0, rows, reached)
        for node in sorted(nodes.values(), key=lambda node: node.at):
            if id(node) not in reached:  # no root reaches a cycle of parents
                node.row = _noted(node.row, "cycle")
                _flatten([node], 0, rows, reached)
        return tuple(rows)

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
            if parent and parent not in self.hidden:
                node.row = _noted(node.row, "orphan")
            attempt = self._attempt(span)
            (tops[attempt.number].children if attempt else roots).append(node)

    def _attempt(self, span: Span) -> Attempt | None:
        return self.by_attempt.get(str(span.attributes.get(ATTEMPT_SPAN_ID)))

    def _span_node(self, span: Span) -> _Node:
        if span.span_id in self.merged:
            index = self.merged[span.span_id]
            step = next(s for s in self.steps if s.index == index)
            return _Node(self._step_row(step, span), min(step.started_at or span.start, span.start))
        attempt = self._attempt(span)
        notes = [f"try {self.tries[span.span_id]}"] if span.span_id in self.tries else []
        notes += [note for name, note in _NOTES.items() if is_set(span.attributes.get(name))]
        row = TimelineRow(
            key=f"span:{span.span_id}",
            depth=0,
            kind="span",
            label=span.name,
            started_at=span.start,
            ended_at=span.end,
            state="failed" if span.status == "error" else "done" if span.end else "pending",
            attempt=attempt.number if attempt else None,
            span=span,
            note=", ".join(notes) or None,
        )
        return _Node(row, span.start)

    def _step_row(self, step: Step, span: Span | None) -> TimelineRow:
        attempt = attempt_at(self.attempts, step.started_at) if step.command_index else None
        return TimelineRow(
            key=step_key(step),
            depth=0,
            kind="step",
            label=step.name,
            started_at=step.started_at,
            ended_at=step.ended_at,
            state=step.state,
            attempt=attempt.number if attempt else None,
            step=step,
            span=span,
            failed_tries=failed_tries(step, self.executions.get(step.index, ()), self.attempts),
        )


def step_key(step: Step) -> str:
    """Return the key of a step's row: its journal index, or the id of an awakeable.

    An awakeable has an id before the journal has an entry for it.
    """
    return f"step:{step.awakeable_id if step.kind == 'awakeable' else step.index}"


def _attempt_row(attempt: Attempt) -> TimelineRow:
    return TimelineRow(
        key=f"attempt:{attempt.number}",
        depth=0,
        kind="attempt",
        label=f"attempt {attempt.number}: {attempt.outcome}",
        started_at=attempt.started_at,
        ended_at=attempt.ended_at,
        state=_ATTEMPT_STATES[attempt.outcome],
        attempt=attempt.number,
        note="interrupted" if attempt.outcome == "interrupted" else None,
    )


def _noted(row: TimelineRow, note: str) -> TimelineRow:
    return replace(row, note=", ".join(filter(None, (note, row.note))))


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
        rows.append(replace(node.row, depth=level))
        stack.extend((child, level + 1) for child in ordered(node.children))


def _rank(row: TimelineRow) -> tuple[int, int, str]:
    """Return the order among rows with the same start: attempts, steps by index, spans."""
    kinds = {"attempt": 0, "step": 1, "span": 2}
    index = row.step.index if row.step else 0
    return kinds[row.kind], index if index >= 0 else 1 << 31, row.key
