"""A journal as commands with their results, and the results in the order of their storage."""

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
]

Key = tuple[str, str]
"""Identity of an operation when two journals are compared: type and subject."""

_STATE_READS = {
    "GetEagerState": "GetState",
    "GetLazyState": "GetState",
    "GetEagerStateKeys": "GetStateKeys",
    "GetLazyStateKeys": "GetStateKeys",
}
"""The server decides whether state is sent with the request or read later."""

ResultKey = tuple[str, int | str]
"""Target of a result: (`completion`, id) or (`signal`, index or name)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One journal entry."""

    index: int
    type: str
    """`entry_type` of sys_journal, such as `Command: Run`."""
    name: str
    raw: bytes
    """Message of the service protocol, byte for byte as sent."""
    appended_at: str | None = None
    """Time at which the server stored the entry, ISO 8601 in UTC."""


@dataclass(frozen=True, slots=True)
class Result:
    """A notification: the result of a command, or a signal."""

    index: int
    """Journal index."""
    key: ResultKey
    kind: str
    """`void`, `value`, `failure`, `invocation_id` or `state_keys`; empty without result."""
    message: Any

    @property
    def value(self) -> Any:
        """The result: bytes, a Failure message, text, a list of keys, or None."""
        return result_value(self.message)


@dataclass(frozen=True, slots=True)
class Command:
    """A command: an operation that the handler requested."""

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
        """Completion id of the result; None for commands without result."""
        return getattr(self.message, "result_completion_id", None) or None

    @property
    def call_id_completion(self) -> int | None:
        """Completion id of the callee's invocation id (Call, OneWayCall)."""
        return getattr(self.message, "invocation_id_notification_idx", None) or None


@dataclass(frozen=True)
class Journal:
    """All commands in order, and all results in the order in which the server stored them."""

    commands: tuple[Command, ...]
    results: tuple[Result, ...]

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Journal:
        """Parse the entries of a journal.

        Raises:
            RecordingError: The bytes of an entry do not match its type, or the first entry
                is not the Input command.
        """
        commands: list[Command] = []
        results: list[Result] = []
        for entry in entries:
            try:
                message = parse_entry(entry.type, entry.raw)
            except ProtocolError as error:
                raise RecordingError(f"#{entry.index} ({entry.type}): {error}") from error
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
            raise RecordingError("#0 is not the Input command")
        return cls(tuple(commands), tuple(results))

    def result_of(self, command: Command) -> Result | None:
        """Return the result of a command; None if it is missing, or the command has none."""
        if command.completion_id is None:
            return None
        return self.by_key.get(("completion", command.completion_id))

    @cached_property
    def by_key(self) -> dict[ResultKey, Result]:
        """All results by target."""
        return {r.key: r for r in self.results}

    @property
    def output(self) -> Command | None:
        """The Output command; None before the handler has ended."""
        return next((c for c in reversed(self.commands) if c.type == "Output"), None)

    @property
    def cancelled(self) -> bool:
        """Whether the invocation was cancelled."""
        return any(r.key == ("signal", CANCEL_SIGNAL) for r in self.results)

    def steps(self) -> Iterator[Command]:
        """Yield the commands between Input and Output."""
        return (c for c in self.commands if c.type not in ("Input", "Output"))


def result_kind(message: Any) -> str:
    """Return the kind of result that a notification or command carries; empty without result."""
    return message.WhichOneof("result") or ""


def result_value(message: Any) -> Any:
    """Return the result that a notification or command carries, unwrapped."""
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
    """Return the command's type in `Call`, where eager and lazy state reads have one type."""
    return _STATE_READS.get(command.type, command.type)


def key_of(command: Command) -> Key:
    """Return the type and the subject by which commands of two journals are matched."""
    return (type_of(command), _subject(command))


def title_of(command: Command) -> str:
    """Return a readable name, such as `Run charge` or `GetState cart`."""
    return " ".join(key_of(command)).strip()


def fields_of(command: Command) -> dict[str, Any]:
    """Return the contents of a command, by the names of `Call.fields`."""
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


def _subject(command: Command) -> str:
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
