"""One attempt of one invocation: its spans, and which of them did new work.

Restate runs a handler again from the start after every failure and suspension. A span is a repeat
if all its results are in the journal and an earlier attempt received all of them: that attempt
exported the span. Every other span is new.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context, get_current
from opentelemetry.sdk.trace import ReadableSpan, Span
from opentelemetry.trace import SpanContext, get_current_span

from playhead_tracing.attributes import TOOL_CALL_ID
from playhead_tracing.history import History

if TYPE_CHECKING:
    from restate.vm import VMWrapper

current_attempt: ContextVar[Attempt | None] = ContextVar("playhead_attempt", default=None)
"""Attempt of the running code."""


MAX_COMMANDS = 1000
"""Number of commands that a span names, which bounds its size."""


class SpanRecord:
    """The bridge's state of one span of an attempt."""

    __slots__ = (
        "_children",
        "_logical",
        "commands",
        "context",
        "error",
        "exported",
        "handled_exception",
        "live",
        "name",
        "on_live",
        "ordinal",
        "parent",
        "received_before",
        "replayed",
        "span",
    )

    def __init__(self, parent: SpanRecord | None, name: str, span: Span | None) -> None:
        self.parent = parent
        self.name = name
        self.span = span
        """The open span; None after its end."""
        self.context = span.get_span_context() if span is not None else None
        self.handled_exception = id(sys.exc_info()[1])
        """Id of the exception that was being handled when the span began."""
        self.live = False
        """Whether this attempt did new work under this span."""
        self.replayed = False
        """Whether work under this span was found in the journal."""
        self.received_before = False
        """Whether an earlier attempt already received a result under this span."""
        self.error: BaseException | None = None
        """The error that failed the attempt, when it occurred under this span."""
        self.exported: bool | None = None
        """Whether the span was exported; None while undecided."""
        self.commands: list[int] | None = None
        """Ordinals of the commands that were issued in this span, durable steps excluded."""
        self.on_live: Callable[[], None] | None = None
        """Called once, when `live` becomes true."""
        self.ordinal: object = 0
        """Distinguishes spans of one name under one parent: a count, or the tool call's id."""
        self._children: dict[str, int] | None = None
        self._logical: str | None = None
        if parent is not None:
            children = parent._children
            if children is None:
                children = parent._children = {}
            self.ordinal = children[name] = children.get(name, 0) + 1

    def logical_id(self) -> str:
        """Return 16 hex digits, equal for this span in every attempt, from its path of names."""
        if self._logical is None:
            above = self.parent.logical_id() if self.parent is not None else ""
            path = f"{above}/{self.name}/{self.ordinal}"
            self._logical = blake2b(path.encode(), digest_size=8).hexdigest()
        return self._logical


@dataclass(frozen=True, slots=True)
class Step:
    """A durable step that was requested and has to run in this attempt."""

    handle: int
    name: str
    command_index: int
    completion_id: Callable[[], int | None]
    context: Context
    record: SpanRecord


class Attempt:
    """The spans and the journal position of one attempt. Only its event loop uses it."""

    def __init__(
        self,
        *,
        invocation_id: str,
        vm: VMWrapper,
        history: History,
        parent: SpanContext,
        parent_exported: bool,
        attributes: dict[str, str | int],
        session: str = "",
        on_work: Callable[[bool], None] | None = None,
    ) -> None:
        """Begin an attempt.

        Args:
            invocation_id: Id of the invocation.
            vm: The SDK's state machine.
            history: State left by earlier attempts of the invocation.
            parent: Span context of the parent of the handler's spans.
            parent_exported: False when `parent` is not exported (no server tracing), so that
                spans directly under it become roots.
            attributes: Attributes of every span of the attempt.
            session: `session.id` of the spans to which the app gives none.
            on_work: Called for every durable unit, with True if it ran now and False if it was
                replayed.
        """
        self.vm = vm
        self.history = history
        self.parent = parent
        self.parent_exported = parent_exported
        self.attributes = attributes
        self.session = session
        self.started_millis = time.time_ns() // 1_000_000
        self.on_work = on_work
        self.root = SpanRecord(None, invocation_id, None)
        self.records: dict[int, SpanRecord] = {}
        self.steps: dict[int, Step] = {}
        self.undelivered: dict[int, SpanRecord] = {}
        """Spans that requested a step with an undelivered result, by handle."""
        self.commands = 0
        """Ordinal of the last command; Input is 0."""
        self.replayed_runs: set[int] = set()
        self.on_hold: list[tuple[SpanRecord, ReadableSpan, BaseException]] = []
        self.suspended = self.broken = self.cancelled = self.over = False
        self._replaying = True
        self._cached_context: Context | None = None
        self._cached_record = self.root

    @property
    def replaying(self) -> bool:
        """Whether the journal has commands that the handler has not reached yet."""
        if self._replaying and (self.over or not self.vm.is_replaying()):
            self._replaying = False  # for the rest of the attempt
        return self._replaying

    @property
    def stopping(self) -> bool:
        """Whether the attempt can do no more work; later errors are only consequences of that."""
        return self.suspended or self.broken or self.cancelled or self.over

    def opened(
        self, span: Span, name: str, parent: SpanContext | None, attributes: Any
    ) -> SpanRecord:
        """Create the record of a new span."""
        above = self.records.get(parent.span_id) if parent is not None else None
        record = SpanRecord(above or self.root, name, span)
        if "tool" in name and attributes and TOOL_CALL_ID in attributes:
            # Parallel tools start in any order, but the model's answer fixes the call ids.
            record.ordinal = attributes[TOOL_CALL_ID]
        self.records[span.get_span_context().span_id] = record
        return record

    def current(self) -> SpanRecord:
        """Return the record of the current span."""
        context = get_current()
        if context is self._cached_context:
            return self._cached_record
        span_id = get_current_span(context).get_span_context().span_id
        record = self.records.get(span_id, self.root)
        self._cached_context, self._cached_record = context, record
        return record

    def issued(self) -> None:
        """Record that the current span issued the last command."""
        record = self.current()
        if record is self.root:
            return
        if record.commands is None:
            record.commands = []
        if len(record.commands) < MAX_COMMANDS:
            record.commands.append(self.commands)

    def mark_live(self, record: SpanRecord | None = None) -> None:
        """Record new work under a span (by default, the current one)."""
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

    def mark_replayed(self) -> None:
        """Record that the current span found a command in the journal."""
        record: SpanRecord | None = self.current()
        while record is not None and not record.replayed:
            record.replayed = True
            record = record.parent

    def deliver(self, handle: int) -> None:
        """Record that the handler received a result, in the current span."""
        history = self.history
        if self.undelivered:
            self.undelivered.pop(handle, None)
        if handle in history.delivered:
            new = False
        else:
            history.delivered.add(handle)
            # An earlier attempt may have run in a process that has ended. It received the results
            # before the journal's end; at the end it received those of its own steps, while other
            # results arrived later.
            new = history.complete or not (handle in self.replayed_runs or self.replaying)
        record = self.current()
        if not new and record is self.root and record.received_before:
            return
        if new:
            self.mark_live(record)
            if self.on_work is not None:
                self.on_work(True)
            return
        # At the journal's end a span may get further than before, so Pydantic AI must not count it
        # as replayed. A model call is an exception: counted as replayed, it leaves its metrics out.
        if (
            record is not self.root
            and self.on_work is not None
            and (self.replaying or record.name.startswith("chat "))
        ):
            self.on_work(False)
        above: SpanRecord | None = record
        while above is not None and not above.received_before:
            above.received_before = above.replayed = True
            above = above.parent

    def fail(self, record: SpanRecord, error: BaseException) -> None:
        """Record the error, raised under this span, that fails the attempt."""
        above: SpanRecord | None = record
        while above is not None:
            above.error = above.error or error
            above = above.parent
