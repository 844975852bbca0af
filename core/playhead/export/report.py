"""What an export did: numbers of spans, and the reasons of those that were rejected."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from playhead.export.stored_spans import Totals

__all__ = ["Report", "Result"]


@dataclass(frozen=True, slots=True)
class Result:
    """Outcome of one request."""

    keys: tuple[int, ...]
    """Keys of the spans that the target has answered for; they are not sent again."""
    accepted: int
    rejected: int = 0
    reason: str = ""
    """Why spans were rejected, in the target's words."""


@dataclass
class Report:
    """What an export did."""

    totals: Totals
    accepted: int = 0
    rejected: int = 0
    sent_before: int = 0
    """Spans that the target had accepted before."""
    too_old: int = 0
    """Spans that were not sent because the target refuses spans of their age."""
    left_out: int = 0
    """Spans of the server that were not sent, because only those of agents are wanted."""
    requests: int = 0
    reasons: Counter[str] = field(default_factory=Counter[str])
    """Rejected spans by reason."""

    @property
    def handled(self) -> int:
        """Number of spans that were sent or left out."""
        return self.accepted + self.rejected + self.sent_before + self.too_old + self.left_out

    def add(self, result: Result) -> None:
        """Count the outcome of one request."""
        self.accepted += result.accepted
        self.rejected += result.rejected
        if result.rejected:
            self.reasons[result.reason] += result.rejected
