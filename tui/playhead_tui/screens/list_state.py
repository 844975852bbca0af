"""What the list says about its rows: how many match, what was searched, why it is empty."""

from __future__ import annotations

from dataclasses import dataclass

from playhead.formatting import cost, count, tokens
from playhead.model import Totals

from playhead_tui.sources.list_query import ListQuery
from playhead_tui.sources.search import Search

__all__ = ["ListState"]


@dataclass(frozen=True)
class ListState:
    """The rows on screen, and where they come from."""

    query: ListQuery
    search: Search
    shown: int
    """Rows on screen."""
    read: int
    """Rows that were read, newest first, without a gap."""
    more: bool
    """Whether older rows were not read."""
    local: bool
    """Whether all rows to show have been read."""
    everything: int | None = None
    """Number of all invocations; None if it is not known."""
    matching: Totals | None = None
    """Totals of what matches; None if they are not known."""

    @property
    def tail(self) -> str:
        """Text after the chips; empty in a whole list without conditions."""
        if self.query.conditions:
            return ", ".join(filter(None, (self._matches, self._sums)))
        if self.query.order.newest_first or not self.more:
            return ""
        if self.local or self.search.failed or (self.search.done and not self.search.ordered):
            return f"sorted among {self._newest}"
        if not self.search.done:
            return f"sorted among {self._newest}, sorting all ..."
        total = self.everything if self.everything is not None else "all"
        return f"the first {self.shown} of {total}" if self.search.more else f"all {self.shown}"

    @property
    def _newest(self) -> str:
        return f"the newest {self.read}" if self.more else str(self.read)

    @property
    def _matches(self) -> str:
        """Return how many rows match, and what was searched."""
        of = f"{self.shown} of {self._newest}"
        if self.local:
            return of
        if self.search.failed:
            return f"{of}, older ones cannot be searched"
        if not self.search.done:
            return f"{self.shown} so far, searching all ..."
        if not self.more and not self.search.more:
            return of
        if not self.search.more:
            return f"{self.shown} found, all searched"
        first = "newest" if self.query.order.newest_first or not self.search.ordered else "first"
        if self.matching and self.matching.invocations >= self.shown:
            return f"the {first} {self.shown} of {count(self.matching.invocations)} found"
        return f"the {first} {self.shown} found"

    @property
    def _sums(self) -> str:
        sums = self.matching
        if sums is None or not sums.llm_calls or sums.invocations < self.shown:
            return ""
        price = f", {cost(sums.cost)}" if sums.cost and sums.cost.usd else ""
        return f"{tokens(sums.tokens)} tokens{price}"

    @property
    def why_nothing_matches(self) -> str:
        """Text of a list whose rows do not match."""
        remove = "Press Esc to remove the filter."
        if self.local or self.search.done:
            return "\n\n".join(("No invocation matches the filter.", *self.search.missing, remove))
        if not self.search.failed:
            return "Searching all invocations ..."  # figures of the rows may not be known yet
        none = f"None of the newest {self.read} invocations matches."
        return "\n\n".join(
            (none, "The older ones cannot be searched:", *self.search.missing, remove)
        )
