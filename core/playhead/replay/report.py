"""What a replay found out, as plain data that also crosses process borders."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

__all__ = ["Divergence", "Report", "Verdict"]

Verdict = Literal["same", "diverged", "incomplete", "refused"]
"""Whether today's code accepts the journal.

`same`: it does, to the same end. `diverged`: the SDK refuses it (error 570), or the handler
raises where it did not. `incomplete`: it accepts all of it, and the journal ends before the
handler does. `refused`: it could not be replayed at all; `reason` says why.
"""


@dataclass(frozen=True, slots=True)
class Divergence:
    """One difference between the journal and what the code does now."""

    command_index: int
    """Ordinal of the command in the journal, or where it would have been; Input is 0."""
    kind: str
    """`added`, `removed`, `renamed`, `replaced`, `moved`, `target`, `parameter`, `value`,
    `duration`, `arguments`, `prompt`, `output`, `error`, `mismatch`."""
    recorded: str | None
    """What the journal holds; None where it holds nothing."""
    current: str | None
    """What the code does now; None where it does nothing."""
    where: str | None = None
    """`file:line` of the user's code."""
    fatal: bool = True
    """Whether the SDK refuses the journal for it; False: it does not notice."""
    name: str = ""
    """What the command is called, such as `Run get_weather`."""


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a replay."""

    verdict: Verdict
    invocation_id: str = ""
    target: str = ""
    divergences: tuple[Divergence, ...] = ()
    output: Any = None
    """What the handler returned: decoded JSON, else text; None when it did not end well."""
    failure: str | None = None
    """The terminal error the handler ended with."""
    sdk_message: str | None = None
    """The SDK's own words, when it refused the journal."""
    reason: str | None = None
    """Why it was refused, or why it stands still."""
    waiting_at: str | None = None
    """`file:line` where an incomplete handler waits."""
    commands: int = 0
    """Commands in the journal."""
    replayed: int = 0
    """Commands of the journal that the code went through."""
    blocked: tuple[str, ...] = ()
    """What the code tried to do to the world outside, and was kept from."""
    notes: tuple[str, ...] = field(default=())
    """What to know when reading the divergences."""

    def to_json(self) -> dict[str, Any]:
        """A JSON document."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Report:
        """The report that `to_json` described."""
        known = {f.name for f in fields(cls)}
        values = {name: value for name, value in document.items() if name in known}
        values["divergences"] = tuple(Divergence(**d) for d in values.get("divergences", ()))
        for name in ("blocked", "notes"):
            values[name] = tuple(values.get(name, ()))
        return cls(**values)
