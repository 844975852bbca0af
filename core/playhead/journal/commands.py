"""A journal read as commands, each with its results, and the order in which results came."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from playhead.errors import RecordingError
from playhead.restate.protocol import CANCEL_SIGNAL, ProtocolError, parse_entry

__all__ = [
    "Command",
    "Entry",
    "Journal",
    "Key",
    "Result",
    "ResultKey",
    "fields_of",
    "key_of",
    "result_kind",
    "result_value",
    "title_of",
    "type_of",
]

Key = tuple[str, str]
"""What makes two operations the same one: type and what it is about."""

_STATE_READS = {
    "GetEagerState": "GetState",
    "GetLazyState": "GetState",
    "GetEagerStateKeys": "GetStateKeys",
    "GetLazyStateKeys": "GetStateKeys",
}
"""Whether state came with the request or was asked for is the server's choice."""

ResultKey = tuple[str, int | str]
"""What a result answers: (`completion`, id) or (`signal`, index or name)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One journal entry."""

    index: int
    type: str
    """The server's entry type, such as `Command: Run`."""
    name: str
    raw: bytes
    """The message of the service protocol, as it went over the wire."""
    appended_at: str | None = None
    """When the server stored it, ISO 8601 in UTC."""


@dataclass(frozen=True, slots=True)
class Result:
    """A notification: the result of a command, or a signal."""

    index: int
    """Journal index."""
    key: ResultKey
    kind: str
    """`void`, `value`, `failure`, `invocation_id` or `state_keys`; empty for none."""
    message: Any

    @property
    def value(self) -> Any:
        """Bytes, a Failure message, text, a list of keys, or None."""
        return result_value(self.message)


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the journal."""

    index: int
    """Journal index."""
    command_index: int
    """Ordinal among commands; Input is 0."""
    type: str
    """`Run`, `Call`, `SetState`, …"""
    name: str
    message: Any
    appended_at: str | None = None

    @property
    def completion_id(self) -> int | None:
        """Id of its result; None for commands that have none."""
        return getattr(self.message, "result_completion_id", None) or None

    @property
    def call_id_completion(self) -> int | None:
        """Id of the notification that carries the callee's invocation id (Call, OneWayCall)."""
        return getattr(self.message, "invocation_id_notification_idx", None) or None


@dataclass(frozen=True)
class Journal:
    """All commands in order, and all results in the order in which they were stored."""

    commands: tuple[Command, ...]
    results: tuple[Result, ...]

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Journal:
        """Read the entries of a journal.

        Raises:
            RecordingError: an entry's bytes are not what its type says, or Input is not first.
        """
        commands: list[Command] = []
        results: list[Result] = []
        for entry in entries:
            try:
                message = parse_entry(entry.type, entry.raw)
            except ProtocolError as error:
                raise RecordingError(f"entry {entry.index} ({entry.type}): {error}") from error
            side, _, kind = entry.type.partition(": ")
            if side == "Command":
                name = entry.name or message.name if "name" in _fields(message) else entry.name
                commands.append(
                    Command(entry.index, len(commands), kind, name, message, entry.appended_at)
                )
            else:
                results.append(
                    Result(entry.index, _result_key(message), result_kind(message), message)
                )
        if not commands or commands[0].index != 0 or commands[0].type != "Input":
            raise RecordingError("entry 0 must be the Input command")
        return cls(tuple(commands), tuple(results))

    def result_of(self, command: Command) -> Result | None:
        """The result of a command; None while it is missing, or for commands that have none."""
        if command.completion_id is None:
            return None
        return self.by_key.get(("completion", command.completion_id))

    @cached_property
    def by_key(self) -> dict[ResultKey, Result]:
        """The results by what they answer."""
        return {r.key: r for r in self.results}

    @property
    def output(self) -> Command | None:
        """The Output command; None while the handler has not ended."""
        return next((c for c in reversed(self.commands) if c.type == "Output"), None)

    @property
    def cancelled(self) -> bool:
        """Whether the invocation was told to cancel."""
        return any(r.key == ("signal", CANCEL_SIGNAL) for r in self.results)

    def steps(self) -> Iterator[Command]:
        """The commands between Input and Output."""
        return (c for c in self.commands if c.type not in ("Input", "Output"))


def result_kind(message: Any) -> str:
    """Which of the possible results a notification or command carries; empty for none."""
    return message.WhichOneof("result") or ""


def result_value(message: Any) -> Any:
    """The result that a notification or command carries, without its wrapping."""
    kind = result_kind(message)
    if kind == "value":
        value = message.value
        return value if isinstance(value, bytes) else bytes(value.content)
    if kind == "failure":
        return message.failure
    if kind == "invocation_id":
        return message.invocation_id
    if kind == "state_keys":
        return [bytes(key).decode(errors="replace") for key in message.state_keys.keys]
    return None


def _result_key(message: Any) -> ResultKey:
    if "completion_id" in _fields(message):
        return ("completion", message.completion_id)
    if message.WhichOneof("signal_id") == "name":
        return ("signal", message.name)
    return ("signal", message.idx)


def _fields(message: Any) -> Any:
    return message.DESCRIPTOR.fields_by_name


def type_of(command: Command) -> str:
    """The type of a recorded command as `Call` names it."""
    return _STATE_READS.get(command.type, command.type)


def key_of(command: Command) -> Key:
    """The key of a recorded command."""
    return (type_of(command), _about(command))


def title_of(command: Command) -> str:
    """A recorded command as people call it."""
    return " ".join(key_of(command)).strip()


def fields_of(command: Command) -> dict[str, Any]:
    """The contents of a recorded command under the names that `Call.fields` uses."""
    m = command.message
    match type_of(command):
        case "Call" | "OneWayCall":
            fields: dict[str, Any] = {
                "key": m.key or None,
                "parameter": bytes(m.parameter),
                "headers": [(h.key, h.value) for h in m.headers],
                "idempotency_key": m.idempotency_key or None,
            }
            if command.type == "OneWayCall":
                fields["invoke_time"] = m.invoke_time or None
            return fields
        case "SetState":
            return {"value": bytes(m.value.content)}
        case "Sleep":
            return {"wake_up_time": m.wake_up_time}
        case "CompletePromise":
            kind = m.WhichOneof("completion")
            failed = kind == "completion_failure"
            return {
                "failure": m.completion_failure.message if failed else None,
                "value": None if failed else bytes(m.completion_value.content),
            }
        case "CompleteAwakeable" | "SendSignal":
            value = result_value(m)
            failed = m.WhichOneof("result") == "failure"
            return {
                "target": m.awakeable_id
                if command.type == "CompleteAwakeable"
                else m.target_invocation_id,
                "failure": value.message if failed else None,
                "value": None if failed else value,
            }
        case "AttachInvocation":
            return {"target": m.invocation_id}
        case "Output":
            value = result_value(m)
            failed = m.WhichOneof("result") == "failure"
            return {
                "failure": f"{value.code}: {value.message}" if failed else None,
                "value": None if failed else value,
            }
        case _:
            return {}


def _about(command: Command) -> str:
    m = command.message
    match type_of(command):
        case "Call" | "OneWayCall":
            return f"{m.service_name}/{m.handler_name}"
        case "GetState" | "SetState" | "ClearState":
            return bytes(m.key).decode(errors="replace")
        case "GetPromise" | "PeekPromise" | "CompletePromise":
            return str(m.key)
        case "SendSignal":
            return str(m.name) if m.WhichOneof("signal_id") == "name" else f"#{m.idx}"
        case "Run" | "Sleep":
            return command.name
        case _:
            return ""
