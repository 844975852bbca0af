"""The hook by which a service keeps what it must from leaving in spans."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Status
from opentelemetry.util.types import AttributeValue

Redact = Callable[[str, AttributeValue], AttributeValue | None]
"""Given an attribute's name and value, the value to export, or None to leave the attribute out.

Asked for the attributes of spans and of their events (`exception.message` among them), and as
`status.message` for the text of a span's error.
"""

REDACTED = "playhead.redacted"
"""Names of a span's attributes that are not what they were: nobody should compare them."""


def redacted(span: ReadableSpan, redact: Redact) -> ReadableSpan:
    """The span with every attribute put through the hook.

    A hook that raises must not let the value through: the attribute is left out then.
    """
    status = span.status
    if status.description is not None:
        text = _ask(redact, "status.message", status.description)
        status = Status(status.status_code, None if text is None else str(text))
    attributes = _all(redact, span.attributes)
    changed = [n for n, value in (span.attributes or {}).items() if attributes.get(n) != value]
    if changed:
        attributes[REDACTED] = tuple(changed)
    return ReadableSpan(
        name=span.name,
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        events=[Event(e.name, _all(redact, e.attributes), e.timestamp) for e in span.events],
        links=span.links,
        kind=span.kind,
        status=status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _all(redact: Redact, attributes: Mapping[str, Any] | None) -> dict[str, AttributeValue]:
    kept = {name: _ask(redact, name, value) for name, value in (attributes or {}).items()}
    return {name: value for name, value in kept.items() if value is not None}


def _ask(redact: Redact, name: str, value: AttributeValue) -> AttributeValue | None:
    try:
        return redact(name, value)
    except Exception:
        return None
