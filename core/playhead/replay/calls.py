"""A durable operation as the running code asks for it, next to commands of a journal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from playhead.replay.commands import Command, result_value
from playhead.replay.messages import Messages

__all__ = ["Call", "Key", "key_of", "title_of"]

Key = tuple[str, str]
"""What makes two operations the same one: type and what it is about."""

_STATE_READS = {
    "GetEagerState": "GetState",
    "GetLazyState": "GetState",
    "GetEagerStateKeys": "GetStateKeys",
    "GetLazyStateKeys": "GetStateKeys",
}
"""Whether state came with the request or was asked for is the server's choice."""


@dataclass(frozen=True, slots=True)
class Call:
    """One command that the code is about to write."""

    index: int
    """Ordinal among the commands of this run; Input is 0."""
    type: str
    about: str
    """Step name, `service/handler`, state key, promise name; empty where there is none."""
    fields: dict[str, Any] = field(default_factory=dict[str, Any])
    """The further contents of the command: parameter, value, duration, …"""
    where: str | None = None
    """`file:line` of the user's code."""
    arguments: Any = None
    """Of a step: what its closure was given, as JSON data; None for other commands."""
    messages: Messages | None = None
    """Of a step that asks a model: the prompt; None where nobody asked for it, or it is unsure."""

    @property
    def key(self) -> Key:
        """Type and what it is about."""
        return (self.type, self.about)

    @property
    def title(self) -> str:
        """As people call it: `Run get_weather`."""
        return f"{self.type} {self.about}".strip()


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
