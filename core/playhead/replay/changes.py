"""Changed results: what a what-if replay is given, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Failure", "WhatIfResult", "WhatIfRow", "request_fields"]


@dataclass(frozen=True, slots=True)
class Failure:
    """A terminal error as a result."""

    message: str
    code: int = 500


@dataclass(frozen=True, slots=True)
class WhatIfRow:
    """One line of the comparison, side by side."""

    original: str | None
    """The command in the journal; None: the new run has one more here."""
    original_result: Any
    """Its recorded result, decoded; for SetState the value that was set."""
    new: str | None
    """The command of the new run; None: the new run lacks it."""
    new_result: Any
    source: str
    """Where the new result came from: `recorded`, `changed`, `answered`, `live`, `at once` (sleeps,
    state), `none` (it waits), or empty."""
    where: str | None = None
    """`file:line` of the new command."""

    @property
    def same(self) -> bool:
        """Whether both sides did the same, to the same result."""
        return self.original == self.new and self.original_result == self.new_result


@dataclass(frozen=True, slots=True)
class WhatIfResult:
    """How the handler went on."""

    rows: tuple[WhatIfRow, ...]
    ended: bool
    """Whether the handler came to an end."""
    output: Any = None
    failure: str | None = None
    """The terminal error it ended with."""
    raised: str | None = None
    """What it raised, when Restate would try again."""
    stopped: str | None = None
    """Why it stands still: what it waits for, and what to give it."""
    waiting_at: str | None = None
    """`file:line` where it waits."""
    original_output: Any = None
    original_failure: str | None = None
    blocked: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A JSON document."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> WhatIfResult:
        """The outcome that `to_json` described."""
        rows = tuple(WhatIfRow(**row) for row in document["rows"])
        values: dict[str, Any] = {**document, "rows": rows, "blocked": tuple(document["blocked"])}
        return cls(**values)


def request_fields(
    changes: Mapping[int | str, Any], *, recorded: bool, answers: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The fields of a `what_if` request to a worker."""
    return {
        "changes": {str(k): _document(v) for k, v in changes.items()},
        "recorded": recorded,
        "answers": {name: _document(value) for name, value in (answers or {}).items()},
    }


def _document(value: Any) -> dict[str, Any]:
    if isinstance(value, Failure):
        return {"failure": value.message, "code": value.code}
    return {"value": value}
