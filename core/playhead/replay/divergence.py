"""One difference between a journal and today's code."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Divergence", "place_of"]


@dataclass(frozen=True, slots=True)
class Divergence:
    """One difference between the journal and today's code."""

    command_index: int
    """Ordinal of the command in the journal, actual or expected; Input is 0."""
    kind: str
    """`added`, `removed`, `renamed`, `moved`, `target`, `parameter`, `headers`,
    `idempotency key`, `value`, `duration`, `arguments`, `output`, `error`, or `mismatch` (the
    SDK's message). Of model calls: `prompt`, `tools`, `settings`, `output schema`, `model`,
    `request` (anything else)."""
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
    cause: str = ""
    """The change of a model call in words, such as `tools reordered`; empty for other commands."""

    @property
    def place(self) -> str:
        """`#12` (journal index), or `command 3` if the journal has no such command."""
        return place_of(self.journal_index, self.command_index)


def place_of(journal_index: int | None, command_index: int) -> str:
    """Return `#12` for a journal index, or `command 3` where the journal has no such command."""
    return f"command {command_index}" if journal_index is None else f"#{journal_index}"
