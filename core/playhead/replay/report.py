"""The result of a replay, as plain data that also crosses process borders."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

__all__ = ["Divergence", "Report", "Verdict", "place_of"]

Verdict = Literal["same", "diverged", "incomplete", "refused"]
"""Whether today's code accepts the journal.

`same`: yes, and it ends the same way. `diverged`: the SDK refuses it (error 570), or the handler
raises where it did not before. `incomplete`: the code accepts all of it, and the journal ends
before the handler does. `refused`: it cannot be replayed; `Report.reason` says why.
"""


@dataclass(frozen=True, slots=True)
class Divergence:
    """One difference between the journal and what the code does now."""

    command_index: int
    """Ordinal of the command in the journal, or where it would be; Input is 0."""
    kind: str
    """`added`, `removed`, `renamed`, `moved`, `target`, `parameter`, `headers`,
    `idempotency key`, `value`, `duration`, `arguments`, `prompt`, `output`, `error`, or
    `mismatch` (the SDK's own words)."""
    recorded: str | None
    """What the journal holds; None where it holds nothing."""
    current: str | None
    """What the code does now; None where it does nothing."""
    where: str | None = None
    """`file:line` of the user's code."""
    fatal: bool = True
    """Whether the SDK refuses the journal for it; False: Restate does not notice."""
    name: str = ""
    """Type and name of the command, such as `Run get_weather`."""
    journal_index: int | None = None
    """Journal index of the command; None: the journal has no such command."""

    @property
    def place(self) -> str:
        """`#12` (journal index), or `command 3` if the journal has no such command."""
        return place_of(self.journal_index, self.command_index)


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a replay."""

    verdict: Verdict
    invocation_id: str = ""
    target: str = ""
    """Service, key and handler, as the server writes them."""
    divergences: tuple[Divergence, ...] = ()
    """In the order of the journal."""
    output: Any = None
    """What the handler returned: decoded JSON, else text; None if it failed or did not end."""
    failure: str | None = None
    """The terminal error the handler ended with: `code: message`."""
    sdk_message: str | None = None
    """The SDK's own words, when it refused the journal."""
    reason: str | None = None
    """Why the replay was refused, or why the handler is waiting."""
    waiting_at: str | None = None
    """`file:line` where an incomplete handler waits."""
    commands: int = 0
    """Number of commands in the journal."""
    replayed: int = 0
    """Number of them that the code went through."""
    blocked: tuple[str, ...] = ()
    """Side effects that the code attempted and the replay blocked."""
    notes: tuple[str, ...] = field(default=())
    """What to know when reading the divergences."""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON document."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Report:
        """Return the report that `to_json` described."""
        names = {f.name for f in fields(cls)}
        values = {name: value for name, value in document.items() if name in names}
        values["divergences"] = tuple(Divergence(**d) for d in values.get("divergences", ()))
        for name in ("blocked", "notes"):
            values[name] = tuple(values.get(name, ()))
        return cls(**values)


def place_of(journal_index: int | None, command_index: int) -> str:
    """Return `#12` for a journal index, or `command 3` where the journal has no such command."""
    return f"command {command_index}" if journal_index is None else f"#{journal_index}"
