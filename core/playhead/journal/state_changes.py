"""Changes of the state of a virtual object or workflow, from the commands of its journals."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from playhead.model import StateAction, StateChange
from playhead.restate.protocol import ProtocolError, parse_entry
from playhead.values import decode_value

__all__ = ["STATE_COMMANDS", "StateCommand", "state_changes", "unexplained_keys"]

_ACTIONS: Mapping[str, StateAction] = {
    "Command: SetState": "set",
    "Command: ClearState": "clear",
    "Command: ClearAllState": "clear all",
}
STATE_COMMANDS = tuple(_ACTIONS)
"""Types of the journal entries that change state."""


@dataclass(frozen=True, slots=True)
class StateCommand:
    """A journal entry of one of `STATE_COMMANDS`, with its invocation."""

    invocation_id: str
    index: int
    entry_type: str
    at: datetime
    raw: bytes
    handler: str
    created_at: datetime
    """When the invocation was created."""
    restarted_from: str | None = None
    """Id of the invocation that this one is a restart of."""


def state_changes(
    commands: Iterable[StateCommand], journaled: Collection[str]
) -> tuple[tuple[StateChange, ...], Mapping[str, bytes]]:
    """Return the changes, oldest first, and the state that they lead to, by key.

    A restart has copies of commands of the original invocation, which changed the state only once.

    Args:
        commands: Commands of all invocations of one object, in any order.
        journaled: Ids of the invocations whose own commands are known.
    """
    found: list[StateChange] = []
    state: dict[str, bytes] = {}
    # One invocation at a time changes the state: they take turns in the order of their creation.
    for one in sorted(commands, key=lambda c: (c.at, c.created_at, c.invocation_id, c.index)):
        if one.restarted_from and one.at < one.created_at and one.restarted_from in journaled:
            continue
        parsed = _parse(one)
        if parsed is None:
            continue
        key, value = parsed
        change = StateChange(
            one.at, one.invocation_id, one.index, one.handler, _ACTIONS[one.entry_type], key
        )
        if change.action == "set" and key is not None:
            change = replace(change, value=decode_value(value), before=_value(state, key))
            state[key] = value
        elif change.action == "clear" and key is not None:
            change = replace(change, before=_value(state, key))
            state.pop(key, None)
        else:
            state.clear()
        found.append(change)
    return tuple(found), state


def unexplained_keys(rebuilt: Mapping[str, bytes], current: Mapping[str, bytes]) -> Sequence[str]:
    """Return the keys whose current value is not the rebuilt one, in order."""
    keys = rebuilt.keys() | current.keys()
    return sorted(key for key in keys if rebuilt.get(key) != current.get(key))


def _parse(command: StateCommand) -> tuple[str | None, bytes] | None:
    """Return key and value; None for bytes that are not such a command."""
    try:
        message = parse_entry(command.entry_type, command.raw)
    except ProtocolError:
        return None
    fields: Mapping[str, Any] = {field.name: value for field, value in message.ListFields()}
    if command.entry_type == "Command: ClearAllState":
        return None, b""
    key: bytes = fields.get("key", b"")
    value: bytes = fields["value"].content if "value" in fields else b""
    return key.decode(errors="replace"), value


def _value(state: Mapping[str, bytes], key: str) -> Any:
    return decode_value(state[key]) if key in state else None
