"""Restate's service protocol, versions 5 to 7: wire types, journal entry types, and messages.

`playhead.restate.protocol.service_protocol_pb2` has the generated message classes. It is imported
when the first message is parsed, so importing this package does not import protobuf.

`playhead.journal` interprets the messages of a journal.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = [
    "CANCEL_SIGNAL",
    "ENTRY_TYPES",
    "FIRST_AWAKEABLE_SIGNAL",
    "MESSAGE_NAMES",
    "ProtocolError",
    "entry_type",
    "parse",
    "parse_entry",
]

CANCEL_SIGNAL = 1
"""Index of the signal that cancels an invocation."""

FIRST_AWAKEABLE_SIGNAL = 17
"""Signals from this index on complete awakeables."""

_CONTROL = (
    "Start", "Suspension", "Error", "End", "CommandAck", "ProposeRunCompletion", "AwaitingOn",
    "ProposeRunCompletionAck",
)  # fmt: skip
_COMMANDS = (
    "Input", "Output", "GetLazyState", "SetState", "ClearState", "ClearAllState",
    "GetLazyStateKeys", "GetEagerState", "GetEagerStateKeys", "GetPromise", "PeekPromise",
    "CompletePromise", "Sleep", "Call", "OneWayCall", "SendSignal", "Run", "AttachInvocation",
    "GetInvocationOutput", "CompleteAwakeable",
)  # fmt: skip
_COMMAND_CODES = dict(zip(_COMMANDS, (*range(0x400, 0x40F), *range(0x410, 0x415)), strict=True))
_COMPLETIONS = (
    "GetLazyState", "GetLazyStateKeys", "GetPromise", "PeekPromise", "CompletePromise", "Sleep",
    "Call", "Run", "AttachInvocation", "GetInvocationOutput",
)  # fmt: skip
_COMPLETION_CODES = {name: 0x7C00 + _COMMAND_CODES[name] for name in _COMPLETIONS}
_CALL_INVOCATION_ID = 0x800E
_SIGNAL = 0xFBFF

ENTRY_TYPES: dict[str, int] = {
    **{f"Command: {name}": code for name, code in _COMMAND_CODES.items()},
    **{f"Notification: {name}": code for name, code in _COMPLETION_CODES.items()},
    "Notification: CallInvocationId": _CALL_INVOCATION_ID,
    "Notification: Signal": _SIGNAL,
}
"""Wire type of every journal entry, by its `entry_type` in sys_journal."""

MESSAGE_NAMES: dict[int, str] = {
    **{code: f"{name}Message" for code, name in enumerate(_CONTROL)},
    **{code: f"{name}CommandMessage" for name, code in _COMMAND_CODES.items()},
    **dict.fromkeys(_COMPLETION_CODES.values(), "CompletionNotificationMessage"),
    _CALL_INVOCATION_ID: "CompletionNotificationMessage",
    _SIGNAL: "SignalNotificationMessage",
}
"""Name of the message class of every wire type."""

_ENTRY_TYPES_BY_CODE = {code: name for name, code in ENTRY_TYPES.items()}


class ProtocolError(Exception):
    """Bytes are not the expected message; the text names the message and the reason."""


def entry_type(code: int) -> str | None:
    """Return the sys_journal `entry_type` of a wire type; None for control messages."""
    return _ENTRY_TYPES_BY_CODE.get(code)


def parse(code: int, data: bytes) -> Any:
    """Parse the message of a wire type, such as 0x411 for RunCommandMessage.

    A text field that is not UTF-8 reads as bytes.

    Raises:
        ProtocolError: The wire type is unknown, or the bytes are not its message.
    """
    message_class = _message_classes().get(code)
    if message_class is None:
        raise ProtocolError(f"No message of the service protocol has type {code:#06x}")
    try:
        return message_class.FromString(data)
    except _decode_errors() as error:
        raise ProtocolError(f"{len(data)} bytes are not a {MESSAGE_NAMES[code]}") from error


def parse_entry(kind: str, data: bytes) -> Any:
    """Parse the message of a journal entry, given its `entry_type` and `raw` of sys_journal.

    Raises:
        ProtocolError: The entry type is unknown, or the bytes are not such an entry.
    """
    code = ENTRY_TYPES.get(kind)
    if code is None:
        raise ProtocolError(f"The service protocol has no journal entry of type {kind!r}")
    return parse(code, data)


@cache
def _message_classes() -> dict[int, type[Message]]:
    from playhead.restate.protocol import service_protocol_pb2

    return {code: getattr(service_protocol_pb2, name) for code, name in MESSAGE_NAMES.items()}


@cache
def _decode_errors() -> tuple[type[Exception], ...]:
    from google.protobuf.message import DecodeError

    return (DecodeError, UnicodeDecodeError)
