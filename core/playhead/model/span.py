"""Spans as the recorder stores them."""

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
    """A finished or still open span as the recorder holds it."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    kind: str
    service_name: str
    scope_name: str
    start: datetime
    end: datetime | None
    """None while it is open."""
    status: Literal["unset", "ok", "error"]
    status_message: str
    attributes: Mapping[str, Any]
    events: tuple[SpanEvent, ...] = ()
    invocation_id: str | None = None
