"""Durable operations of the running code, and the recorded commands that answer them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Protocol

from playhead.decode.prompts import Messages
from playhead.journal.commands import Command, Key, ResultKey, fields_of, key_of

__all__ = ["Answer", "Call", "Matcher", "NearestMatcher", "Pair", "Plan", "WhatIfMatcher"]

Plan = tuple[int | None, ...]
"""For each call in order, the position of the recorded step that answers it, or None."""


@dataclass(frozen=True, slots=True)
class Call:
    """One command that the code is about to write."""

    command_index: int
    """Ordinal among the commands of this run; Input is 0."""
    type: str
    name: str
    """Step name, `service/handler`, state key or promise name; empty if it has none."""
    fields: dict[str, Any] = field(default_factory=dict[str, Any])
    """Other contents of the command: parameter, value, duration, …"""
    where: str | None = None
    """`file:line` of the user's code."""
    arguments: Any = None
    """Inputs of a step's closure, as JSON data; None for other commands."""
    messages: Messages | None = None
    """Prompt of a model call; None if it is not needed or not certain."""

    @property
    def key(self) -> Key:
        """Type and name."""
        return (self.type, self.name)

    @property
    def title(self) -> str:
        """Type and name as text, such as `Run get_weather`."""
        return f"{self.type} {self.name}".strip()

    @property
    def new_result(self) -> ResultKey:
        """Key of the result if the journal has no such command."""
        return ("completion", -2 * self.command_index)

    @property
    def new_invocation_id(self) -> ResultKey:
        """Key of the callee's invocation id if the journal has no such command."""
        return ("completion", -2 * self.command_index - 1)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a call."""

    result: ResultKey | None = None
    """Key of the result; None if the call never gets one."""
    invocation_id: ResultKey | None = None
    """Key of the callee's invocation id (calls and sends)."""
    execute: bool = False
    """Whether to execute the closure of this step for real."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A call, and the recorded command that answered it."""

    call: Call
    recorded: Command | None
    """None if the journal has no such command."""


class Matcher(Protocol):
    """A strategy to find the recorded command that answers a call."""

    def match(self, call: Call) -> Command | None:
        """Return the recorded command; None if the journal has none."""
        ...


class NearestMatcher:
    """A matcher that follows a plan, then takes the nearest recorded step with the same key."""

    def __init__(self, steps: Sequence[Command], plan: Plan = ()) -> None:
        """Prepare to match.

        Args:
            steps: The recorded commands between Input and Output.
            plan: Recorded steps that answer the first calls.
        """
        self._steps = steps
        self._keys = [key_of(step) for step in steps]
        self._plan = plan
        self._free: dict[Key, list[int]] = {}
        for position in range(len(steps) - 1, -1, -1):
            self._free.setdefault(self._keys[position], []).append(position)
        self._next = 0
        self.taken: list[int | None] = []
        """The plan that was followed."""

    def match(self, call: Call) -> Command | None:
        """Return the recorded command for a call."""
        position = self._choose(call)
        self.taken.append(position)
        if position is None:
            return None
        same = self._free[self._keys[position]]
        if same[-1] == position:  # the usual case
            same.pop()
        else:
            same.remove(position)
        self._next = max(self._next, position + 1)
        return self._steps[position]

    def _choose(self, call: Call) -> int | None:
        if call.command_index <= len(self._plan):
            planned = self._plan[call.command_index - 1]
            if planned is None or self._keys[planned][0] != call.type:
                return None
            return planned if planned in self._free[self._keys[planned]] else None
        same = self._free.get(call.key)
        if not same:
            return None
        # Positions are in falling order: the next one ahead, else one that was passed over.
        if same[-1] >= self._next:
            return same[-1]
        return next((p for p in reversed(same) if p >= self._next), same[-1])


class WhatIfMatcher:
    """A matcher for runs with results that the recording does not have.

    Up to the first difference, the recording answers each command, in order. The first difference
    is a command at another position, of another type or with another name, or a new result that the
    handler has received. From there on, the recording answers a command with the same arguments,
    unless it is a live step. Before it, a live step with another request is executed, too.
    """

    def __init__(
        self,
        steps: Sequence[Command],
        arguments: Mapping[int, Any],
        *,
        recorded: bool,
        live: AbstractSet[str],
        new_taken: Callable[[], bool],
        same_request: Callable[[Call, Command], bool],
    ) -> None:
        """Prepare to match.

        Args:
            steps: The recorded commands between Input and Output.
            arguments: Arguments of the recorded steps, by ordinal.
            recorded: Whether the recording answers commands after the first difference.
            live: Names of steps that the recording does not answer after it.
            new_taken: Returns whether the handler has received a result that the recorded run did
                not have.
            same_request: Returns whether a live step has the recorded request.
        """
        self._free: dict[Key, list[Command]] = {}
        for step in steps:
            self._free.setdefault(key_of(step), []).append(step)
        self._arguments = arguments
        self._recorded = recorded
        self._live = live
        self._new_taken = new_taken
        self._same_request = same_request
        self._moved = False

    def match(self, call: Call) -> Command | None:
        """Return the recorded command for a call."""
        free = self._free.get(call.key, [])
        is_live = call.type == "Run" and call.name in self._live
        in_place = bool(free) and free[0].command_index == call.command_index
        self._moved = self._moved or not in_place
        if not self._moved and not self._new_taken():
            if is_live and not self._same_request(call, free[0]):
                return None
            return free.pop(0)
        if is_live or not self._recorded:
            return None
        found = next((command for command in free if self._equal(call, command)), None)
        if found is not None:
            free.remove(found)
        return found

    def take(self, call: Call) -> Command | None:
        """Return the next recorded command with the type and name of a call, and use it up."""
        free = self._free.get(call.key)
        return free.pop(0) if free else None

    def _equal(self, call: Call, command: Command) -> bool:
        if call.type == "Run":
            return self._arguments.get(command.command_index, call.arguments) == call.arguments
        if call.type not in ("Call", "OneWayCall"):
            return True
        old = fields_of(command)
        return all(old[name] == call.fields[name] for name in ("key", "parameter"))
