"""Rows of sys_invocation as summaries."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast, get_args

from playhead.model import Invocation, Origin, Status
from playhead.restate.rows import parse_time
from playhead.values import as_int, as_text

__all__ = ["summary"]

_ENDINGS: Mapping[str, Status] = {"[409] killed": "killed", "[409] cancelled": "cancelled"}
_STATUSES = frozenset(get_args(Status))


def summary(row: Mapping[str, Any], origin: Origin) -> Invocation:
    """A row of sys_invocation, or of the recording's copy of it, without counts."""
    status = _status(row)
    created = parse_time(row.get("created_at")) or datetime.fromtimestamp(0, UTC)
    return Invocation(
        id=str(row["id"]),
        target=str(row.get("target") or ""),
        service=str(row.get("target_service_name") or ""),
        handler=str(row.get("target_handler_name") or ""),
        key=as_text(row.get("target_service_key")),
        status=status,
        created_at=created,
        modified_at=parse_time(row.get("modified_at")),
        completed_at=parse_time(row.get("completed_at")),
        retry_count=as_int(row.get("retry_count")),
        last_failure=as_text(row.get("last_failure")) or as_text(row.get("completion_failure")),
        next_retry_at=parse_time(row.get("next_retry_at")),
        invoked_by=as_text(row.get("invoked_by_id")),
        trace_id=as_text(row.get("trace_id")),
        deployment_id=as_text(row.get("pinned_deployment_id"))
        or as_text(row.get("last_attempt_deployment_id")),
        origin=origin,
    )


def _status(row: Mapping[str, Any]) -> Status:
    word = str(row.get("status") or "unknown")
    if word == "completed":
        if row.get("completion_result") != "failure":
            return "succeeded"
        return _ENDINGS.get(str(row.get("completion_failure")), "failed")
    return cast("Status", word) if word in _STATUSES else "unknown"
