"""One attempt of one invocation: its spans, and which of them did something new.

Restate runs a handler again from the start after every failure and suspension. A span that is
opened again and finds all its results in the journal, received by an earlier attempt already, is
a repeat: it was exported then. Every other span is real.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context, get_current
from opentelemetry.sdk.trace import ReadableSpan, Span
from opentelemetry.trace import SpanContext, get_current_span

from playhead_tracing.history import History

if TYPE_CHECKING:
    from restate.vm import VMWrapper

current_attempt: ContextVar[Attempt | None] = ContextVar("playhead_attempt", default=None)
"""The attempt that the running code belongs to."""

TOOL_CALL_ID = "gen_ai.tool.call.id"


class Record:
    """What the bridge knows of one span of an attempt."""

    __slots__ = (
        "_children",
        "_logical",
        "context",
        "error",
        "handling",
        "kept",
        "live",
        "name",
        "on_live",
        "ordinal",
        "parent",
        "repeated",
        "span",
        "touched",
    )

    def __init__(self, parent: Record | None, name: str, span: Span | None) -> None:
        self.parent = parent
        self.name = name
        self.span = span
        """The open span; None once it ended."""
        self.context = span.get_span_context() if span is not None else None
        self.handling = id(sys.exc_info()[1])
        """The exception that was being handled already when the span began."""
        self.live = False
        """Something under it happened in this attempt for the first time."""
        self.touched = False
        """Something under it was found in the journal."""
        self.repeated = False
        """Something under it was received by an earlier attempt already."""
        self.error: BaseException | None = None
        """Why the attempt failed, when the reason lies under this span."""
        self.kept: bool | None = None
        """Whether it was exported; None while that is open."""
        self.on_live: Callable[[], None] | None = None
        """Called once when `live` becomes true."""
        self.ordinal: object = 0
        """Tells spans of one name under one parent apart: a count, or the tool call's id."""
        self._children: dict[str, int] | None = None
        self._logical: str | None = None
        if parent is not None:
            children = parent._children
            if children is None:
                children = parent._children = {}
            self.ordinal = children[name] = children.get(name, 0) + 1

    def logical_id(self) -> str:
        """16 hex digits, the same for this span in every attempt; the path of names says which."""
        if self._logical is None:
            above = self.parent.logical_id() if self.parent is not None else ""
            path = f"{above}/{self.name}/{self.ordinal}"
            self._logical = blake2b(path.encode(), digest_size=8).hexdigest()
        return self._logical


@dataclass(frozen=True, slots=True)
class Step:
    """A durable step that somebody asked for and that has to run in this attempt."""

    handle: int
    name: str
    command_index: int
    completion_id: Callable[[], int | None]
    context: Context
    record: Record


class Attempt:
    """The spans and the journal position of one attempt; everything happens in its event loop."""

    def __init__(
        self,
        *,
        invocation_id: str,
        vm: VMWrapper,
        history: History,
        parent: SpanContext,
        parent_exported: bool,
        attributes: dict[str, str | int],
        on_work: Callable[[bool], None] | None = None,
    ) -> None:
        """Begin.

        Args:
            invocation_id: Restate's id.
            vm: the SDK's state machine.
            history: what earlier attempts left.
            parent: the span context that the handler's spans go under.
            parent_exported: False when nobody exports `parent` (no server tracing), so that
                spans directly under it become roots.
            attributes: what every span of the attempt carries.
            on_work: told of every durable unit: True when it ran now, False when it was replayed.
        """
        self.vm = vm
        self.history = history
        self.parent = parent
        self.parent_exported = parent_exported
        self.attributes = attributes
        self.on_work = on_work
        self.root = Record(None, invocation_id, None)
        self.records: dict[int, Record] = {}
        self.steps: dict[int, Step] = {}
        self.unread: dict[int, Record] = {}
        """Steps that have run and whose result the handler has not received, by who asked."""
        self.commands = 0
        """Index of the last command; the input is 0."""
        self.replayed_runs: set[int] = set()
        self.held: list[tuple[Record, ReadableSpan, BaseException]] = []
        self.suspended = self.broken = self.cancelled = self.over = False
        self._replaying = True
        self._seen_context: Context | None = None
        self._seen_record = self.root

    @property
    def replaying(self) -> bool:
        """Whether the journal holds commands that the handler has not come to yet."""
        if self._replaying and (self.over or not self.vm.is_replaying()):
            self._replaying = False  # and never again in this attempt
        return self._replaying

    @property
    def stopping(self) -> bool:
        """Whether the attempt can do no more work, so that errors are its echo."""
        return self.suspended or self.broken or self.cancelled or self.over

    def opened(self, span: Span, name: str, parent: SpanContext | None, attributes: Any) -> Record:
        """A span of this attempt started."""
        above = self.records.get(parent.span_id) if parent is not None else None
        record = Record(above or self.root, name, span)
        if "tool" in name and attributes and TOOL_CALL_ID in attributes:
            # Parallel tools begin in any order; the call's id is part of the model's answer.
            record.ordinal = attributes[TOOL_CALL_ID]
        self.records[span.get_span_context().span_id] = record
        return record

    def current(self) -> Record:
        """The record of the span that the running code is in."""
        context = get_current()
        if context is self._seen_context:
            return self._seen_record
        span_id = get_current_span(context).get_span_context().span_id
        record = self.records.get(span_id, self.root)
        self._seen_context, self._seen_record = context, record
        return record

    def work(self, record: Record | None = None) -> None:
        """Something new happened under a span (by default, the current one)."""
        above = record or self.current()
        if record is None and not above.live and self.on_work is not None:
            self.on_work(True)
        while not above.live:
            above.live = True
            if above.on_live is not None:
                above.on_live()
            if above.parent is None:
                break
            above = above.parent

    def touch(self) -> None:
        """The current span found a command in the journal."""
        record: Record | None = self.current()
        while record is not None and not record.touched:
            record.touched = True
            record = record.parent

    def deliver(self, handle: int) -> None:
        """The handler received a result, in the current span."""
        history = self.history
        if self.unread:
            self.unread.pop(handle, None)
        if handle in history.delivered:
            new = False
        else:
            history.delivered.add(handle)
            # Who ran the earlier attempts is gone. A result before the journal's end was received
            # by them; at its end a step's was too, as they ran it, and others came since.
            new = history.complete or not (handle in self.replayed_runs or self.replaying)
        record = self.current()
        if not new and record is self.root and record.repeated:
            return
        if new:
            self.work(record)
            if self.on_work is not None:
                self.on_work(True)
            return
        # Where the journal ends a span may come further than before, so that Pydantic AI must
        # not take it for replayed; except a model call, whose metrics it leaves out by this.
        if (
            record is not self.root
            and self.on_work is not None
            and (self.replaying or record.name.startswith("chat "))
        ):
            self.on_work(False)
        above: Record | None = record
        while above is not None and not above.repeated:
            above.repeated = above.touched = True
            above = above.parent

    def fail(self, record: Record, error: BaseException) -> None:
        """Under this span lies the reason why the attempt fails."""
        above: Record | None = record
        while above is not None:
            above.error = above.error or error
            above = above.parent
