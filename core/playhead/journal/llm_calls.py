"""Which LLM calls an invocation made: its spans and the answers in its journal, each call once.

A call can be shown several times: by the span of the framework and by that of the provider's
client below it, by the journal, and again by the spans of each later attempt, when the agent's
process sends them without the tracing bridge (which leaves repetitions out). A span can also be
missing, when its process was killed. The rules here apply to lists, details, SQL views and counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from playhead.conventions import (
    AGENT_CALL,
    ANSWERED_LLM_CALL,
    ATTEMPT_SPAN,
    ATTEMPT_SPAN_ID,
    COMPLETION_ID,
    EXECUTED_TOOL_CALL,
    LLM_CALL,
    REPLAYED,
    TOOL_CALL,
    TOOL_CALL_IDS,
    TOOL_CALL_NAME,
    SpanRule,
    is_set,
)
from playhead.model import LlmCall
from playhead.values import as_text

__all__ = ["ATTRIBUTES", "Answer", "CallSpan", "Calls", "Duplicate", "call_span", "find_calls"]

Duplicate = Literal["nested", "repeated"]
"""Why a span is not counted: an outer span shows the call, or an earlier attempt made it."""

_Kind = Literal["llm", "tool", "agent", "attempt", "other"]
_RULES: tuple[tuple[_Kind, SpanRule], ...] = (
    ("llm", LLM_CALL),
    ("tool", TOOL_CALL),
    ("agent", AGENT_CALL),
)

ATTRIBUTES = tuple(
    dict.fromkeys(
        (
            *(name for rule in (LLM_CALL, TOOL_CALL, AGENT_CALL) for name in rule.kinds),
            *ANSWERED_LLM_CALL.unset,
            ATTEMPT_SPAN_ID,
            COMPLETION_ID,
            *TOOL_CALL_IDS.names,
            *TOOL_CALL_NAME.names,
        )
    )
)
"""Attributes that `call_span` reads."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of a model in the journal."""

    index: int
    """Journal index of the command."""
    completion_id: int
    at: int
    """When the server appended the result, in microseconds since 1970."""
    copied: bool = False
    """Whether a restart copied it from the journal of another invocation."""
    content: LlmCall | None = None


class CallSpan(NamedTuple):
    """A span, reduced to what tells calls apart; a tuple, because recorders make many."""

    span_id: str
    parent_id: str | None
    kind: _Kind
    start: int
    """In microseconds since 1970."""
    end: int | None
    succeeded: bool = False
    """Whether a model answered, or the tool returned, and the span is not marked as replayed."""
    completion_id: int | None = None
    """Of the durable step that the span executed; None for other spans."""
    attempt_id: str | None = None
    """Span id of the attempt, from the tracing bridge; None for spans without the bridge."""
    tool: str = ""
    call_id: str | None = None
    content: LlmCall | None = None

    @property
    def needs_content(self) -> bool:
        """Whether only its content shows that a replay repeated it."""
        return self.kind == "llm" and self.succeeded and self.attempt_id is None


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls of an invocation: answered spans without `duplicates`, and `without_span`."""

    duplicates: Mapping[str, Duplicate] = field(default_factory=dict[str, Duplicate])
    """Spans of LLM calls and tools that are not counted, by span id."""
    without_span: tuple[Answer, ...] = ()
    """Answers in the journal that no counted span shows, copied ones included."""


def call_span(
    *,
    span_id: str,
    parent_id: str | None,
    name: str,
    start: int,
    end: int | None,
    status: str,
    attributes: Mapping[str, Any],
) -> CallSpan:
    """Return a span as `find_calls` needs it.

    Args:
        span_id: Its id.
        parent_id: Id of its parent.
        name: Its name.
        start: Its start, in microseconds since 1970.
        end: Its end; None while it is pending.
        status: `unset`, `ok` or `error`.
        attributes: Its attributes, at least those of `ATTRIBUTES`, as JSON values or as text.
    """
    kind = _kind(name, attributes)
    succeeded = False
    if kind == "llm":
        succeeded = ANSWERED_LLM_CALL.matches(attributes, ended=end is not None, status=status)
    elif kind == "tool":
        succeeded = EXECUTED_TOOL_CALL.matches(attributes, ended=True, status=status)
    replayed = is_set(attributes.get(REPLAYED))
    return CallSpan(
        span_id=span_id,
        parent_id=parent_id,
        kind=kind,
        start=start,
        end=end,
        succeeded=succeeded,
        completion_id=None if replayed else _number(attributes.get(COMPLETION_ID)),
        attempt_id=as_text(attributes.get(ATTEMPT_SPAN_ID)),
        tool=str(TOOL_CALL_NAME.of(attributes) or "") if kind == "tool" else "",
        call_id=as_text(TOOL_CALL_IDS.of(attributes)) if kind == "tool" else None,
    )


def find_calls(spans: Sequence[CallSpan], answers: Sequence[Answer]) -> Calls:
    """Return which spans are duplicates, and which answers have no counted span.

    Args:
        spans: All spans of one invocation, those of the server's attempts included.
        answers: The answers in its journal, in journal order.
    """
    return _Finder(spans, answers).calls()


class _Finder:
    def __init__(self, spans: Sequence[CallSpan], answers: Sequence[Answer]) -> None:
        self.spans = spans
        self.answers = answers
        self.by_id = {span.span_id: span for span in spans}
        self.attempts = {span.span_id: span.start for span in spans if span.kind == "attempt"}
        self.duplicates: dict[str, Duplicate] = {}
        self.shown: set[int] = set()
        """Journal indexes of the answers that a counted span shows."""

    def calls(self) -> Calls:
        for span in self.spans:
            if span.succeeded and self._is_nested(span):
                self.duplicates[span.span_id] = "nested"
        self._match_steps()
        unbridged = [
            span
            for span in self.spans
            if span.succeeded and span.attempt_id is None and span.span_id not in self.duplicates
        ]
        if unbridged:
            self._match_contents(unbridged)
        return Calls(
            self.duplicates,
            tuple(a for a in self.answers if a.copied or a.index not in self.shown),
        )

    def _ancestors(self, span: CallSpan) -> Iterator[CallSpan]:
        visited = {span.span_id}
        above = self.by_id.get(span.parent_id or "")
        while above is not None and above.span_id not in visited:
            yield above
            visited.add(above.span_id)
            above = self.by_id.get(above.parent_id or "")

    def _is_nested(self, span: CallSpan) -> bool:
        """Return whether a span above shows the same call: another instrumentation sent it."""
        for above in self._ancestors(span):
            if above.kind == "agent" or (above.kind == "tool" and span.kind == "llm"):
                return False
            if above.kind == span.kind == "tool":
                return above.tool == span.tool and above.succeeded
            if above.kind == span.kind == "llm" and above.succeeded:
                return True
        return False

    def _match_steps(self) -> None:
        """Match answers with the spans that the tracing bridge relates to a durable step."""
        by_completion = {answer.completion_id: answer for answer in self.answers}
        for span in self.spans:
            answer = by_completion.get(span.completion_id) if span.completion_id else None
            if answer is None:
                continue
            for above in self._ancestors(span):
                if above.kind in ("tool", "agent"):
                    break
                if above.kind == "llm" and self._counts(above) and self._made(above, answer):
                    self.shown.add(answer.index)
        for span in self.spans:
            if span.kind != "llm" or not self._counts(span):
                continue
            for above in self._ancestors(span):
                if above.kind in ("tool", "agent", "llm"):
                    break
                answer = by_completion.get(above.completion_id) if above.completion_id else None
                if answer and self._made(span, answer):
                    self.shown.add(answer.index)
                    break

    def _counts(self, span: CallSpan) -> bool:
        return span.succeeded and span.span_id not in self.duplicates

    def _made(self, span: CallSpan, answer: Answer) -> bool:
        """Return whether the span's attempt is the one that appended the answer.

        An earlier try may have been answered too, before its process was killed.
        """
        if answer.copied:
            return False
        started = self.attempts.get(span.attempt_id or "")
        return started is None or not any(
            started < other <= answer.at for other in self.attempts.values()
        )

    def _match_contents(self, unbridged: Sequence[CallSpan]) -> None:
        """Recognize the spans that later attempts repeat, by the answers that they found."""
        groups: dict[str, list[CallSpan]] = defaultdict(list)
        for span in unbridged:
            groups[self._attempt_of(span)].append(span)
        starts = {
            id_: self.attempts.get(id_, min(span.start for span in group))
            for id_, group in groups.items()
        }
        tools_done: set[tuple[str, str | None]] = set()
        for id_ in sorted(groups, key=lambda id_: (starts[id_], id_)):
            certain = id_ in self.attempts
            until = min(
                (start for start in self.attempts.values() if start > starts[id_]), default=None
            )
            before = [
                a
                for a in self.answers
                if a.copied or a.at <= starts[id_] or (not certain and a.index in self.shown)
            ]
            group = sorted(groups[id_], key=lambda span: (span.start, span.span_id))
            repeated_until = self._match_group(group, before, until)
            for span in group:
                if span.kind != "tool":
                    continue
                key = (span.tool, span.call_id)
                if key in tools_done and (span.end or repeated_until + 1) <= repeated_until:
                    self.duplicates[span.span_id] = "repeated"
            tools_done |= {(s.tool, s.call_id) for s in group if s.kind == "tool"}

    def _match_group(
        self, group: Sequence[CallSpan], before: list[Answer], until: int | None
    ) -> int:
        """Match one attempt's LLM calls; return the start of the last repetition.

        Args:
            group: The attempt's spans in order of start.
            before: Answers that the journal had when the attempt started.
            until: Start of the next attempt.
        """
        repeated_until = 0
        earlier = {answer.index for answer in before}
        for span in group:
            if span.kind != "llm":
                continue
            repeated = next((a for a in before if _same(span.content, a.content)), None)
            if repeated is not None:
                before.remove(repeated)
                self.duplicates[span.span_id] = "repeated"
                repeated_until = span.start
                continue
            for answer in self.answers:
                new = answer.index not in self.shown and answer.index not in earlier
                if (
                    new
                    and (until is None or answer.at < until)
                    and _same(span.content, answer.content)
                ):
                    self.shown.add(answer.index)
                    break
        return repeated_until

    def _attempt_of(self, span: CallSpan) -> str:
        """Return the id of the attempt above a span, or else of its uppermost ancestor."""
        top = span
        for above in self._ancestors(span):
            if above.kind == "attempt":
                return above.span_id
            top = above
        return top.span_id


def _kind(name: str, attributes: Mapping[str, Any]) -> _Kind:
    if name.startswith(ATTEMPT_SPAN):
        return "attempt"
    for kind, rule in _RULES:
        if rule.matches(attributes, ended=True, status="unset"):
            return kind
    return "other"


def _number(value: object) -> int | None:
    try:
        return int(value) if isinstance(value, int | str) else None
    except ValueError:
        return None


def _same(span: LlmCall | None, journaled: LlmCall | None) -> bool:
    """Return whether a span and a journaled answer agree in everything that both have."""
    if span is None or journaled is None:
        return True
    if span.response_id and journaled.response_id:
        return span.response_id == journaled.response_id
    if span.tokens and journaled.tokens and span.tokens != journaled.tokens:
        return False
    return not span.response or _said(span) == _said(journaled)


def _said(call: LlmCall) -> tuple[Any, ...]:
    return call.text, [(tool.name, tool.arguments or None) for tool in call.tool_calls]
