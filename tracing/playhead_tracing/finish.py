"""The span as it is exported: joined to its attempt, without echoes of Restate's own doing."""

from __future__ import annotations

import time
from typing import Any

from opentelemetry.sdk.trace import Event, ReadableSpan, Span
from opentelemetry.trace import SpanContext, Status, StatusCode

from playhead_tracing.attempt import Attempt, Record
from playhead_tracing.lazy import LazySpan

_OF_THE_ATTEMPT = ("playhead.attempt.span_id", "playhead.attempt.number")


def finished(
    attempt: Attempt, record: Record, span: ReadableSpan, cut: BaseException | None
) -> ReadableSpan:
    """A span that ended.

    Args:
        attempt: the attempt it belongs to.
        record: what the bridge knows of it.
        span: the span as it ended.
        cut: the exception by which Restate ended it, if so.
    """
    given: Any = span.attributes
    attributes: dict[str, Any] = given.copy()
    attributes.update(attempt.attributes)
    attributes["playhead.logical_span_id"] = record.logical_id()
    if record.repeated or (not record.touched and attempt.replaying):
        attributes["playhead.replayed"] = True
    if cut is None and not attempt.history.carried:
        # The SDK makes this object for the end of the span alone: nobody else has it.
        known: Any = span
        known._attributes = attributes
        known._parent = _parent(attempt, record, span)
        return span
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


def open_span(attempt: Attempt, record: Record, span: Span, *, ended: bool) -> ReadableSpan:
    """A span that is still open, as it is now.

    Args:
        attempt: the attempt it belongs to.
        record: what the bridge knows of it.
        span: the span.
        ended: True to give it up as cut off here, False to call it pending.
    """
    now = span.peek() if isinstance(span, LazySpan) else span
    attributes: dict[str, Any] = dict(now.attributes or {})
    attributes.update(attempt.attributes)
    attributes["playhead.logical_span_id"] = record.logical_id()
    attributes["playhead.interrupted" if ended else "playhead.pending"] = True
    if record.repeated:
        attributes["playhead.replayed"] = True
    return ReadableSpan(
        name=now.name,
        context=now.get_span_context(),
        parent=_parent(attempt, record, span),
        resource=now.resource,
        attributes=attributes,
        events=now.events,
        links=now.links,
        kind=now.kind,
        status=now.status,
        start_time=now.start_time,
        end_time=time.time_ns() if ended else None,
        instrumentation_scope=now.instrumentation_scope,
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
