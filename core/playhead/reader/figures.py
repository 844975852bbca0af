"""Figures of listed invocations: attempts, calls, tokens, cost, times, and what they wait for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from playhead.model import Invocation, Times
from playhead.reader.invocation.times import spells_of, times_of
from playhead.reader.listing.attempt_counts import attempts_of
from playhead.reader.listing.attempt_facts import StoredAttempts
from playhead.reader.listing.live import LiveInvocations
from playhead.reader.listing.reasons import Reasons
from playhead.reader.listing.recent import Recent
from playhead.reader.listing.stored import FoundFigures, StoredInvocations
from playhead.reader.listing.stored_counts import Counts
from playhead.reader.sources import try_read
from playhead.record.shared_requests import together

__all__ = ["Figures"]


class Figures:
    """What a list shows of invocations beside their rows, read from both sources."""

    def __init__(self, live: LiveInvocations | None, stored: StoredInvocations | None) -> None:
        """Take the invocations of the server and of the store."""
        self.live = live
        self.stored = stored
        self._reasons = Reasons()
        self._ended = Recent[Invocation]()
        """Invocations that have ended, for what they were made of."""

    async def add(
        self,
        block: Sequence[Invocation],
        raw: Mapping[str, Mapping[str, Any]],
        missing: list[str],
        known: FoundFigures | None = None,
    ) -> list[Invocation]:
        """Return the invocations with their figures, the parts of their time, and why they wait.

        Args:
            block: The invocations.
            raw: Their rows of sys_invocation, by id.
            missing: Receives sentences about data that could not be read.
            known: Figures that were read with their rows.
        """
        ids = [row.id for row in block]
        with together():
            found = await try_read(
                self.stored.figures(ids, known) if self.stored else None, missing
            )
        attempts, counts = found or (None, {})
        now = datetime.now(UTC)
        added: dict[str, Invocation] = {}
        changed: list[Invocation] = []
        versions: dict[str, tuple[object, ...]] = {}
        watched = attempts.watched if attempts else ()
        for row in block:
            of_row = counts.get(row.id, Counts())
            parts = (row, raw[row.id], attempts and attempts.found.get(row.id), of_row)
            versions[row.id] = parts
            earlier = self._ended.get(row.id, parts) or self._ended.get(row.id, (*parts, watched))
            if earlier is not None:
                added[row.id] = earlier
            else:
                count = attempts_of(row, raw[row.id], attempts)
                times = _times(row, raw[row.id], attempts, count.attempts, now)
                # The only copy: copies take a fifth of the time of a list.
                changed.append(replace(
                    row,
                    attempts=count.attempts,
                    attempts_at_least=count.at_least,
                    suspensions=count.suspensions,
                    times=times,
                    llm_calls=of_row.llm_calls,
                    tokens=of_row.tokens,
                    cost=of_row.cost,
                    models=of_row.models,
                    agents=of_row.agents,
                    copied_llm_calls=of_row.copied_llm_calls,
                ))  # fmt: skip
        before = len(missing)
        for row in await self._waiting(changed, raw, missing):
            added[row.id] = row
            if row.ended and len(missing) == before:  # its times no longer grow
                parts = versions[row.id]
                # Longer recording changes only numbers that are not certain.
                version = parts if row.attempts is not None else (*parts, watched)
                self._ended.put(row.id, version, row)
        return [added[row.id] for row in block]

    async def attempts(
        self, rows: Sequence[Invocation], missing: list[str]
    ) -> StoredAttempts | None:
        """Return what the store knows about the attempts of invocations."""
        ids = [row.id for row in rows]
        return await try_read(self.stored.attempts(ids) if self.stored else None, missing)

    async def explained(
        self,
        page: Sequence[Invocation],
        raw: Mapping[str, Mapping[str, Any]],
        missing: list[str],
        attempts: StoredAttempts | None,
        now: datetime | None = None,
    ) -> list[Invocation]:
        """Return the invocations with the parts of their time, and why they make no progress.

        Args:
            page: The invocations, with their numbers of attempts.
            raw: Their rows of sys_invocation, by id.
            missing: Receives sentences about data that could not be read.
            attempts: What the store knows about their attempts.
            now: Time to which their current parts are counted, by default the clock's.
        """
        now = now or datetime.now(UTC)
        timed = [
            replace(row, times=_times(row, raw[row.id], attempts, row.attempts, now))
            for row in page
        ]
        return await self._waiting(timed, raw, missing)

    async def _waiting(
        self,
        page: Sequence[Invocation],
        raw: Mapping[str, Mapping[str, Any]],
        missing: list[str],
    ) -> list[Invocation]:
        """Return the invocations with why they make no progress."""
        found = {row.id: row for row in page}
        for origin, source in (("live", self.live), ("stored", self.stored)):
            rows = [row for row in page if row.origin == origin]
            if rows and source is not None:
                added = await try_read(self._reasons.add(rows, raw, source), missing)
                found |= {row.id: row for row in added or ()}
        return [found[row.id] for row in page]


def _times(
    row: Invocation,
    raw: Mapping[str, Any],
    attempts: StoredAttempts | None,
    number: int | None,
    now: datetime,
) -> Times:
    """Return the parts of the time of an invocation with this number of attempts."""
    spells = spells_of(attempts.of(row.id) if attempts else ())
    return times_of(row, raw, spells, now, attempts=number)
