"""Failures of the model provider, armed in advance and struck by the n-th request that fits."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from playhead_samples.llm.conversation import Conversation

__all__ = ["Armoury", "BadFaultError", "Fault", "FaultKind"]

FaultKind = Literal[
    "rate_limit", "server_error", "hang", "slow", "malformed", "reset", "truncate",
    "wrong_tool", "invalid_arguments", "context_length",
]  # fmt: skip
"""429 with Retry-After · 500 · no answer · a late answer · a body that is no JSON · connection
reset · half an answer · a tool that does not exist · arguments against the schema · 400."""


class BadFaultError(ValueError):
    """A fault cannot be armed as written; the text says why."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One failure, for the requests that fit every given condition."""

    do: FaultKind
    agent: str | None = None
    """Name of the sample agent, such as `weather`."""
    model: str | None = None
    """A part of the model's name."""
    prompt: str | None = None
    """A part of anything said in the conversation."""
    call: int = 1
    """The first request to strike among those that fit, counted from 1 since arming."""
    times: int | None = 1
    """How many requests in a row to strike; null: every one from there on."""
    seconds: float = 1.0
    """Retry-After of `rate_limit`, delay of `slow`, length of `hang`."""

    def fits(self, agent: str, conversation: Conversation) -> bool:
        """Whether this request counts for this fault."""
        return (
            (self.agent is None or self.agent == agent)
            and (self.model is None or self.model in conversation.model)
            and (self.prompt is None or self.prompt in conversation.text)
        )

    @classmethod
    def read(cls, given: Any) -> Fault:
        """Make one from JSON. Raises BadFaultError."""
        if not isinstance(given, Mapping):
            raise BadFaultError(
                f"a fault is an object such as {{'do': 'rate_limit'}}, not {given!r}"
            )
        values = cast("Mapping[str, Any]", given)
        known = {f.name for f in dataclasses.fields(cls)}
        if unknown := set(values) - known:
            raise BadFaultError(f"a fault has no {sorted(unknown)}; it has {sorted(known)}")
        if values.get("do") not in get_args(FaultKind):
            raise BadFaultError(f"'do' must be one of {', '.join(get_args(FaultKind))}")
        return cls(**values)


class Armoury:
    """The armed faults and how many requests each has seen."""

    def __init__(self) -> None:
        self._armed: list[tuple[Fault, int]] = []

    def arm(self, faults: list[Fault]) -> None:
        """Add faults; each counts from now."""
        self._armed += [(fault, 0) for fault in faults]

    def disarm(self) -> None:
        """Remove them all."""
        self._armed.clear()

    def listing(self) -> list[dict[str, Any]]:
        """Every fault with the requests `seen` so far that fit it."""
        return [{**dataclasses.asdict(fault), "seen": seen} for fault, seen in self._armed]

    def strike(self, agent: str, conversation: Conversation) -> Fault | None:
        """Count this request; the first fault whose turn it is."""
        struck: Fault | None = None
        for position, (fault, before) in enumerate(self._armed):
            if not fault.fits(agent, conversation):
                continue
            seen = before + 1
            self._armed[position] = (fault, seen)
            last = None if fault.times is None else fault.call + fault.times - 1
            if struck is None and seen >= fault.call and (last is None or seen <= last):
                struck = fault
        return struck
