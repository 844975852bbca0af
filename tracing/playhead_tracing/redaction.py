"""The hook with which a service keeps values out of exported spans."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Status
from opentelemetry.util.types import AttributeValue

from playhead_tracing.attributes import REDACTED

Redact = Callable[[str, AttributeValue], AttributeValue | None]
"""Takes an attribute's name and value; returns the value to export, or None to leave it out.

It is called for the attributes of spans and of their events, such as `exception.message`, and with
the name `status.message` for the description of a span's error.
"""


def redacted(span: ReadableSpan, redact: Redact) -> ReadableSpan:
    """Return the span with every attribute passed through the hook.

    If the hook raises an exception, the attribute is left out, so an error exposes no value.
    """
    status = span.status
    if status.description is not None:
        text = _value(redact, "status.message", status.description)
        status = Status(status.status_code, None if text is None else str(text))
    attributes = _values(redact, span.attributes)
    changed = [n for n, value in (span.attributes or {}).items() if attributes.get(n) != value]
    if changed:
        attributes[REDACTED] = tuple(changed)
    return ReadableSpan(
        name=span.name,
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        events=[Event(e.name, _values(redact, e.attributes), e.timestamp) for e in span.events],
        links=span.links,
        kind=span.kind,
        status=status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _values(redact: Redact, attributes: Mapping[str, Any] | None) -> dict[str, AttributeValue]:
    values = {name: _value(redact, name, value) for name, value in (attributes or {}).items()}
    return {name: value for name, value in values.items() if value is not None}


def _value(redact: Redact, name: str, value: AttributeValue) -> AttributeValue | None:
    try:
        return redact(name, value)
    except Exception:
        return None
