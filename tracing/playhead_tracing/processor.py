"""The span processor around the exporting ones: what ran goes through, once."""

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

from playhead_tracing.attempt import Attempt, Record, Step, current_attempt
from playhead_tracing.finish import finished, open_span
from playhead_tracing.history import Carried, History
from playhead_tracing.lazy import LazySpan
from playhead_tracing.pending import Pending
from playhead_tracing.redaction import Redact, redacted
from playhead_tracing.verdict import Verdict, causes, cut_off, judge

FLUSH_MILLIS = 1500
CARRY_SECONDS = 30.0
"""How long a span waits for the next attempt to go on with it."""


class BridgeProcessor(SpanProcessor):
    """Decides at the end of every span of an attempt; spans outside attempts pass unchanged."""

    def __init__(
        self,
        inner: SpanProcessor,
        *,
        redact: Redact | None = None,
        pending: SpanExporter | None = None,
    ) -> None:
        """Wrap the processors that export.

        Args:
            inner: gets the start and end of every span that really ran. The start of a span that
                may be a repeat comes when it is known to be none; Logfire sends spans at start.
            redact: asked for every attribute before it leaves.
            pending: sends open spans to a target that replaces them when they end.
        """
        self._inner = inner
        self._redact = redact
        self._pending = Pending(pending, self._snapshot) if pending is not None else None
        self.attempts: weakref.WeakSet[Attempt] = weakref.WeakSet()
        self._carriers: weakref.WeakSet[History] = weakref.WeakSet()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """A span opened."""
        attempt = current_attempt.get()
        if attempt is None:
            self._inner.on_start(span, parent_context)
            return
        self._opened(attempt, span, span.name, span.parent, span.attributes, parent_context)

    def opened_lazily(self, attempt: Attempt, span: LazySpan, context: Context | None) -> Record:
        """A lazy span opened, of which the SDK does not tell."""
        return self._opened(attempt, span, *span.identity, span.given, context)

    def _opened(
        self,
        attempt: Attempt,
        span: Span,
        name: str,
        parent: SpanContext | None,
        attributes: Any,
        parent_context: Context | None,
    ) -> Record:
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
        record: Record,
        span: LazySpan,
        end_time: int | None,
        raised: BaseException | None,
    ) -> None:
        """A lazy span ended, of which the SDK does not tell."""
        record.span = None
        if record.kept is None:  # else given up at SIGTERM
            cut = self._cut(attempt, record, raised, error=False) if raised is not None else None
            verdict = judge(attempt, record, error=False, cut=cut)
            if verdict is Verdict.DROP:
                record.kept = False
            else:
                ended = span.peek(end_time or time_ns())
                self._settle(attempt, record, ended, verdict, cut, raised)

    @staticmethod
    def _cut(
        attempt: Attempt, record: Record, raised: BaseException | None, *, error: bool
    ) -> BaseException | None:
        """The exception by which Restate ended a span, if so."""
        if raised is None or id(raised) == record.handling:
            return InterruptedError() if error and attempt.stopping else None
        return cut_off(attempt, raised)

    def on_end(self, span: ReadableSpan) -> None:
        """A span ended: export it, drop it, or hold it."""
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
        if record.kept is not None:  # given up at SIGTERM
            return
        raised = sys.exc_info()[1]
        error = span.status.status_code is StatusCode.ERROR
        cut = None
        if raised is not None or error:
            cut = self._cut(attempt, record, raised, error=error)
        verdict = judge(attempt, record, error=error, cut=cut)
        if verdict is Verdict.DROP:
            record.kept = False
        else:
            self._settle(attempt, record, span, verdict, cut, raised)

    def _settle(
        self,
        attempt: Attempt,
        record: Record,
        span: ReadableSpan,
        verdict: Verdict,
        cut: BaseException | None,
        raised: BaseException | None,
    ) -> None:
        ended = finished(attempt, record, span, cut)
        if cut is not None and record.error is None:
            handles = frozenset(h for h, asker in attempt.unread.items() if asker is record)
            if handles and self._carry(attempt, record, Carried(ended, handles)):
                return
        if verdict is Verdict.HOLD and raised is not None:
            record.kept = False
            attempt.held.append((record, ended, raised))
            return
        if cut is None and span.status.status_code is not StatusCode.ERROR:
            attempt.history.completed.add(record.logical_id())
        self._export(attempt, record, ended)

    def release(self, attempt: Attempt, error: BaseException) -> None:
        """The attempt failed with a real error: the spans that it went through are exported."""
        chain = {id(cause) for cause in causes(error)}
        for record, span, raised in attempt.held:
            if id(raised) in chain:
                self._export(attempt, record, span)
        attempt.held.clear()

    def _export(self, attempt: Attempt, record: Record, span: ReadableSpan) -> None:
        record.kept = True
        if record.span is None and record.context is not None:
            # Its children need no other parent then.
            attempt.records.pop(record.context.span_id, None)
        if record.parent is not None:
            attempt.work(record.parent)
        self._send(span)

    def _carry(self, attempt: Attempt, record: Record, carried: Carried) -> bool:
        """Leave a span to the next attempt; False when nobody could look after it here."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return False
        record.kept = True
        if record.parent is not None:
            attempt.work(record.parent)
        history, logical_id = attempt.history, record.logical_id()
        history.carried[logical_id] = carried
        self._carriers.add(history)

        def give_up() -> None:
            if history.carried.get(logical_id) is carried:
                self._send(history.carried.pop(logical_id).span)

        loop.call_later(CARRY_SECONDS, give_up)
        return True

    def runs_again(self, attempt: Attempt, step: Step) -> None:
        """A step runs. If it ran before, unstored, the span it ran in then is one of its own."""
        if attempt.history.carried:
            logical_id = step.record.logical_id()
            carried = attempt.history.carried.get(logical_id)
            if carried is not None and step.handle in carried.handles:
                self._send(attempt.history.carried.pop(logical_id).span)

    def give_up(self, history: History) -> None:
        """Nobody will go on with an invocation's carried spans: export them as they are."""
        while history.carried:
            self._send(history.carried.popitem()[1].span)
        self._carriers.discard(history)

    def save(self) -> None:
        """The process ends: export what is open, cut off here, and flush."""
        for attempt in list(self.attempts):
            for record in reversed(list(attempt.records.values())):
                span = record.span
                if span is not None and record.kept is None and self._is_real(attempt, record):
                    self._export(attempt, record, open_span(attempt, record, span, ended=True))
        for history in list(self._carriers):
            self.give_up(history)
        self._inner.force_flush(FLUSH_MILLIS)

    def _snapshot(self, attempt: Attempt, record: Record) -> ReadableSpan | None:
        span = record.span
        if span is None or not self._is_real(attempt, record):
            return None
        if record.logical_id() in attempt.history.carried:
            return None
        pending = open_span(attempt, record, span, ended=False)
        return redacted(pending, self._redact) if self._redact is not None else pending

    @staticmethod
    def _is_real(attempt: Attempt, record: Record) -> bool:
        """Whether an open span is known to be no repeat."""
        return record.live or not (record.touched or attempt.replaying)

    def _send(self, span: ReadableSpan) -> None:
        self._inner.on_end(redacted(span, self._redact) if self._redact is not None else span)

    def shutdown(self) -> None:
        """Export what is open and shut down the exporting processors."""
        self.save()
        if self._pending is not None:
            self._pending.close()
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Flush the exporting processors."""
        return self._inner.force_flush(timeout_millis)
