"""A journal read as commands, each with its results, and the order in which results came."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from playhead.replay.errors import RecordingError
from playhead.restate.protocol import CANCEL_SIGNAL, ProtocolError, parse_entry

if TYPE_CHECKING:
    from playhead.replay.recording import Recording

__all__ = ["Command", "Journal", "Result", "ResultKey"]

ResultKey = tuple[str, int | str]
"""What a result answers: (`completion`, id) or (`signal`, index or name)."""


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
    def of(cls, recording: Recording) -> Journal:
        """Read a recording's entries.

        Raises:
            RecordingError: an entry's bytes are not what its type says, or Input is not first.
        """
        commands: list[Command] = []
        results: list[Result] = []
        for entry in recording.entries:
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
                results.append(Result(entry.index, _key(message), result_kind(message), message))
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


def _key(message: Any) -> ResultKey:
    if "completion_id" in _fields(message):
        return ("completion", message.completion_id)
    if message.WhichOneof("signal_id") == "name":
        return ("signal", message.name)
    return ("signal", message.idx)


def _fields(message: Any) -> Any:
    return message.DESCRIPTOR.fields_by_name
