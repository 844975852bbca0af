"""The span processor around the exporting ones, which passes on the spans that ran, each once."""

from __future__ import annotations

import asyncio
import sys
import weakref
from functools import partial
from time import time_ns
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.trace import SpanContext, StatusCode

from playhead_tracing.attempt import Attempt, SpanRecord, Step, current_attempt
from playhead_tracing.decision import Decision, causes, decide, interruption_of
from playhead_tracing.exported_spans import finished_span, open_span
from playhead_tracing.history import Carried, History
from playhead_tracing.lazy_spans import LazySpan
from playhead_tracing.pending_spans import Pending
from playhead_tracing.redaction import Redact, redacted

FLUSH_MILLIS = 1500
CARRY_SECONDS = 30.0
"""Time that an interrupted span waits for the next attempt to continue it."""


class BridgeProcessor(SpanProcessor):
    """A processor that decides about each span of an attempt at its end; others pass unchanged."""

    def __init__(
        self,
        inner: SpanProcessor,
        *,
        redact: Redact | None = None,
        pending: SpanExporter | None = None,
    ) -> None:
        """Wrap the exporting processors.

        Args:
            inner: Receives start and end of every span that ran. The start of a span that may be
                a repeat is delayed until it is known to be new, since Logfire sends spans at start.
            redact: Called for every attribute before it is exported.
            pending: Sends open spans to a target that replaces them at their end.
        """
        self._inner = inner
        self._redact = redact
        self._pending = Pending(pending, self._snapshot) if pending is not None else None
        self.attempts: weakref.WeakSet[Attempt] = weakref.WeakSet()
        self._carriers: weakref.WeakSet[History] = weakref.WeakSet()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Handle the start of a span."""
        attempt = current_attempt.get()
        if attempt is None:
            self._inner.on_start(span, parent_context)
            return
        self._opened(attempt, span, span.name, span.parent, span.attributes, parent_context)

    def opened_lazily(
        self, attempt: Attempt, span: LazySpan, context: Context | None
    ) -> SpanRecord:
        """Handle the start of a lazy span, which the SDK does not report."""
        return self._opened(attempt, span, *span.identity, span.initial_attributes, context)

    def _opened(
        self,
        attempt: Attempt,
        span: Span,
        name: str,
        parent: SpanContext | None,
        attributes: Any,
        parent_context: Context | None,
    ) -> SpanRecord:
        record = attempt.opened(span, name, parent, attributes)
        if attempt.replaying:
            record.on_live = partial(self._inner.on_start, span, parent_context)
        else:
            self._inner.on_start(span, parent_context)
        if self._pending is not None:
            self._pending.opened(attempt, record)
        return record

    def ended_lazily(
        self,
        attempt: Attempt,
        record: SpanRecord,
        span: LazySpan,
        end_time: int | None,
        raised: BaseException | None,
    ) -> None:
        """Handle the end of a lazy span, which the SDK does not report."""
        record.span = None
        if record.exported is None:  # else exported at SIGTERM
            interruption = (
                self._interruption(attempt, record, raised, error=False)
                if raised is not None
                else None
            )
            decision = decide(attempt, record, error=False, interruption=interruption)
            if decision is Decision.DROP:
                record.exported = False
            else:
                ended = span.peek(end_time or time_ns())
                self._settle(attempt, record, ended, decision, interruption, raised)

    @staticmethod
    def _interruption(
        attempt: Attempt, record: SpanRecord, raised: BaseException | None, *, error: bool
    ) -> BaseException | None:
        """Return the exception with which Restate ended a span; None if it did not."""
        if raised is None or id(raised) == record.handled_exception:
            return InterruptedError() if error and attempt.stopping else None
        return interruption_of(attempt, raised)

    def on_end(self, span: ReadableSpan) -> None:
        """Handle the end of a span: export it, drop it, or hold it."""
        context = span.get_span_context()
        assert context is not None
        span_id = context.span_id
        attempt = current_attempt.get()
        record = attempt.records.get(span_id) if attempt is not None else None
        if record is None:
            attempt = next((a for a in list(self.attempts) if span_id in a.records), None)
            record = attempt.records[span_id] if attempt is not None else None
        if attempt is None or record is None:
            self._send(span)
            return
        record.span = None
        if record.exported is not None:  # exported at SIGTERM
            return
        raised = sys.exc_info()[1]
        error = span.status.status_code is StatusCode.ERROR
        interruption = None
        if raised is not None or error:
            interruption = self._interruption(attempt, record, raised, error=error)
        decision = decide(attempt, record, error=error, interruption=interruption)
        if decision is Decision.DROP:
            record.exported = False
        else:
            self._settle(attempt, record, span, decision, interruption, raised)

    def _settle(
        self,
        attempt: Attempt,
        record: SpanRecord,
        span: ReadableSpan,
        decision: Decision,
        interruption: BaseException | None,
        raised: BaseException | None,
    ) -> None:
        ended = finished_span(attempt, record, span, interruption)
        if interruption is not None and record.error is None:
            handles = frozenset(h for h, asker in attempt.undelivered.items() if asker is record)
            if handles and self._carry(attempt, record, Carried(ended, handles)):
                return
        if decision is Decision.HOLD and raised is not None:
            record.exported = False
            attempt.on_hold.append((record, ended, raised))
            return
        if interruption is None and span.status.status_code is not StatusCode.ERROR:
            attempt.history.completed.add(record.logical_id())
        self._export(attempt, record, ended)

    def release(self, attempt: Attempt, error: BaseException) -> None:
        """Export the held spans through which the error that failed the attempt passed."""
        chain = {id(cause) for cause in causes(error)}
        for record, span, raised in attempt.on_hold:
            if id(raised) in chain:
                self._export(attempt, record, span)
        attempt.on_hold.clear()

    def _export(self, attempt: Attempt, record: SpanRecord, span: ReadableSpan) -> None:
        record.exported = True
        if record.span is None and record.context is not None:
            # Its later children keep it as their parent.
            attempt.records.pop(record.context.span_id, None)
        if record.parent is not None:
            attempt.mark_live(record.parent)
        self._send(span)

    def _carry(self, attempt: Attempt, record: SpanRecord, carried: Carried) -> bool:
        """Leave a span to the next attempt; return False outside an event loop."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return False
        record.exported = True
        if record.parent is not None:
            attempt.mark_live(record.parent)
        history, logical_id = attempt.history, record.logical_id()
        history.carried[logical_id] = carried
        self._carriers.add(history)

        def give_up() -> None:
            if history.carried.get(logical_id) is carried:
                self._send(history.carried.pop(logical_id).span)

        loop.call_later(CARRY_SECONDS, give_up)
        return True

    def runs_again(self, attempt: Attempt, step: Step) -> None:
        """Export the span of an earlier, unstored execution of a step that runs again."""
        if attempt.history.carried:
            logical_id = step.record.logical_id()
            carried = attempt.history.carried.get(logical_id)
            if carried is not None and step.handle in carried.handles:
                self._send(attempt.history.carried.pop(logical_id).span)

    def give_up(self, history: History) -> None:
        """Export the interrupted spans of an invocation without further attempts."""
        while history.carried:
            self._send(history.carried.popitem()[1].span)
        self._carriers.discard(history)

    def save(self) -> None:
        """Export all open spans as interrupted, and flush; called when the process ends."""
        for attempt in list(self.attempts):
            for record in reversed(list(attempt.records.values())):
                span = record.span
                if span is not None and record.exported is None and self._is_new(attempt, record):
                    self._export(attempt, record, open_span(attempt, record, span, ended=True))
        for history in list(self._carriers):
            self.give_up(history)
        self._inner.force_flush(FLUSH_MILLIS)

    def _snapshot(self, attempt: Attempt, record: SpanRecord) -> ReadableSpan | None:
        span = record.span
        if span is None or not self._is_new(attempt, record):
            return None
        if record.logical_id() in attempt.history.carried:
            return None
        pending = open_span(attempt, record, span, ended=False)
        return redacted(pending, self._redact) if self._redact is not None else pending

    @staticmethod
    def _is_new(attempt: Attempt, record: SpanRecord) -> bool:
        """Return whether an open span is known to be new."""
        return record.live or not (record.replayed or attempt.replaying)

    def _send(self, span: ReadableSpan) -> None:
        self._inner.on_end(redacted(span, self._redact) if self._redact is not None else span)

    def shutdown(self) -> None:
        """Export all open spans and shut down the exporting processors."""
        self.save()
        if self._pending is not None:
            self._pending.close()
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Flush the exporting processors."""
        return self._inner.force_flush(timeout_millis)
