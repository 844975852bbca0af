"""One journal entry: its payload, its result, and the ids that pair it with other entries."""

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
from playhead.values import as_dict, json_or_text

__all__ = [
    "Payload",
    "completion_id",
    "content_of",
    "has_payload",
    "is_awakeable",
    "is_cancel",
    "payload_bytes",
    "payload_of",
    "result_completion_id",
    "run_result",
    "signal_id",
]

_WITHOUT_PAYLOAD = frozenset(
    {
        "Command: Run", "Command: Sleep", "Command: GetLazyState", "Command: GetLazyStateKeys",
        "Command: ClearState", "Command: ClearAllState", "Command: GetPromise",
        "Command: PeekPromise", "Notification: Sleep", "Notification: CallInvocationId",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Payload:
    """The decoded payload of an entry."""

    value: Any = None
    failure: str | None = None
    """Terminal error, as `[code] message`."""


def has_payload(row: JournalRow) -> bool:
    """Return whether `raw` has more content than the other columns."""
    return row.version >= 2 and row.entry_type not in _WITHOUT_PAYLOAD


def result_completion_id(row: JournalRow) -> int | None:
    """Return the completion id of a command's result; None for commands without result."""
    for name in ("result_completion_id", "completion_id"):
        if isinstance(number := row.lite.get(name), int):
            return number
    return None


def completion_id(row: JournalRow) -> int | None:
    """Return the completion id that a notification completes; None for signals."""
    number = as_dict(row.lite.get("id")).get("CompletionId")
    return number if isinstance(number, int) else None


def signal_id(row: JournalRow) -> int | str | None:
    """Return the index or name of the signal that a notification carries."""
    ids = as_dict(row.lite.get("id"))
    return ids.get("SignalIndex", ids.get("SignalName"))


def is_awakeable(index: int | str | None) -> bool:
    """Return whether a signal of this index completes an awakeable."""
    return isinstance(index, int) and index >= FIRST_AWAKEABLE_SIGNAL


def is_cancel(index: int | str | None) -> bool:
    """Return whether a signal of this index cancels the invocation."""
    return index == CANCEL_SIGNAL


def payload_of(row: JournalRow, raw: bytes) -> Payload:
    """Decode the payload of an entry; bytes that are not such an entry are returned unchanged."""
    return _decoded(content_of(row, raw))


def content_of(row: JournalRow, raw: bytes) -> Payload | str:
    """Return the payload of an entry, or the text that `json_or_text` decodes to it.

    The value of a large payload is several times as large: nobody else should hold the bytes then.
    """
    try:
        content = _content(parse_entry(row.entry_type, raw))
    except (ProtocolError, UnicodeDecodeError):
        return Payload(value=raw)
    return _text(content)


def payload_bytes(row: JournalRow, raw: bytes) -> bytes | None:
    """Return the payload of an entry as the handler sent or received it; None without one."""
    try:
        message: Any = parse_entry(row.entry_type, raw)
    except ProtocolError:
        return raw
    fields: Mapping[str, Any] = {f.name: value for f, value in message.ListFields()}
    for name in ("value", "completion_value"):
        held: Any = fields.get(name)
        if hasattr(held, "content"):
            return bytes(held.content)
    return bytes(fields["parameter"]) if "parameter" in fields else None


def run_result(raw: bytes) -> Any:
    """Return the decoded result in a "Notification: Run"; None for failures and other bytes."""
    try:
        return _decoded(_text(_content(parse_entry("Notification: Run", raw)))).value
    except (ProtocolError, UnicodeDecodeError):
        return None


def _decoded(content: Payload | str) -> Payload:
    return content if isinstance(content, Payload) else Payload(json_or_text(content))


def _text(content: Payload | bytes) -> Payload | str:
    """Return bytes as text; as they are if they are none."""
    if isinstance(content, Payload):
        return content
    if not content:
        return Payload()
    try:
        return content.decode()
    except UnicodeDecodeError:
        return Payload(content)


def _content(message: Any) -> Payload | bytes:
    """Return the payload in a message, or the bytes that are still to be decoded."""
    fields: Mapping[str, Any] = {f.name: value for f, value in message.ListFields()}
    for name in ("failure", "completion_failure"):
        if name in fields:
            failure = fields[name]
            return Payload(failure=f"[{failure.code}] {failure.message}")
    for name in ("value", "completion_value", "state_keys"):
        if name in fields:
            held = fields[name]
            if hasattr(held, "keys"):
                return Payload([key.decode(errors="replace") for key in held.keys])
            return bytes(held.content)
    if "parameter" in fields:
        return bytes(fields["parameter"])
    return Payload(fields.get("invocation_id"))
