"""Rows of the recording's spans table as spans."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from playhead.model import Span, SpanEvent
from playhead.restate.rows import parse_json
from playhead.values import as_dict, as_list

__all__ = ["SPAN_COLUMNS", "span"]

SPAN_COLUMNS = (
    "trace_id", "span_id", "parent_span_id", "name", "kind", "service_name", "scope_name",
    "start_unix_nano", "end_unix_nano", "status_code", "status_message", "attributes", "events",
    "invocation_id",
)  # fmt: skip

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def span(row: Mapping[str, Any]) -> Span:
    """A row of `spans`."""
    return Span(
        trace_id=str(row["trace_id"]),
        span_id=str(row["span_id"]),
        parent_span_id=row.get("parent_span_id") or None,
        name=str(row.get("name") or ""),
        kind=str(row.get("kind") or ""),
        service_name=str(row.get("service_name") or ""),
        scope_name=str(row.get("scope_name") or ""),
        start=_nano(row.get("start_unix_nano")) or _EPOCH,
        end=_nano(row.get("end_unix_nano")),
        status=_status(row.get("status_code")),
        status_message=str(row.get("status_message") or ""),
        attributes=parse_json(row.get("attributes")),
        events=tuple(_event(as_dict(event)) for event in _list(row.get("events"))),
        invocation_id=row.get("invocation_id"),
    )


def _nano(value: object) -> datetime | None:
    """A time in nanoseconds since 1970; datetimes keep microseconds."""
    nanoseconds = int(str(value)) if value else 0
    try:
        return _EPOCH + timedelta(microseconds=nanoseconds // 1000) if nanoseconds > 0 else None
    except OverflowError:
        return None


def _status(code: object) -> Literal["unset", "ok", "error"]:
    word = str(code or "").lower()
    if word.endswith("error") or word == "2":
        return "error"
    return "ok" if word.endswith("ok") or word == "1" else "unset"


def _list(value: object) -> list[Any]:
    try:
        return as_list(json.loads(value) if isinstance(value, str) else value)
    except ValueError:
        return []


def _event(event: Mapping[str, Any]) -> SpanEvent:
    at = event.get("time_unix_nano") or event.get("timeUnixNano")
    return SpanEvent(
        name=str(event.get("name") or ""),
        at=_nano(at) or _EPOCH,
        attributes=as_dict(event.get("attributes")),
    )
