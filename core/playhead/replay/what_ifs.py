"""What-ifs: the changed results of a replay, and what the new run did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from playhead.replay.isolation import Isolation

__all__ = [
    "MAX_LIVE",
    "Changes",
    "Failure",
    "LivePlan",
    "LiveStep",
    "WhatIfQuestion",
    "WhatIfResult",
    "WhatIfRow",
]

MAX_LIVE = 20
"""Default limit of the steps that one what-if executes for real."""

Changes = Mapping[int, Any] | Mapping[str, Any] | Mapping[int | str, Any]
"""New results by name; see `WhatIfQuestion.changes`."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A terminal error as a result."""

    message: str
    code: int = 500


@dataclass(frozen=True)
class WhatIfQuestion:
    """The changed results of a what-if replay, and how to answer the commands after them."""

    changes: Mapping[int | str, Any]
    """New results, as JSON values or `Failure`.

    The key is the journal index of a command or of its result, `command N` (ordinal; Input is
    0), `awakeable:N` (from 1), or `signal:NAME`. Text as the result of a model call replaces the
    text of the model's answer.
    """
    recorded: bool = True
    """Whether the recording answers commands after the change that have the same arguments."""
    answers: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Results for commands without one, as in `changes`.

    The key is a step's name, `service/handler` of a call, a promise's name, `awakeable:N`, or
    `signal:NAME`.
    """
    live: tuple[str, ...] = ()
    """Names of steps to execute for real, from the first difference on."""
    max_live: int = MAX_LIVE
    """Maximum number of steps to execute for real; after them, the run is blocked."""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON document."""
        return {
            "changes": {str(key): _document(value) for key, value in self.changes.items()},
            "recorded": self.recorded,
            "answers": {name: _document(value) for name, value in self.answers.items()},
            "live": list(self.live),
            "max_live": self.max_live,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> WhatIfQuestion:
        """Return the question in a document of `to_json`; every key is text."""
        return cls(
            {key: _value(value) for key, value in document["changes"].items()},
            document["recorded"],
            {name: _value(value) for name, value in document["answers"].items()},
            tuple(document["live"]),
            int(document["max_live"]),
        )


@dataclass(frozen=True, slots=True)
class LiveStep:
    """A step that a what-if would execute for real."""

    name: str
    journal_index: int | None
    """Journal index of the recorded step that stands for it; None if there is none."""
    where: str | None = None
    """`file:line` of the user's code."""


@dataclass(frozen=True, slots=True)
class LivePlan:
    """The steps that a what-if would execute for real if they had their recorded results."""

    steps: tuple[LiveStep, ...]
    max_live: int
    """Maximum number of steps that the run executes."""
    ended: bool
    """Whether the handler ends with the recorded results; otherwise more steps can follow."""
    assumed: tuple[int, ...] = ()
    """Journal indexes of the steps that keep their results although the recording does not have
    their requests, so that a change of the request is unknown."""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON document."""
        return {"count": len(self.steps), **asdict(self)}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> LivePlan:
        """Return the plan in a document of `to_json`."""
        steps = tuple(LiveStep(**step) for step in document["steps"])
        ended, assumed = bool(document["ended"]), tuple(document["assumed"])
        return cls(steps, int(document["max_live"]), ended, assumed)


@dataclass(frozen=True, slots=True)
class WhatIfRow:
    """One command of the comparison, both runs side by side."""

    original: str | None
    """The command in the journal; None if only the new run has it."""
    original_result: Any
    """Its recorded result, decoded; for SetState the value that was set."""
    new: str | None
    """The command of the new run; None if only the journal has it."""
    new_result: Any
    source: str
    """Source of the new result: `recorded`, `changed`, `answered`, `live`, `at once` (sleeps,
    state), `none` (the run waits for it), or empty."""
    where: str | None = None
    """`file:line` of the new command."""
    journal_index: int | None = None
    """Journal index of the original command."""

    @property
    def same(self) -> bool:
        """Whether both runs have the same command with the same result."""
        return self.original == self.new and self.original_result == self.new_result


@dataclass(frozen=True, slots=True)
class WhatIfResult:
    """The new run compared with the recorded one, and the end of both."""

    rows: tuple[WhatIfRow, ...]
    ended: bool
    """Whether the handler returned or failed."""
    output: Any = None
    """Return value of the handler: decoded JSON, else text."""
    failure: str | None = None
    """Terminal error that the handler ended with."""
    raised: str | None = None
    """Exception of the handler, if Restate would retry the attempt."""
    stopped: str | None = None
    """Reason why the run is blocked."""
    missing: tuple[str, ...] = ()
    """Keys of `WhatIfQuestion.answers` for the results that the run waits for."""
    unused: tuple[str, ...] = ()
    """Keys of `WhatIfQuestion.answers` that no command took: the recording has the result, or the
    run does not ask for it."""
    waiting_at: str | None = None
    """`file:line` where the handler waits."""
    original_ended: bool = True
    """Whether the recorded run ended; otherwise it has neither output nor failure."""
    original_output: Any = None
    original_failure: str | None = None
    blocked: tuple[str, ...] = ()
    """Side effects that the code attempted and the replay blocked."""
    isolation: Isolation | None = None
    """How the process of the new run was isolated."""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON document."""
        isolation = None if self.isolation is None else self.isolation.to_json()
        return {**asdict(self), "isolation": isolation}

    @property
    def live_steps(self) -> int:
        """Number of steps that were executed for real."""
        return sum(row.source == "live" for row in self.rows)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> WhatIfResult:
        """Return the result in a document of `to_json`."""
        rows = tuple(WhatIfRow(**row) for row in document["rows"])
        values: dict[str, Any] = {**document, "rows": rows, "blocked": tuple(document["blocked"])}
        values["missing"] = tuple(document["missing"])
        values["unused"] = tuple(document["unused"])
        isolation = document.get("isolation")
        values["isolation"] = None if isolation is None else Isolation.from_json(isolation)
        return cls(**values)


def _document(value: Any) -> dict[str, Any]:
    if isinstance(value, Failure):
        return {"failure": value.message, "code": value.code}
    return {"value": value}


def _value(document: dict[str, Any]) -> Any:
    if "failure" in document:
        return Failure(str(document["failure"]), int(document["code"]))
    return document["value"]
