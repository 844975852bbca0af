"""Spans in exported form: joined to their attempt, without the exceptions that Restate uses."""

from __future__ import annotations

import time
import uuid
from typing import Any

from opentelemetry.sdk.trace import Event, ReadableSpan, Span
from opentelemetry.trace import SpanContext, Status, StatusCode

from playhead_tracing.attempt import Attempt, SpanRecord
from playhead_tracing.attributes import (
    ATTEMPT_NUMBER,
    ATTEMPT_SPAN_ID,
    COMMANDS,
    CONVERSATION_ID,
    INTERRUPTED,
    INVOCATION_ID,
    LOGICAL_SPAN_ID,
    PENDING,
    REPLAYED,
    SESSION_ID,
)
from playhead_tracing.lazy_spans import LazySpan

_AGENT_SPAN = "invoke_agent"
"""First word of the name of an agent's span."""
_CONVERSATIONS = uuid.UUID("5b0c8f0e-6f0a-4a39-9c43-2f8b1d1f7a55")
_ATTEMPT_ATTRIBUTES = (ATTEMPT_SPAN_ID, ATTEMPT_NUMBER)


def finished_span(
    attempt: Attempt, record: SpanRecord, span: ReadableSpan, interruption: BaseException | None
) -> ReadableSpan:
    """Return a span that ended, in exported form.

    Args:
        attempt: Attempt of the span.
        record: Record of the span.
        span: The ended span.
        interruption: The exception with which Restate ended the span; None if it did not.
    """
    current: Any = span.attributes
    attributes: dict[str, Any] = current.copy()
    attributes.update(attempt.attributes)
    _add_session(attributes, attempt, record)
    attributes[LOGICAL_SPAN_ID] = record.logical_id()
    if record.commands:
        attributes[COMMANDS] = tuple(record.commands)
    if record.received_before or (not record.replayed and attempt.replaying):
        attributes[REPLAYED] = True
    if interruption is None and not attempt.history.carried:
        # The SDK creates this object for the end of the span only, so changing it is safe.
        mutable: Any = span
        mutable._attributes = attributes
        mutable._parent = _parent(attempt, record, span)
        return span
    context, parent, start_time = span.get_span_context(), None, span.start_time
    carried = attempt.history.carried.get(record.logical_id()) if attempt.history.carried else None
    if carried is not None:
        begun: Any = carried.span
        context, parent, start_time = begun.context, begun.parent, begun.start_time
        attributes.update({k: v for k, v in begun.attributes.items() if k in _ATTEMPT_ATTRIBUTES})
        del attempt.history.carried[record.logical_id()]
    else:
        parent = _parent(attempt, record, span)
    status, events = span.status, span.events
    if interruption is not None:
        attributes[INTERRUPTED] = True
        status, events = _agent_error(record.error, events, span.end_time)
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


def _add_session(attributes: dict[str, Any], attempt: Attempt, record: SpanRecord) -> None:
    """Add `session.id`, and make the conversation's id equal in every attempt.

    Pydantic AI makes up a conversation's id, a UUID of version 7, in every attempt. Ids that the
    app passes, or that come from a message history, are kept.
    """
    if attempt.session:
        attributes.setdefault(SESSION_ID, attempt.session)
    conversation = attributes.get(CONVERSATION_ID)
    if isinstance(conversation, str) and _made_at(conversation) >= attempt.started_millis:
        agent = record
        while agent.parent is not None and not agent.name.startswith(_AGENT_SPAN):
            agent = agent.parent
        seed = f"{attempt.attributes[INVOCATION_ID]}/{agent.logical_id()}"
        attributes[CONVERSATION_ID] = str(uuid.uuid5(_CONVERSATIONS, seed))


def _made_at(text: str) -> int:
    """Return when a UUID of version 7 was made, in milliseconds since 1970; 0 for other text."""
    if len(text) != 36 or text[14] != "7":
        return 0
    try:
        return int(text[:8] + text[9:13], 16)
    except ValueError:
        return 0


def open_span(attempt: Attempt, record: SpanRecord, span: Span, *, ended: bool) -> ReadableSpan:
    """Return an open span in exported form.

    Args:
        attempt: Attempt of the span.
        record: Record of the span.
        span: The open span.
        ended: True to end the span here as interrupted, False to mark it as pending.
    """
    now = span.peek() if isinstance(span, LazySpan) else span
    attributes: dict[str, Any] = dict(now.attributes or {})
    attributes.update(attempt.attributes)
    _add_session(attributes, attempt, record)
    _add_session(attributes, attempt, record)
    attributes[LOGICAL_SPAN_ID] = record.logical_id()
    if record.commands:
        attributes[COMMANDS] = tuple(record.commands)
    attributes[INTERRUPTED if ended else PENDING] = True
    if record.received_before:
        attributes[REPLAYED] = True
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


def _parent(attempt: Attempt, record: SpanRecord, span: ReadableSpan) -> SpanContext | None:
    """Return the nearest exported span above."""
    parent, above = span.parent, record.parent
    if attempt.history.carried and above is not None:
        carried = attempt.history.carried.get(above.logical_id())
        if carried is not None:
            return carried.span.get_span_context()
    if above is not None and above.exported is False:
        while above is not None and above.exported is False:
            above = above.parent
        parent = (above and above.context) or attempt.parent
    if parent is not None and parent.span_id == attempt.parent.span_id:
        return attempt.parent if attempt.parent_exported else None
    return parent


def _agent_error(
    error: BaseException | None, events: Any, time: int | None
) -> tuple[Status, list[Event]]:
    """Return status and events of an interrupted span, with the error of the agent if any."""
    own_events = [event for event in events if event.name != "exception"]
    if error is None:
        return Status(StatusCode.UNSET), own_events
    name = type(error).__qualname__
    own_events.append(
        Event(
            "exception",
            {"exception.type": name, "exception.message": str(error), "exception.escaped": "True"},
            timestamp=time,
        )
    )
    return Status(StatusCode.ERROR, f"{name}: {error}"), own_events
