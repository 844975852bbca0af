"""Merging reads of one invocation: an older read never replaces a newer one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from playhead.model import Invocation

__all__ = ["KnownRow"]


@dataclass(frozen=True, slots=True)
class KnownRow:
    """A row, and when the reads of its parts started (monotonic seconds)."""

    row: Invocation
    read: float
    """Read of what the server or the stored copy says about it."""
    figures_read: float = -1.0
    """Read of what the store adds: attempts, LLM calls, tokens; -1 before the first."""

    def updated(self, row: Invocation, read: float) -> KnownRow:
        """Return the newer of this and another row of the invocation; the figures stay."""
        old = self.row
        if row.created_at < old.created_at:
            return self
        if row.created_at > old.created_at:  # deleted, then started again under the same id
            return KnownRow(row, read)
        if self._is_newer_than(row, read):
            if read <= self.read:
                return self
            # A later read from the store only: the server no longer has it, or does not answer.
            status = "gone" if row.status == "gone" and not old.ended else old.status
            return KnownRow(replace(old, origin=row.origin, status=status), read, self.figures_read)
        return KnownRow(_with_figures(row, old), read, self.figures_read)

    def with_figures(self, of: Invocation, read: float) -> KnownRow:
        """Return the row with the figures of another read."""
        if read < self.figures_read or of.created_at != self.row.created_at:
            return self
        return KnownRow(_with_figures(self.row, of), self.read, read)

    def keeping(self, row: Invocation) -> KnownRow:
        """Return this with another row in place of an equal one: what is drawn of it is known."""
        same = self.row is not row and self.row == row
        return KnownRow(row, self.read, self.figures_read) if same else self

    def _is_newer_than(self, row: Invocation, read: float) -> bool:
        old = self.row
        if old.status == "gone" and row.origin == "live":
            return read < self.read
        if old.ended and not row.ended:
            return True
        before, after = old.modified_at or old.created_at, row.modified_at or row.created_at
        if before != after:
            return after < before
        if (old.origin, row.origin) == ("live", "stored"):  # a copy, made before the live read
            return True
        return read < self.read


def _with_figures(row: Invocation, of: Invocation) -> Invocation:
    """Return the row with the figures of another one."""
    same = (row.status, row.modified_at) == (of.status, of.modified_at)
    return replace(
        row,
        attempts=of.attempts,
        attempts_at_least=of.attempts_at_least,
        suspensions=of.suspensions,
        llm_calls=of.llm_calls,
        tokens=of.tokens,
        cost=of.cost,
        models=of.models,
        agents=of.agents,
        times=of.times if same else row.times or of.times,
        waiting=of.waiting if same else row.waiting,
    )
