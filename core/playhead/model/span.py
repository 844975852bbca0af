"""Spans of the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

__all__ = ["Span", "SpanEvent"]


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """An event on a span."""

    name: str
    at: datetime
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Span:
    """A span, finished or pending."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    kind: str
    service_name: str
    scope_name: str
    start: datetime
    end: datetime | None
    """None while the span is pending."""
    status: Literal["unset", "ok", "error"]
    status_message: str
    attributes: Mapping[str, Any]
    events: tuple[SpanEvent, ...] = ()
    invocation_id: str | None = None
    """Its own `restate.invocation.id`, or that of the nearest ancestor that has one."""
    instance: str | None = None
    """`service.instance.id` of its resource: the process that sent it."""
    end_received: bool = True
    """Whether `end` was received, or is None. False when it is the end of the attempt instead."""
    lost: bool = False
    """Whether the end was not received and no longer will be: its process died."""
    truncated: bool = False
    """Whether long attributes, such as prompts and answers, and most events were left out, because
    the trace is large; see `Reader.spans`."""
