"""Invocations and spans from rows of the server's and the store's tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from playhead.conventions import INSTANCE_ID
from playhead.model import Invocation, Origin, Span, SpanEvent, status_of
from playhead.restate.rows import parse_json, parse_time
from playhead.values import as_dict, as_int, as_list, as_text

__all__ = ["SPAN_COLUMNS", "SharedTexts", "invocation_of", "span_of"]

SPAN_COLUMNS = (
    "trace_id", "span_id", "parent_span_id", "name", "kind", "service_name", "scope_name",
    "start_unix_nano", "end_unix_nano", "status_code", "status_message", "attributes", "events",
    "invocation_id", f"""resource->>'$."{INSTANCE_ID}"' AS instance""",
)  # fmt: skip
"""The columns of the store's `spans` that `span_of` reads."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def invocation_of(row: Mapping[str, Any], origin: Origin) -> Invocation:
    """Return the invocation in a row of sys_invocation or of the store's copy, without counts."""
    return Invocation(
        id=str(row["id"]),
        target=str(row.get("target") or ""),
        service=str(row.get("target_service_name") or ""),
        handler=str(row.get("target_handler_name") or ""),
        key=as_text(row.get("target_service_key")),
        status=status_of(row),
        created_at=parse_time(row.get("created_at")) or _EPOCH,
        modified_at=parse_time(row.get("modified_at")),
        completed_at=parse_time(row.get("completed_at")),
        retry_count=as_int(row.get("retry_count")),
        last_failure=as_text(row.get("last_failure")) or as_text(row.get("completion_failure")),
        next_retry_at=parse_time(row.get("next_retry_at")),
        scheduled_for=parse_time(row.get("scheduled_start_at")),
        invoked_by=as_text(row.get("invoked_by_id")),
        restarted_from=as_text(row.get("restarted_from")),
        trace_id=as_text(row.get("trace_id")),
        deployment_id=as_text(row.get("pinned_deployment_id"))
        or as_text(row.get("last_attempt_deployment_id")),
        cluster=as_text(row.get("cluster")),
        origin=origin,
    )


class SharedTexts(dict[str, str]):
    """Texts that spans of a trace have in common: each is in memory once."""

    LONGEST = 100
    LONGEST_SHARED = 1000
    MOST_SHARED = 1000

    def __init__(self) -> None:
        super().__init__()
        self._attributes: dict[str, Mapping[str, Any]] = {}

    def of(self, value: Any) -> Any:
        """Return an equal text that was seen before, else the value itself."""
        if isinstance(value, str) and len(value) <= self.LONGEST:
            return self.setdefault(value, value)
        return value

    def attributes(self, value: object) -> Mapping[str, Any]:
        """Return the attributes in a JSON text; short texts that are equal share them."""
        text = value if isinstance(value, str) else ""
        if (known := self._attributes.get(text)) is not None:
            return known
        shared, longest = self.setdefault, self.LONGEST
        found: dict[str, Any] = {}
        for name, one in parse_json(value).items():  # `of` for each takes twice as long
            if type(one) is str and len(one) <= longest:
                one = shared(one, one)
            found[shared(name, name) if len(name) <= longest else name] = one
        if text and len(text) <= self.LONGEST_SHARED and len(self._attributes) < self.MOST_SHARED:
            self._attributes[text] = found
        return found

    def text(self, value: object) -> str:
        """Return the value as a text; None is an empty one."""
        found: str = self.of(str(value or ""))
        return found


def span_of(
    row: Mapping[str, Any], texts: SharedTexts, *, outline: Mapping[str, Any] | None = None
) -> Span:
    """Return the span in a row of the store's `spans`.

    Args:
        row: The row.
        texts: Texts of the spans that are read together.
        outline: Its attributes if it is an outline; see `Span.truncated`.
    """
    return Span(
        trace_id=texts.text(row["trace_id"]),
        span_id=texts.text(row["span_id"]),
        parent_span_id=texts.of(row.get("parent_span_id")) or None,
        name=texts.text(row.get("name")),
        kind=texts.text(row.get("kind")),
        service_name=texts.text(row.get("service_name")),
        scope_name=texts.text(row.get("scope_name")),
        start=_time(row.get("start_unix_nano")) or _EPOCH,
        end=_time(row.get("end_unix_nano")),
        status=_span_status(row.get("status_code")),
        status_message=str(row.get("status_message") or ""),
        attributes=texts.attributes(row.get("attributes")) if outline is None else outline,
        events=tuple(_event(as_dict(event)) for event in _list(row.get("events"))),
        invocation_id=texts.of(row.get("invocation_id")),
        instance=texts.of(as_text(row.get("instance"))),
        truncated=outline is not None,
    )


def _time(value: object) -> datetime | None:
    """Return a time from nanoseconds since 1970, rounded down to microseconds."""
    nanoseconds = int(str(value)) if value else 0
    try:
        return _EPOCH + timedelta(microseconds=nanoseconds // 1000) if nanoseconds > 0 else None
    except OverflowError:
        return None


def _span_status(code: object) -> Literal["unset", "ok", "error"]:
    word = str(code or "")
    return "error" if word == "error" else "ok" if word == "ok" else "unset"


def _list(value: object) -> list[Any]:
    if value == "[]":  # most spans have no events
        return []
    try:
        return as_list(json.loads(value) if isinstance(value, str) else value)
    except ValueError:
        return []


def _event(event: Mapping[str, Any]) -> SpanEvent:
    return SpanEvent(
        name=str(event.get("name") or ""),
        at=_time(event.get("time_unix_nano")) or _EPOCH,
        attributes=as_dict(event.get("attributes")),
    )
