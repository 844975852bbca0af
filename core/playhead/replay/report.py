"""The result of a replay, as plain data that processes can exchange."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

__all__ = ["Divergence", "Report", "Verdict", "place_of"]

Verdict = Literal["same", "diverged", "incomplete", "refused"]
"""Whether today's code accepts the journal.

`same`: it does, and ends the same way. `diverged`: the SDK refuses the journal (error 570), or the
handler raises an exception that it did not raise before. `incomplete`: the code accepts all of the
journal, which ends before the handler does. `refused`: the journal cannot be replayed;
`Report.reason` has the reason.
"""


@dataclass(frozen=True, slots=True)
class Divergence:
    """One difference between the journal and today's code."""

    command_index: int
    """Ordinal of the command in the journal, actual or expected; Input is 0."""
    kind: str
    """`added`, `removed`, `renamed`, `moved`, `target`, `parameter`, `headers`,
    `idempotency key`, `value`, `duration`, `arguments`, `prompt`, `output`, `error`, or
    `mismatch` (the SDK's message)."""
    recorded: str | None
    """Value in the journal; None if it has none."""
    current: str | None
    """Value of today's code; None if it has none."""
    where: str | None = None
    """`file:line` of the user's code."""
    fatal: bool = True
    """Whether the SDK refuses the journal for it; if not, Restate does not notice."""
    name: str = ""
    """Type and name of the command, such as `Run get_weather`."""
    journal_index: int | None = None
    """Journal index of the command; None if the journal has no such command."""

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
    """Return value of the handler: decoded JSON, else text; None if it failed or did not end."""
    failure: str | None = None
    """Terminal error that the handler ended with: `code: message`."""
    sdk_message: str | None = None
    """The SDK's message, if it refused the journal."""
    reason: str | None = None
    """Reason why the replay was refused, or why the handler is waiting."""
    hint: str = ""
    """What to do about a replay that was refused; may be empty."""
    waiting_at: str | None = None
    """`file:line` where an incomplete handler waits."""
    commands: int = 0
    """Number of commands in the journal."""
    replayed: int = 0
    """Number of commands that the code wrote again."""
    blocked: tuple[str, ...] = ()
    """Side effects that the code attempted and the replay blocked."""
    notes: tuple[str, ...] = field(default=())
    """Remarks on the divergences."""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON document."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Report:
        """Return the report in a document of `to_json`."""
        names = {f.name for f in fields(cls)}
        values = {name: value for name, value in document.items() if name in names}
        values["divergences"] = tuple(Divergence(**d) for d in values.get("divergences", ()))
        for name in ("blocked", "notes"):
            values[name] = tuple(values.get(name, ()))
        return cls(**values)


def place_of(journal_index: int | None, command_index: int) -> str:
    """Return `#12` for a journal index, or `command 3` where the journal has no such command."""
    return f"command {command_index}" if journal_index is None else f"#{journal_index}"
