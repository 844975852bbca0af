"""Groups and totals of the invocations of both sources."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from playhead.errors import FilterError, UnreachableError
from playhead.filters.language import Filter
from playhead.model import Activity, GroupKey, InvocationGroups, Totals
from playhead.reader.listing.live import LiveInvocations
from playhead.reader.listing.matching import unanswerable
from playhead.reader.listing.minutes import live_activity, stored_activity
from playhead.reader.listing.totals import live_groups, stored_groups, totals_of
from playhead.reader.sources import Sources, readable, try_read
from playhead.restate import queries

__all__ = ["GroupReader"]

NOT_ADDED_UP = (
    "No recorder is running: tokens and cost are not added up, and invocations that the server has "
    "deleted are not counted. Start one with `playhead record`."
)


class GroupReader:
    """Groups invocations in the store, or in the server while there is no recorder."""

    def __init__(self, sources: Sources, live: LiveInvocations | None) -> None:
        """Take the sources, and the invocations of the server."""
        self._sources = sources
        self._live = live

    async def groups(self, by: GroupKey, wanted: Filter, limit: int) -> InvocationGroups:
        """Return groups of the invocations that match; see `Reader.groups`."""
        found, missing, *_ = await self._grouped(by, wanted, limit)
        return replace(found, missing=missing)

    async def totals(self, wanted: Filter) -> Totals:
        """Return the sums over all invocations that match; see `Reader.totals`."""
        found, missing, from_store, copying = await self._grouped(None, wanted, 1)
        return replace(totals_of(found, recorded=from_store), complete=not copying, missing=missing)

    async def activity(self, wanted: Filter, minutes: int) -> Activity:
        """Return started and failed invocations by minute; see `Reader.activity`."""
        now = datetime.now(UTC)
        live, missing, _ = await self._source(wanted)
        if live:
            found = await live_activity(live, wanted, now, minutes)
            return replace(found, missing=missing)
        store = self._sources.required_store()
        found = await readable(stored_activity(store, wanted, now, minutes))
        return replace(found, missing=self._sources.after_read([*missing]))

    async def _grouped(
        self, by: GroupKey | None, wanted: Filter, limit: int
    ) -> tuple[InvocationGroups, tuple[str, ...], bool, tuple[str, ...]]:
        """Return groups, what is missing, whether the store was read, and what it does not have."""
        now = datetime.now(UTC)
        live, missing, copying = await self._source(wanted)
        if live:
            return await live_groups(live, wanted, now, by, limit), missing, False, ()
        found = await readable(
            stored_groups(self._sources.required_store(), wanted, now, by, limit)
        )
        return found, self._sources.after_read([*missing]), True, copying

    async def _source(
        self, wanted: Filter
    ) -> tuple[LiveInvocations | None, tuple[str, ...], tuple[str, ...]]:
        """Return the server if it is to be read, else None for the store; and what is missing.

        The last value is what the recorder has not copied, as sentences, which are also missing.
        """
        if wanted.has_wait:
            raise FilterError(
                "wait cannot be used here", "What an invocation waits for is not stored."
            )
        missing = self._sources.absent()
        copying = await self._sources.copy_problems()
        # The store has the figures; whether the server answers is known beforehand.
        active = self._live.client.query(queries.ACTIVE) if self._live else None
        answers = await try_read(active, missing) is not None
        store = self._sources.store
        recording = store is not None and store.recording
        if self._live and answers and not recording and not wanted.needs_store:
            return self._live, (NOT_ADDED_UP, *unanswerable(wanted, stored=False)), copying
        if store is None and not answers:
            raise UnreachableError(
                "Neither a Restate server nor a store can be read", "\n".join(missing)
            )
        return None, (*missing, *copying), copying
