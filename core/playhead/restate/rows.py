"""Rows of the server's tables as typed values, from JSON or Arrow, live or stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

__all__ = [
    "EventRow",
    "JournalRow",
    "event_row",
    "journal_row",
    "parse_bytes",
    "parse_json",
    "parse_time",
]


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One row of sys_journal, without its payload."""

    index: int
    entry_type: str
    """`Command: Run`, `Notification: Run`, …"""
    name: str
    raw_length: int
    version: int
    lite: Mapping[str, Any]
    """Content of `entry_lite_json` below the entry type: ids, keys, targets, kind of result."""
    appended_at: datetime | None
    completed: bool | None
    """Only in journals of version 1; None in others."""
    invoked_id: str | None
    invoked_target: str | None
    wake_at: datetime | None
    promise_name: str | None

    @property
    def is_command(self) -> bool:
        """Whether it is a command of the handler, and not a notification of the server."""
        return self.entry_type.startswith("Command: ")


@dataclass(frozen=True, slots=True)
class EventRow:
    """One row of sys_journal_events."""

    at: datetime
    type: str
    document: Mapping[str, Any]


def journal_row(row: Mapping[str, Any]) -> JournalRow:
    """Parse a row of sys_journal, or of the store's copy of it."""
    entry_type = str(row["entry_type"])
    outer, _, inner = entry_type.partition(": ")
    lite = _within(parse_json(row.get("entry_lite_json")), outer)
    if outer == "Command":
        lite = _within(lite, inner)
    return JournalRow(
        index=int(row["index"]),
        entry_type=entry_type,
        name=str(row.get("name") or ""),
        raw_length=int(row.get("raw_length") or 0),
        version=int(row.get("version") or 1),
        lite=lite,
        appended_at=parse_time(row.get("appended_at")),
        completed=row.get("completed"),
        invoked_id=row.get("invoked_id"),
        invoked_target=row.get("invoked_target"),
        wake_at=parse_time(row.get("sleep_wakeup_at")),
        promise_name=row.get("promise_name"),
    )


def event_row(row: Mapping[str, Any]) -> EventRow:
    """Parse a row of sys_journal_events, or of the store's copy of it."""
    return EventRow(
        at=parse_time(row["appended_at"]) or datetime.fromtimestamp(0, UTC),
        type=str(row["event_type"]),
        document=parse_json(row.get("event_json")),
    )


def parse_time(value: object) -> datetime | None:
    """Return a time in UTC from ISO 8601 text or a datetime (naive means UTC); None if empty."""
    if value is None or value == "":
        return None
    at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def parse_bytes(value: object) -> bytes:
    """Return a binary column as bytes: they are bytes in Arrow and hex text in JSON."""
    if value is None:
        return b""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(cast("bytes", value))
    return bytes.fromhex(str(value))


def parse_json(value: object) -> Mapping[str, Any]:
    """Parse text as a JSON object; empty when it is not one."""
    try:
        document: Any = json.loads(value) if isinstance(value, str | bytes) else value
    except ValueError:
        return {}
    return cast("Mapping[str, Any]", document) if isinstance(document, dict) else {}


def _within(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    inner = document.get(name)
    return cast("Mapping[str, Any]", inner) if isinstance(inner, dict) else {}
