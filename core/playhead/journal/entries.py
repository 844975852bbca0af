"""What one journal entry says: its result, its payload, the ids that tie it to others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from playhead.restate.protocol import (
    CANCEL_SIGNAL,
    FIRST_AWAKEABLE_SIGNAL,
    ProtocolError,
    parse_entry,
)
from playhead.restate.rows import JournalRow
from playhead.values import as_dict, decode_value

__all__ = [
    "Content",
    "completion_id",
    "content",
    "has_payload",
    "result_id",
    "run_result",
    "signal",
]

_WITHOUT_PAYLOAD = frozenset(
    {
        "Command: Run", "Command: Sleep", "Command: GetLazyState", "Command: GetLazyStateKeys",
        "Command: ClearState", "Command: ClearAllState", "Command: GetPromise",
        "Command: PeekPromise", "Notification: Sleep", "Notification: CallInvocationId",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Content:
    """The payload of an entry, decoded."""

    value: Any = None
    failure: str | None = None
    """`[code] message` of a terminal error."""


def has_payload(row: JournalRow) -> bool:
    """Whether `raw` holds more than what the columns tell anyway."""
    return row.version >= 2 and row.entry_type not in _WITHOUT_PAYLOAD


def result_id(row: JournalRow) -> int | None:
    """The completion id under which a command's result will come; None when none will."""
    for name in ("result_completion_id", "completion_id"):
        if isinstance(found := row.lite.get(name), int):
            return found
    return None


def completion_id(row: JournalRow) -> int | None:
    """The completion id that a notification completes; None for signals."""
    found = as_dict(row.lite.get("id")).get("CompletionId")
    return found if isinstance(found, int) else None


def signal(row: JournalRow) -> int | str | None:
    """The index or name of the signal that a notification brings."""
    ids = as_dict(row.lite.get("id"))
    return ids.get("SignalIndex", ids.get("SignalName"))


def is_awakeable(index: int | str | None) -> bool:
    """Whether a signal of this index completes an awakeable."""
    return isinstance(index, int) and index >= FIRST_AWAKEABLE_SIGNAL


def is_cancel(index: int | str | None) -> bool:
    """Whether a signal of this index asks the invocation to stop."""
    return index == CANCEL_SIGNAL


def content(row: JournalRow, raw: bytes) -> Content:
    """What an entry carries. Bytes that are no such entry are shown as they are."""
    try:
        message = parse_entry(row.entry_type, raw)
        return _content(message)
    except (ProtocolError, UnicodeDecodeError):
        return Content(value=raw)


def run_result(raw: bytes) -> Any:
    """The decoded result in a "Notification: Run"; None for failures and for other bytes."""
    try:
        return _content(parse_entry("Notification: Run", raw)).value
    except (ProtocolError, UnicodeDecodeError):
        return None


def _content(message: Any) -> Content:
    fields: Mapping[str, Any] = {f.name: value for f, value in message.ListFields()}
    for name in ("failure", "completion_failure"):
        if name in fields:
            failure = fields[name]
            return Content(failure=f"[{failure.code}] {failure.message}")
    for name in ("value", "completion_value", "state_keys"):
        if name in fields:
            held = fields[name]
            if hasattr(held, "keys"):
                return Content([key.decode(errors="replace") for key in held.keys])
            return Content(decode_value(held.content))
    if "parameter" in fields:
        return Content(decode_value(fields["parameter"]))
    return Content(fields.get("invocation_id"))
