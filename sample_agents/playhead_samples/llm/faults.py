"""Failures of the LLM on demand, each for matching requests."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from playhead_samples.llm.conversation import Conversation

__all__ = ["FaultKind", "FaultSet", "InvalidFaultError", "LlmFault"]

FaultKind = Literal[
    "rate_limit", "server_error", "hang", "slow", "malformed", "reset", "truncate",
    "wrong_tool", "invalid_arguments", "context_length",
]  # fmt: skip
"""429 with Retry-After · 500 · no answer · a late answer · a body that is not JSON · a reset
connection · half an answer · an unknown tool · arguments that violate the schema · 400."""

DESCRIPTIONS: dict[FaultKind, str] = {
    "rate_limit": "answers 429 with Retry-After {seconds:g} s",
    "server_error": "answers 500",
    "hang": "does not answer",
    "slow": "answers {seconds:g} s late",
    "malformed": "answers with invalid JSON",
    "reset": "resets the connection",
    "truncate": "closes the connection in the middle of its answer",
    "wrong_tool": "calls a tool that does not exist",
    "invalid_arguments": "calls the tool with invalid arguments",
    "context_length": "answers 400 because the context is too long",
}


class InvalidFaultError(ValueError):
    """A fault has an unknown field or value."""


@dataclass(frozen=True, slots=True)
class LlmFault:
    """An injected failure of the LLM, for the requests that match every given condition."""

    do: FaultKind
    agent: str | None = None
    """Name of the sample agent, such as `weather`."""
    model: str | None = None
    """Substring of the model's name."""
    prompt: str | None = None
    """Substring of any message of the conversation."""
    call: int = 1
    """First matching request that fails, counted from 1 since the fault was set."""
    times: int | None = 1
    """Number of matching requests in a row that fail; None: all of them."""
    seconds: float = 1.0
    """Retry-After of `rate_limit`, delay of `slow`, duration of `hang`."""

    def __str__(self) -> str:
        text = f"the LLM {DESCRIPTIONS[self.do].format(seconds=self.seconds)}"
        if self.agent:
            text += f" for agent {self.agent}"
        if self.prompt:
            text += f" when the conversation contains {self.prompt!r}"
        match self.times:
            case None:
                return text + (
                    ", on every request" if self.call == 1 else f", from request {self.call} on"
                )
            case 1:
                return f"{text}, on request {self.call}"
            case times:
                return f"{text}, on requests {self.call} to {self.call + times - 1}"

    def matches(self, agent: str, conversation: Conversation) -> bool:
        """Return whether this fault counts a request."""
        return (
            (self.agent is None or self.agent == agent)
            and (self.model is None or self.model in conversation.model)
            and (self.prompt is None or self.prompt in conversation.text)
        )

    @classmethod
    def from_json(cls, value: Any) -> LlmFault:
        """Create a fault from a JSON object. Raises InvalidFaultError."""
        if not isinstance(value, Mapping):
            raise InvalidFaultError(
                f"a fault must be an object such as {{'do': 'rate_limit'}}, not {value!r}"
            )
        values = cast("Mapping[str, Any]", value)
        fields = {f.name for f in dataclasses.fields(cls)}
        if unknown := set(values) - fields:
            raise InvalidFaultError(
                f"a fault has no field {', '.join(sorted(unknown))}; "
                f"its fields are {', '.join(sorted(fields))}"
            )
        if values.get("do") not in get_args(FaultKind):
            raise InvalidFaultError(f"'do' must be one of {', '.join(get_args(FaultKind))}")
        return cls(**values)


class FaultSet:
    """The faults that are set, each with the number of matching requests so far."""

    def __init__(self) -> None:
        self._faults: list[tuple[LlmFault, int]] = []

    def add(self, faults: list[LlmFault]) -> None:
        """Add faults; each counts its requests from now on."""
        self._faults += [(fault, 0) for fault in faults]

    def clear(self) -> None:
        """Remove all faults."""
        self._faults.clear()

    def as_json(self) -> list[dict[str, Any]]:
        """Return every fault with the number of matching requests so far (`seen`)."""
        return [{**dataclasses.asdict(fault), "seen": seen} for fault, seen in self._faults]

    def for_request(self, agent: str, conversation: Conversation) -> LlmFault | None:
        """Count a request and return the first fault that applies to it."""
        applying: LlmFault | None = None
        for position, (fault, before) in enumerate(self._faults):
            if not fault.matches(agent, conversation):
                continue
            number = before + 1
            self._faults[position] = (fault, number)
            last = None if fault.times is None else fault.call + fault.times - 1
            if applying is None and number >= fault.call and (last is None or number <= last):
                applying = fault
        return applying
