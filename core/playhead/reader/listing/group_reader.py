"""Groups and totals of the invocations of both sources."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from playhead.errors import FilterError, UnreachableError
from playhead.filters.language import Filter
from playhead.model import Activity, GroupKey, InvocationGroups, Totals
from playhead.reader.listing.live import LiveInvocations
from playhead.reader.listing.matching import unanswerable
from playhead.reader.listing.minutes import first_minute, live_activity, stored_activity
from playhead.reader.listing.removed import RemovedInvocations
from playhead.reader.listing.totals import live_groups, stored_groups, totals_of
from playhead.reader.sources import Sources, readable, try_read
from playhead.record.shared_requests import together
from playhead.restate import queries

__all__ = ["GroupReader"]

ANSWERED_SECONDS = 1.0
"""Time after an answer in which the server is not asked whether it answers."""
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
        store = sources.store
        self._removed = RemovedInvocations(live, store) if live and store else None

    async def groups(self, by: GroupKey, wanted: Filter, limit: int) -> InvocationGroups:
        """Return groups of the invocations that match; see `Reader.groups`."""
        found, _ = await self._grouped(by, wanted, limit)
        return found

    async def totals(self, wanted: Filter) -> Totals:
        """Return the sums over all invocations that match; see `Reader.totals`."""
        found, source = await self._grouped(None, wanted, 1)
        totals = totals_of(found, recorded=source.from_store)
        return replace(totals, complete=not source.incomplete, missing=found.missing)

    async def activity(self, wanted: Filter, minutes: int) -> Activity:
        """Return started and failed invocations by minute; see `Reader.activity`."""
        now = datetime.now(UTC)
        source = await self._source(wanted)
        if source.live and not source.from_store:
            found = await live_activity(source.live, wanted, now, minutes)
            return replace(found, missing=(*source.missing, *found.missing))
        more: Sequence[Mapping[str, Any]] = ()
        if source.live and source.removed:
            since = first_minute(now, minutes)
            more, _ = await source.live.by_minute(wanted, now, since, source.removed)
        store = self._sources.required_store()
        found = await readable(stored_activity(store, wanted, now, minutes, more))
        return replace(found, missing=self._sources.after_read([*source.missing]))

    async def _grouped(
        self, by: GroupKey | None, wanted: Filter, limit: int
    ) -> tuple[InvocationGroups, _Source]:
        """Return groups with sentences about what is missing, and where they come from."""
        now = datetime.now(UTC)
        source = await self._source(wanted)
        if source.live and not source.from_store:
            found = await live_groups(source.live, wanted, now, by, limit)
            return replace(found, missing=(*source.missing, *found.missing)), source
        more: Sequence[Mapping[str, Any]] = ()
        if source.live and source.removed:
            more, _ = await source.live.grouped(wanted, now, by, source.removed)
        store = self._sources.required_store()
        found = await readable(stored_groups(store, wanted, now, by, limit, more))
        return replace(found, missing=self._sources.after_read([*source.missing])), source

    async def _source(self, wanted: Filter) -> _Source:
        """Return what is to be read."""
        if wanted.has_wait:
            raise FilterError(
                "wait cannot be used here", "What an invocation waits for is not stored."
            )
        missing = self._sources.absent()
        counted = self._removed if not wanted.needs_store else None
        with together():
            copying, number = await asyncio.gather(
                self._sources.copy_problems(), counted.number() if counted else _nothing()
            )
        answers = await self._server_answers(missing)
        store = self._sources.store
        recording = store is not None and store.recording
        live = self._live if answers else None
        if live and not recording and not wanted.needs_store:
            unknown = unanswerable(wanted, stored=False)
            return _Source(live, from_store=False, missing=(NOT_ADDED_UP, *unknown))
        if store is None and not answers:
            raise UnreachableError(
                "Neither a Restate server nor a store can be read", "\n".join(missing)
            )
        # Filters that only the store can answer do not match what it does not have.
        removed: Sequence[str] = ()
        left_out: tuple[str, ...] = ()
        if live and self._removed and not wanted.needs_store:
            uncopied = bool(copying) and await self._sources.copies_nothing()
            removed, left_out = await readable(self._removed.ids(number, uncopied=uncopied))
        incomplete = (*copying, *left_out)
        return _Source(
            live, from_store=True, missing=(*missing, *incomplete), incomplete=incomplete,
            removed=removed,
        )  # fmt: skip

    async def _server_answers(self, missing: list[str]) -> bool:
        """Return whether the server answers: the store has the figures, so it is not read."""
        if self._live is None:
            return False
        if self._live.client.answered_seconds < ANSWERED_SECONDS:
            return True
        return await try_read(self._live.client.query(queries.ACTIVE), missing) is not None


async def _nothing() -> None:
    """Return None."""


@dataclass(frozen=True, slots=True)
class _Source:
    """What is read."""

    live: LiveInvocations | None
    """The server; None without an answer."""
    from_store: bool
    """Whether the store is read, which has the figures."""
    missing: tuple[str, ...]
    """Sentences about what is missing."""
    incomplete: tuple[str, ...] = ()
    """Those about invocations that the store does not have."""
    removed: Sequence[str] = ()
    """Invocations that lists show although the store does not have them."""
