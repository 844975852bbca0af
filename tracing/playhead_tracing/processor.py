"""The span processor around the exporting ones: what ran goes through, once."""

from __future__ import annotations

import asyncio
import sys
import weakref
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import SpanContext, Status, StatusCode

from playhead_tracing.attempt import Attempt, Record, Step, current_attempt
from playhead_tracing.history import Carried, History
from playhead_tracing.verdict import Verdict, causes, cut_off, judge

CARRY_SECONDS = 30.0
"""How long a span waits for the next attempt to go on with it."""

_OF_THE_ATTEMPT = ("playhead.attempt.span_id", "playhead.attempt.number")


class BridgeProcessor(SpanProcessor):
    """Decides at the end of every span of an attempt; spans outside attempts pass unchanged."""

    def __init__(self, inner: SpanProcessor) -> None:
        """Wrap the processors that export.

        Args:
            inner: gets every start, and the end of every span that really ran.
        """
        self.inner = inner
        self.attempts: weakref.WeakSet[Attempt] = weakref.WeakSet()
        self._carriers: weakref.WeakSet[History] = weakref.WeakSet()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """A span opened."""
        attempt = current_attempt.get()
        if attempt is not None:
            attempt.opened(span)
        self.inner.on_start(span, parent_context)

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
            self.inner.on_end(span)
            return
        record.span = None
        raised = sys.exc_info()[1]
        if raised is not None and id(raised) == record.handling:
            raised = None
        error = span.status.status_code is StatusCode.ERROR
        cut = None
        if raised is not None or (error and attempt.stopping):
            cut = cut_off(attempt, raised) if raised is not None else InterruptedError()
        logical_id = record.logical_id()
        verdict = judge(attempt, record, logical_id, error=error, cut=cut)
        if verdict is Verdict.DROP:
            record.kept = False
            return
        finished = _finished(attempt, record, span, cut)
        if cut is not None and record.error is None:
            handles = frozenset(h for h, asker in attempt.unread.items() if asker is record)
            if handles and self._carry(attempt, record, Carried(finished, handles)):
                return
        if verdict is Verdict.HOLD and raised is not None:
            record.kept = False
            attempt.held.append((record, finished, raised))
            return
        if cut is None and not error:
            attempt.history.completed.add(logical_id)
        self._export(attempt, record, finished)

    def release(self, attempt: Attempt, error: BaseException) -> None:
        """The attempt failed with a real error: the spans that it went through are exported."""
        chain = {id(cause) for cause in causes(error)}
        for record, span, raised in attempt.held:
            if id(raised) in chain:
                self._export(attempt, record, span)
        attempt.held.clear()

    def _export(self, attempt: Attempt, record: Record, span: ReadableSpan) -> None:
        record.kept = True
        if record.parent is not None:
            attempt.work(record.parent)
        self.inner.on_end(span)

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
                self.inner.on_end(history.carried.pop(logical_id).span)

        loop.call_later(CARRY_SECONDS, give_up)
        return True

    def runs_again(self, attempt: Attempt, step: Step) -> None:
        """A step runs. If it ran before, unstored, the span it ran in then is one of its own."""
        if attempt.history.carried:
            logical_id = step.record.logical_id()
            carried = attempt.history.carried.get(logical_id)
            if carried is not None and step.handle in carried.handles:
                self.inner.on_end(attempt.history.carried.pop(logical_id).span)

    def give_up(self, history: History) -> None:
        """Nobody will go on with an invocation's carried spans: export them as they are."""
        while history.carried:
            self.inner.on_end(history.carried.popitem()[1].span)
        self._carriers.discard(history)

    def shutdown(self) -> None:
        """Shut down the exporting processors."""
        for history in list(self._carriers):
            self.give_up(history)
        self.inner.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Flush the exporting processors."""
        return self.inner.force_flush(timeout_millis)


def _finished(
    attempt: Attempt, record: Record, span: ReadableSpan, cut: BaseException | None
) -> ReadableSpan:
    """The span as it is exported: joined to the attempt, without echoes of Restate's own doing."""
    given: Any = span.attributes
    attributes: dict[str, Any] = given.copy()
    attributes.update(attempt.attributes)
    attributes["playhead.logical_span_id"] = record.logical_id()
    if record.repeated or (not record.touched and attempt.replaying):
        attributes["playhead.replayed"] = True
    context, parent, start_time = span.get_span_context(), None, span.start_time
    carried = attempt.history.carried.get(record.logical_id()) if attempt.history.carried else None
    if carried is not None:
        begun: Any = carried.span
        context, parent, start_time = begun.context, begun.parent, begun.start_time
        attributes.update({k: v for k, v in begun.attributes.items() if k in _OF_THE_ATTEMPT})
        del attempt.history.carried[record.logical_id()]
    else:
        parent = _parent(attempt, record, span)
    status, events = span.status, span.events
    if cut is not None:
        attributes["playhead.interrupted"] = True
        status, events = _true_error(record.error, events, span.end_time)
    return ReadableSpan(
        name=span.name,
        context=context,
        parent=parent,
        resource=span.resource,
        attributes=attributes,
        events=events,
        links=span.links,
        kind=span.kind,
        status=status,
        start_time=start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _parent(attempt: Attempt, record: Record, span: ReadableSpan) -> SpanContext | None:
    """The nearest span above that is exported."""
    parent, above = span.parent, record.parent
    if attempt.history.carried and above is not None:
        carried = attempt.history.carried.get(above.logical_id())
        if carried is not None:
            return carried.span.get_span_context()
    if above is not None and above.kept is False:
        while above is not None and above.kept is False:
            above = above.parent
        parent = (above and above.context) or attempt.parent
    if parent is not None and parent.span_id == attempt.parent.span_id:
        return attempt.parent if attempt.parent_exported else None
    return parent


def _true_error(
    error: BaseException | None, events: Any, time: int | None
) -> tuple[Status, list[Event]]:
    """Status and events of a span that was cut off: without the SDK's exception, with the real."""
    kept = [event for event in events if event.name != "exception"]
    if error is None:
        return Status(StatusCode.UNSET), kept
    name = type(error).__qualname__
    kept.append(
        Event(
            "exception",
            {"exception.type": name, "exception.message": str(error), "exception.escaped": "True"},
            timestamp=time,
        )
    )
    return Status(StatusCode.ERROR, f"{name}: {error}"), kept
