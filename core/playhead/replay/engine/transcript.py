"""What a handler did in one run, as plain data for the process that judges it.

The user's code runs in the same process as the functions that write these, so it could forge them:
they claim what the code did, and say nothing about whether that was right.
"""

from __future__ import annotations

import base64
from dataclasses import asdict, is_dataclass
from typing import Any, cast

import msgspec

from playhead.replay.engine.calls import Call

__all__ = ["OperationCall", "Playthrough", "Raised", "Transcript"]

OperationCall = tuple[str, list[Any], dict[str, Any]]
"""Method of the state machine, and its arguments; failures are objects."""

_BYTES = "base64"


class Raised(msgspec.Struct, frozen=True):
    """An exception of the handler after which the server would retry."""

    message: str
    where: str | None
    """`file:line` of the user's code."""


class Transcript(msgspec.Struct, frozen=True):
    """The operations of a handler on the SDK's state machine, in order."""

    calls: list[OperationCall]
    payload_checks: bool
    """Whether the handler lets the SDK compare payloads."""
    refused_at: str | None
    """`file:line` of the last command that the process's own state machine refused."""
    raised_at: str | None
    """`file:line` where the handler raised an exception."""
    waiting_at: str | None
    """`file:line` where the handler waits."""
    blocked: bool
    """Whether a side effect was blocked."""
    certain: bool
    """Whether the state machine refused a command before that."""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON document."""
        calls = [
            (name, [_encoded(v) for v in args], {k: _encoded(v) for k, v in kwargs.items()})
            for name, args, kwargs in self.calls
        ]
        return {**msgspec.structs.asdict(self), "calls": calls}

    @classmethod
    def from_json(cls, document: Any) -> Transcript:
        """Return the transcript in a document of `to_json`.

        Raises:
            ValueError: It is not such a document.
        """
        found = msgspec.convert(document, cls)
        calls = [
            (name, [_decoded(v) for v in args], {k: _decoded(v) for k, v in kwargs.items()})
            for name, args, kwargs in found.calls
        ]
        return msgspec.structs.replace(found, calls=calls)


class Playthrough(msgspec.Struct, frozen=True):
    """The commands of a run under the emulated state machine."""

    calls: list[Call]
    """Every command in order, without Input and Output."""
    ended: Call | None
    """The Output that the handler wrote; None if it did not end."""
    raised: Raised | None
    waiting_at: str | None
    """`file:line` where the handler waits."""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON document."""
        return {
            "calls": [_call_document(call) for call in self.calls],
            "ended": self.ended and _call_document(self.ended),
            "raised": self.raised and msgspec.structs.asdict(self.raised),
            "waiting_at": self.waiting_at,
        }

    @classmethod
    def from_json(cls, document: Any) -> Playthrough:
        """Return the run in a document of `to_json`.

        Raises:
            ValueError: It is not such a document.
        """
        found = msgspec.convert(document, cls)
        calls = [_call(number, call) for number, call in enumerate(found.calls, 1)]
        ended = None if found.ended is None else _call(len(calls) + 1, found.ended)
        return msgspec.structs.replace(found, calls=calls, ended=ended)


def _call_document(call: Call) -> dict[str, Any]:
    fields = {name: _encoded(value) for name, value in call.fields.items()}
    messages = None if call.messages is None else [dict(message) for message in call.messages]
    return {
        "command_index": call.command_index,
        "type": call.type,
        "name": call.name,
        "fields": fields,
        "where": call.where,
        "arguments": call.arguments,
        "messages": messages,
    }


def _call(number: int, call: Call) -> Call:
    fields = {name: _decoded(value) for name, value in call.fields.items()}
    if fields.get("headers"):
        fields["headers"] = [(str(name), str(value)) for name, value in fields["headers"]]
    return Call(number, call.type, call.name, fields, call.where, call.arguments, call.messages)


def _encoded(value: Any) -> Any:
    if isinstance(value, bytes | bytearray):
        return {_BYTES: base64.b64encode(value).decode()}
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value


def _decoded(value: Any) -> Any:
    if isinstance(value, dict) and _BYTES in value:
        return base64.b64decode(cast("dict[str, Any]", value)[_BYTES], validate=True)
    return cast("Any", value)
