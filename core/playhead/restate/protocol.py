"""Messages of the Restate service protocol, versions 5 to 7.

The `raw` column of sys_journal holds them byte for byte. Source of the field numbers: the
public protocol definition (`dev/restate/service/protocol.proto`, MIT licence).
"""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError, Message

from playhead.restate._schema import build

__all__ = [
    "CANCEL_SIGNAL",
    "CODES",
    "ENTRY_TYPES",
    "FIRST_AWAKEABLE_SIGNAL",
    "MESSAGES",
    "ProtocolError",
    "entry_type",
    "parse",
    "parse_entry",
]

CANCEL_SIGNAL = 1
"""Index of the signal that cancels an invocation."""

FIRST_AWAKEABLE_SIGNAL = 17
"""Signals from this index on complete awakeables."""

_SCHEMA = """
Void:
Value: content 1 bytes
Header: key 1 string, value 2 string
StateKeys: keys 1 bytes*
FailureMetadata: key 1 string, value 2 string
Failure: code 1 uint32, message 2 string, metadata 3 FailureMetadata*
WorkflowTarget: workflow_name 1 string, workflow_key 2 string, scope 3 string
IdempotentRequestTarget: service_name 1 string, service_key 2 string, handler_name 3 string, \
idempotency_key 4 string, scope 5 string
StateEntry: key 1 bytes, value 2 bytes
Future: waiting_completions 1 uint32*, waiting_signals 2 uint32*, waiting_named_signals 3 string*, \
nested_futures 4 Future*, combinator_type 5 uint32

Start: id 1 bytes, debug_id 2 string, known_entries 3 uint32, state_map 4 StateEntry*, \
partial_state 5 bool, key 6 string, retry_count_since_last_stored_entry 7 uint32, \
duration_since_last_stored_entry 8 uint64, random_seed 9 uint64, scope 10 string, \
limit_key 11 string, idempotency_key 12 string
Suspension: waiting_completions 1 uint32*, waiting_signals 2 uint32*, \
waiting_named_signals 3 string*, awaiting_on 4 Future
Error: code 1 uint32, message 2 string, stacktrace 3 string, related_command_index 4 uint32, \
related_command_name 5 string, related_command_type 6 uint32, next_retry_delay 8 uint64, \
behavior 9 uint32
End:
CommandAck: command_index 1 uint32
ProposeRunCompletion: result_completion_id 1 uint32, {value 14 bytes | failure 15 Failure} as result
AwaitingOn: awaiting_on 1 Future, executing_side_effects 2 bool
ProposeRunCompletionAck: completion_id 1 uint32

InputCommand: headers 1 Header*, value 14 Value, name 12 string
OutputCommand: {value 14 Value | failure 15 Failure} as result, name 12 string
GetLazyStateCommand: key 1 bytes, result_completion_id 11 uint32, name 12 string
SetStateCommand: key 1 bytes, value 3 Value, name 12 string
ClearStateCommand: key 1 bytes, name 12 string
ClearAllStateCommand: name 12 string
GetLazyStateKeysCommand: result_completion_id 11 uint32, name 12 string
GetEagerStateCommand: key 1 bytes, {void 13 Void | value 14 Value} as result, name 12 string
GetEagerStateKeysCommand: value 14 StateKeys, name 12 string
GetPromiseCommand: key 1 string, result_completion_id 11 uint32, name 12 string
PeekPromiseCommand: key 1 string, result_completion_id 11 uint32, name 12 string
CompletePromiseCommand: key 1 string, \
{completion_value 2 Value | completion_failure 3 Failure} as completion, \
result_completion_id 11 uint32, name 12 string
SleepCommand: wake_up_time 1 uint64, result_completion_id 11 uint32, name 12 string
CallCommand: service_name 1 string, handler_name 2 string, parameter 3 bytes, headers 4 Header*, \
key 5 string, idempotency_key 6 string, scope 7 string, limit_key 8 string, \
invocation_id_notification_idx 10 uint32, result_completion_id 11 uint32, name 12 string
OneWayCallCommand: service_name 1 string, handler_name 2 string, parameter 3 bytes, \
invoke_time 4 uint64, headers 5 Header*, key 6 string, idempotency_key 7 string, scope 8 string, \
limit_key 9 string, invocation_id_notification_idx 10 uint32, name 12 string
SendSignalCommand: target_invocation_id 1 string, {idx 2 uint32 | name 3 string} as signal_id, \
{void 4 Void | value 5 Value | failure 6 Failure} as result, entry_name 12 string
RunCommand: result_completion_id 11 uint32, name 12 string
AttachInvocationCommand: {invocation_id 1 string | \
idempotent_request_target 3 IdempotentRequestTarget | workflow_target 4 WorkflowTarget} as target, \
result_completion_id 11 uint32, name 12 string
GetInvocationOutputCommand: {invocation_id 1 string | \
idempotent_request_target 3 IdempotentRequestTarget | workflow_target 4 WorkflowTarget} as target, \
result_completion_id 11 uint32, name 12 string
CompleteAwakeableCommand: awakeable_id 1 string, {value 2 Value | failure 3 Failure} as result, \
name 12 string

CompletionNotification: completion_id 1 uint32, {void 4 Void | value 5 Value | failure 6 Failure | \
invocation_id 16 string | state_keys 17 StateKeys} as result
SignalNotification: {idx 2 uint32 | name 3 string} as signal_id, \
{void 4 Void | value 5 Value | failure 6 Failure} as result
"""

MESSAGES: dict[str, Any] = dict(build("playhead.restate.protocol", _SCHEMA.replace("\\\n", "")))
"""Message classes by their protocol name without the ending `Message`.

All notifications but signals share `CompletionNotification`, since they agree in all fields.
"""

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
_CALL_INVOCATION_ID = 0x800E
_SIGNAL = 0xFBFF

ENTRY_TYPES: dict[str, int] = {
    **{f"Command: {name}": code for name, code in _COMMAND_CODES.items()},
    **{f"Notification: {name}": 0x7C00 + _COMMAND_CODES[name] for name in _COMPLETIONS},
    "Notification: CallInvocationId": _CALL_INVOCATION_ID,
    "Notification: Signal": _SIGNAL,
}
"""Wire type of every journal entry, by its `entry_type` in sys_journal."""

CODES: dict[int, str] = {
    **dict(enumerate(_CONTROL)),
    **{code: f"{name}Command" for name, code in _COMMAND_CODES.items()},
    **{0x7C00 + _COMMAND_CODES[name]: "CompletionNotification" for name in _COMPLETIONS},
    _CALL_INVOCATION_ID: "CompletionNotification",
    _SIGNAL: "SignalNotification",
}
"""Message name (a key of `MESSAGES`) of every wire type."""

_NAMES = {code: name for name, code in ENTRY_TYPES.items()}


class ProtocolError(Exception):
    """Bytes are not the message they are said to be; the text says which message and why."""


def entry_type(code: int) -> str | None:
    """The sys_journal `entry_type` of a wire type; None for control messages."""
    return _NAMES.get(code)


def parse(code: int, data: bytes) -> Any:
    """The protobuf message of a wire type, such as 0x411 for RunCommand.

    Raises:
        ProtocolError: no such wire type, or the bytes are not that message.
    """
    name = CODES.get(code)
    if name is None:
        raise ProtocolError(f"No message of the service protocol has type {code:#06x}")
    try:
        message: Message = MESSAGES[name].FromString(data)
    except (DecodeError, UnicodeDecodeError) as error:
        raise ProtocolError(f"{len(data)} bytes are no {name}Message: {error}") from error
    return message


def parse_entry(kind: str, data: bytes) -> Any:
    """The protobuf message of a journal entry, by sys_journal's `entry_type` and `raw`.

    Raises:
        ProtocolError: no such entry type, or the bytes are not that entry.
    """
    code = ENTRY_TYPES.get(kind)
    if code is None:
        raise ProtocolError(f"The service protocol has no journal entry of type {kind!r}")
    return parse(code, data)
