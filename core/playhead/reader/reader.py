"""One view of the live server and the store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from playhead.errors import (
    FilterError,
    PlayheadError,
    QueryError,
    QueryLimitError,
    RecorderError,
    RestateError,
    UnreachableError,
)
from playhead.filters.language import Filter, all_of, parse
from playhead.filters.rows import matches
from playhead.journal import entries
from playhead.model import (
    AgentReport,
    FailureGroups,
    FigureKind,
    GroupKey,
    Invocation,
    InvocationDetail,
    InvocationGroups,
    InvocationPage,
    Order,
    ServiceReport,
    StateHistory,
    Totals,
)
from playhead.reader.agents import read_agents
from playhead.reader.archived import ArchiveClient, archive_note
from playhead.reader.console import SqlConsole
from playhead.reader.failures import read_failures
from playhead.reader.invocation.call_tree import MOST_CALLS, CallTree, read_calls
from playhead.reader.invocation.detail import build_detail
from playhead.reader.invocation.payloads import Payloads
from playhead.reader.invocation.times import spells_of, times_of
from playhead.reader.listing.attempt_counts import StoredAttempts, with_attempts
from playhead.reader.listing.live import LiveInvocations
from playhead.reader.listing.ordered import first_rows, unsortable
from playhead.reader.listing.pages import Merge, gone
from playhead.reader.listing.reasons import Reasons
from playhead.reader.listing.rows import invocation_of
from playhead.reader.listing.stored import Counts, StoredInvocations
from playhead.reader.listing.totals import live_groups, stored_groups, totals_of
from playhead.reader.objects import ObjectReader
from playhead.reader.services import read_services
from playhead.reader.sources import (
    NO_NEW_DATA,
    NO_RECORDER,
    NO_SERVER,
    UNREADABLE,
    Sources,
    try_read,
)
from playhead.reader.state_history import read_state_history
from playhead.record.change_feed import Changes
from playhead.record.client import StoreClient
from playhead.record.progress import copy_problems
from playhead.restate import queries
from playhead.restate.client import RestateClient
from playhead.values import decode_value

__all__ = ["Reader"]

_T = TypeVar("_T")

NOT_ADDED_UP = (
    "No recorder is running: tokens and cost are not added up, and invocations that the server has "
    "deleted are not counted. Start one with `playhead record`."
)


class Reader:
    """The invocations of a live server, the store, or both.

    While the server has an invocation, its status and journal come from there. The store adds
    spans, counts, and invocations that the server has purged. A source that does not answer raises
    no error; the result's `missing` has a sentence about it.
    """

    def __init__(self, client: RestateClient | None, store: StoreClient | None) -> None:
        """Take over both clients; `close` closes them.

        Args:
            client: The live server; None to read the store only.
            store: The store; None to read the server only.
        """
        self._live = LiveInvocations(client) if client else None
        self._stored = StoredInvocations(store) if store else None
        self._sources = Sources(client, store)
        self._objects = ObjectReader(self._sources)
        self._payloads = Payloads()
        self._reasons = Reasons()

    @property
    def objects(self) -> ObjectReader:
        """Reader of virtual objects and workflows."""
        return self._objects

    @property
    def console(self) -> SqlConsole:
        """SQL queries on the store and on the server."""
        return SqlConsole(self._sources)

    async def services(self) -> ServiceReport:
        """Return the registered services and deployments; see `read_services`."""
        return await read_services(self._sources)

    async def invocations(
        self,
        *,
        limit: int = 100,
        status: str | Iterable[str] | None = None,
        service: str | None = None,
        text: str | None = None,
        before: Invocation | None = None,
        since: datetime | None = None,
        invoked_by: str | None = None,
        id_prefix: str | None = None,
        filter: str | Filter | None = None,  # noqa: A002
        order: Order | None = None,
        figures: bool = True,
    ) -> InvocationPage:
        """Return the newest invocations that match, newest first, or the first of another order.

        Args:
            limit: Maximum number of invocations.
            status: A status, or several; an invocation must have one of them.
            service: Name of the service.
            text: Words; each occurs in the id, target, status or last failure, or in the prompts,
                answers, inputs, outputs and errors that were recorded, in any case.
            before: The last row of the previous page; only older invocations are returned.
            since: Earliest creation time.
            invoked_by: Id of the calling invocation.
            id_prefix: Beginning of the id.
            filter: Further conditions, in the filter language.
            order: Another order, over all invocations of both sources; not with `before`.
            figures: Also read attempts, LLM calls, tokens, times and reasons.

        Raises:
            FilterError: The text of the filter is wrong.
        """
        wanted = all_of(
            statuses=(status,) if isinstance(status, str) else tuple(status or ()),
            service=service,
            text=text,
            since=since,
            parent=invoked_by,
            id_prefix=id_prefix,
        ) & _filter_of(filter)
        missing = self._absent()

        def attempt(read: Awaitable[_T] | None) -> Awaitable[_T | None]:
            return try_read(read, missing)

        now = datetime.now(UTC)
        merge = Merge(self._live, self._stored, attempt, now)
        missing += _unanswerable(wanted, stored=self._stored is not None)
        rows: list[Invocation] = []
        more = False
        unsorted = unsortable(order or Order(), stored=self._stored is not None)
        missing += [unsorted] if unsorted else []
        if order is not None and not order.newest_first and not unsorted:
            rows, more = await self._ordered(merge, wanted, order, limit, missing)
        else:
            place = (before.created_at, before.id) if before else None
            async for block in merge.blocks(wanted, place, limit + 1):
                block = await self._waiting(block, wanted, merge, missing)
                more = len(rows) + len(block) > limit
                block = block[: limit - len(rows)]
                if figures:
                    block = await self._with_figures(block, merge.raw, missing)
                rows += block
                if more:
                    break
        copying = await self.copy_problems()
        archived = () if more else await self._archive_note()
        return InvocationPage(
            tuple(rows),
            more=more,
            missing=self._all_missing([*missing, *copying, *archived]),
            copying=copying,
            sources=tuple(merge.answered),
            ordered=not unsorted,
        )

    async def _ordered(
        self, merge: Merge, wanted: Filter, order: Order, limit: int, missing: list[str]
    ) -> tuple[list[Invocation], bool]:
        """Return the first invocations of an order, and whether more match."""
        found: list[Invocation] = []
        more = False
        async for block, further in first_rows(merge, wanted, order, limit):
            block = await self._waiting(block, wanted, merge, missing)
            more = further or len(block) > limit
            found = await self._with_figures(block, merge.raw, missing)
            order.apply(found, merge.now)
            found = found[:limit]
            if len(found) >= limit:
                break
        return found, more

    async def _waiting(
        self, block: list[Invocation], wanted: Filter, merge: Merge, missing: list[str]
    ) -> list[Invocation]:
        """Return the invocations that wait for what the filter names."""
        if not wanted.has_wait:
            return block
        attempts = await self._attempts(block, missing)
        block = await self._explained(block, merge.raw, missing, attempts)
        return [row for row in block if matches(wanted, row, merge.now) is not False]

    async def groups(
        self,
        by: GroupKey,
        *,
        filter: str | Filter | None = None,  # noqa: A002
        limit: int = 100,
    ) -> InvocationGroups:
        """Return groups of the invocations that match, the largest first.

        Args:
            by: What the invocations of a group have in common.
            filter: Only invocations that match.
            limit: Maximum number of groups.

        Raises:
            FilterError: The filter is wrong, or has conditions that are not stored.
            RestateError: The server ceased to answer, or neither source can be read.
            RecorderError: The store cannot be read, and is needed.
        """
        found, missing, _ = await self._grouped(by, _filter_of(filter), limit)
        return replace(found, missing=missing)

    async def totals(self, *, filter: str | Filter | None = None) -> Totals:  # noqa: A002
        """Return the sums over all invocations that match.

        Raises the same errors as `groups`.
        """
        found, missing, from_store = await self._grouped(None, _filter_of(filter), 1)
        copying = await self.copy_problems() if from_store else ()
        return replace(totals_of(found, recorded=from_store), complete=not copying, missing=missing)

    async def _grouped(
        self, by: GroupKey | None, wanted: Filter, limit: int
    ) -> tuple[InvocationGroups, tuple[str, ...], bool]:
        """Return groups, sentences about missing data, and whether the store was read."""
        if wanted.has_wait:
            raise FilterError(
                "wait cannot be used here", "What an invocation waits for is not stored."
            )
        now, missing = datetime.now(UTC), self._absent()
        copying = await self.copy_problems()
        # The store has the figures; whether the server answers is known beforehand.
        active = self._live.client.query(queries.ACTIVE) if self._live else None
        answers = await try_read(active, missing) is not None
        recording = self._stored is not None and self._stored.client.recording
        if self._live and answers and not recording and not wanted.needs_store:
            found = await live_groups(self._live, wanted, now, by, limit)
            return found, (NOT_ADDED_UP, *_unanswerable(wanted, stored=False)), False
        if self._stored is None and not answers:
            raise UnreachableError(
                "Neither a Restate server nor a store can be read", "\n".join(missing)
            )
        found = await _readable(stored_groups(self._store(), wanted, now, by, limit))
        return found, self._all_missing([*missing, *copying]), True

    async def active(self) -> list[dict[str, Any]]:
        """Return the invocations that are running or being retried; empty without a server.

        Each row has id, in_flight, retry_count, next_retry_at and last_failure. The query takes
        about a millisecond, so it can be repeated often. Suspended and waiting invocations are not
        included.

        Raises:
            RestateError: The server does not answer.
        """
        return await self._live.client.query(queries.ACTIVE) if self._live else []

    async def refresh(self, ids: Sequence[str], *, figures: bool = False) -> InvocationPage:
        """Return the current rows of these invocations, in any order.

        A query for 40 invocations takes a few milliseconds at any number of stored ones, so it can
        be repeated often. Of the invocations that the server has deleted, the stored rows are
        returned; ids that neither source has are left out. Without an answer of the server, there
        are no rows, and `sources` is empty.

        Args:
            ids: Complete ids; a few hundred at most.
            figures: Also read what takes longer: attempts, LLM calls, tokens, the parts of the
                time, and why an invocation makes no progress.
        """
        missing: list[str] = []
        live = await try_read(self._live.rows(ids) if self._live else None, missing)
        if live is None:
            return InvocationPage((), more=False, missing=tuple(missing))
        raw: dict[str, Mapping[str, Any]] = {str(row["id"]): row for row in live}
        rows = {id_: invocation_of(row, "live") for id_, row in raw.items()}
        deleted = [id_ for id_ in ids if id_ not in rows]
        stored = await try_read(
            self._stored.rows(deleted) if self._stored and deleted else None, missing
        )
        for row in stored or ():
            raw[str(row["id"])] = row
            rows[str(row["id"])] = gone(invocation_of(row, "stored"))
        found = list(rows.values())
        if figures:
            found = await self._with_figures(found, raw, missing)
        return InvocationPage(tuple(found), more=False, missing=tuple(missing), sources=("live",))

    async def modified_of(self, ids: Sequence[str]) -> dict[str, datetime]:
        """Return when the server last modified these invocations, by id.

        The cheapest question about known invocations; those that the server has deleted are left
        out. A failed attempt does not count as a modification; see `active`.

        Raises:
            RestateError: The server does not answer.
        """
        return await self._live.modified_of(ids) if self._live else {}

    async def modified(self, since: datetime | None, limit: int) -> dict[str, datetime] | None:
        """Return the ids of the invocations that the server modified last, with the time.

        The server scans the status of all its invocations: about a millisecond of CPU time for
        each 1,000.

        Args:
            since: Only invocations that were modified at this time or later.
            limit: Maximum number of invocations; the last modified ones are returned.

        Returns:
            The times of modification by id; None without a server.

        Raises:
            RestateError: The server does not answer.
        """
        return await self._live.modified(since, limit) if self._live else None

    async def changes(self, since: str | None, wait: float) -> Changes | None:
        """Wait for changes in the store. See `StoreClient.changes`; None without a recorder."""
        return await self._stored.client.changes(since, wait) if self._stored else None

    async def copy_problems(self) -> tuple[str, ...]:
        """Return what the recorder has not copied from the server, as sentences.

        Empty when its copy is complete, and without a recorder that answers.
        """
        try:
            health = await self._stored.client.health() if self._stored else None
        except RecorderError:
            return ()
        return tuple(copy_problems(health))

    async def invocation(self, invocation_id: str) -> InvocationDetail | None:
        """Return everything about one invocation; None when neither source has it."""
        missing = self._absent()
        live, stored, copying = await asyncio.gather(
            try_read(self._live.rows([invocation_id]) if self._live else None, missing),
            try_read(self._stored.rows([invocation_id]) if self._stored else None, missing),
            self.copy_problems(),
        )
        missing.extend(copying)
        row = next(iter(live or stored or ()), None)
        if row is None:
            return await self._archived(invocation_id)
        source = self._live if live and self._live else self._stored
        assert source is not None
        head = invocation_of(row, "live" if source is self._live else "stored")
        if live is not None and source is self._stored:
            head = gone(head)
        journal, events, state, spans, counted = await asyncio.gather(
            try_read(source.journal(invocation_id), missing),
            try_read(source.events(invocation_id), missing),
            try_read(source.object_state(head.service, head.key) if head.key else None, missing),
            try_read(self._stored.spans(invocation_id) if self._stored else None, missing),
            try_read(self._stored.attempts([invocation_id]) if self._stored else None, missing),
        )
        payloads = await try_read(
            self._payloads.read(source, invocation_id, journal or ()), missing
        )
        detail = build_detail(
            with_attempts(head, row, counted),
            row,
            journal=journal or [],
            events=events or [],
            payloads=payloads or {},
            spans=spans,
            state={key: decode_value(value) for key, value in (state or {}).items()},
            missing=(),
        )
        [summary] = await self._explained([detail.summary], {invocation_id: row}, missing, counted)
        return replace(detail, summary=summary, missing=self._all_missing(missing))

    async def _archived(self, invocation_id: str) -> InvocationDetail | None:
        """Return everything about an archived invocation; None when it is not archived."""
        if (archive := await self._archive()) is None:
            return None
        detail = await archive.invocation(invocation_id)
        if detail is None:
            return None
        return replace(detail, missing=tuple(m for m in detail.missing if m != NO_SERVER))

    async def _archive(self) -> Reader | None:
        """Return a reader of the store with its archive; None without an archive."""
        client = self._stored.client if self._stored else None
        if client is None or not await self._archive_note():
            return None
        return Reader(None, ArchiveClient(client))

    async def payload(self, invocation_id: str, index: int) -> Any:
        """Return the decoded content of one journal entry: JSON, text or bytes.

        None when the entry has no content or does not exist; `{"failure": "[code] message"}` for a
        terminal error.

        Args:
            invocation_id: The invocation.
            index: The journal index.

        Raises:
            RestateError: The server does not answer, and the store does not have the entry.
            RecorderError: The recorder does not answer.
        """
        unreachable: PlayheadError | None = None
        for source in (self._live, self._stored):
            if source is None:
                continue
            try:
                raw = await source.payloads(invocation_id, [index])
            except RestateError as error:
                unreachable = error
                continue
            if index in raw:
                journal = await source.journal(invocation_id)
                row = next((row for row in journal if row.index == index), None)
                if row is None or row.version < 2:
                    return raw[index]
                found = entries.payload_of(row, raw[index])
                return {"failure": found.failure} if found.failure else found.value
        if unreachable:
            raise unreachable
        archive = await self._archive()
        return await archive.payload(invocation_id, index) if archive else None

    async def children(self, invocation_id: str) -> InvocationPage:
        """Return the invocations that this one called, newest first."""
        return await self.invocations(invoked_by=invocation_id, limit=1000)

    async def state_history(self, service: str, key: str, *, limit: int = 1000) -> StateHistory:
        """Return how invocations changed the state of a virtual object or workflow, oldest first.

        Rebuilt from the commands in the journals of the server and the store, and compared with
        the current state.

        Args:
            service: Name of the service.
            key: Key of the object.
            limit: Maximum number of invocations whose journals are read, the newest ones.
        """
        missing = self._absent()

        def attempt(read: Awaitable[_T] | None) -> Awaitable[_T | None]:
            return try_read(read, missing)

        live = self._live.client if self._live else None
        stored = self._stored.client if self._stored else None
        found = await read_state_history(live, stored, service, key, limit, attempt)
        return replace(found, missing=self._all_missing(missing))

    async def calls(self, invocation_id: str) -> CallTree | None:
        """Return an invocation with everything that it called, across services.

        None when neither source has it.
        """
        page = await self.invocations(id_prefix=invocation_id, limit=1)
        if not page.rows:
            return None

        async def called_by(ids: Sequence[str]) -> InvocationPage:
            return await self.invocations(filter=f"parent={','.join(ids)}", limit=MOST_CALLS)

        return await read_calls(page.rows[0], called_by, page.missing)

    async def failures(
        self,
        *,
        filter: str | Filter | None = None,  # noqa: A002
        limit: int = 100,
        fingerprint: str = "",
    ) -> FailureGroups:
        """Return the most frequent groups of equal failures in the store.

        Args:
            filter: Only failures of invocations that match.
            limit: Maximum number of groups.
            fingerprint: Only groups whose fingerprint begins with this.

        Raises:
            FilterError: The filter is wrong, or has conditions that are not stored.
            RecorderError: There is no store, or it cannot be read.
        """
        found = await _readable(read_failures(
            self._store(), _filter_of(filter), datetime.now(UTC), limit=limit,
            fingerprint=fingerprint,
        ))  # fmt: skip
        return replace(found, missing=await self._store_missing())

    async def agents(
        self,
        *,
        filter: str | Filter | None = None,  # noqa: A002
        kinds: Sequence[FigureKind] = ("model", "tool", "step"),
    ) -> AgentReport:
        """Return the calls of models, tools and steps in the store, by agent.

        Args:
            filter: Only calls of invocations that match.
            kinds: What to count.

        Raises:
            FilterError: The filter is wrong, or has conditions that are not stored.
            RecorderError: There is no store, or it cannot be read.
        """
        rows = await _readable(
            read_agents(self._store(), _filter_of(filter), datetime.now(UTC), kinds)
        )
        return AgentReport(rows, await self._store_missing())

    def _store(self) -> StoreClient:
        if self._stored is None:
            raise RecorderError(
                "No recorder is running, and there is no store",
                "Start `playhead record`, or name another folder with --store.",
            )
        return self._stored.client

    async def _store_missing(self) -> tuple[str, ...]:
        return self._all_missing([*await self.copy_problems(), *await self._archive_note()])

    async def _archive_note(self) -> tuple[str, ...]:
        """Return a sentence about invocations that are in the archive only, if there are any."""
        return await archive_note(self._stored.client) if self._stored else ()

    async def close(self) -> None:
        """Close both clients."""
        if self._live:
            await self._live.client.close()
        if self._stored:
            await self._stored.client.close()

    def _absent(self) -> list[str]:
        missing: list[str] = []
        if self._live is None:
            missing.append(NO_SERVER)
        if self._stored is None:
            missing.append(NO_RECORDER)
        return missing

    async def _explained(
        self,
        page: Sequence[Invocation],
        raw: Mapping[str, Mapping[str, Any]],
        missing: list[str],
        attempts: StoredAttempts | None,
    ) -> list[Invocation]:
        """Return the invocations with the parts of their time, and why they make no progress.

        Args:
            page: The invocations, with their numbers of attempts.
            raw: Their rows of sys_invocation, by id.
            missing: Receives sentences about data that could not be read.
            attempts: What the store knows about their attempts.
        """
        now = datetime.now(UTC)
        spells = {row.id: spells_of(attempts.of(row.id) if attempts else ()) for row in page}
        page = [replace(row, times=times_of(row, raw[row.id], spells[row.id], now)) for row in page]
        found = {row.id: row for row in page}
        for origin, source in (("live", self._live), ("stored", self._stored)):
            rows = [row for row in page if row.origin == origin]
            if rows and source is not None:
                added = await try_read(self._reasons.add(rows, raw, source), missing)
                found |= {row.id: row for row in added or ()}
        return [found[row.id] for row in page]

    def _all_missing(self, missing: list[str]) -> tuple[str, ...]:
        """Return the sentences after a read, when it is known whether a recorder answered."""
        stored = self._stored
        if stored and not stored.client.recording and not any(UNREADABLE in m for m in missing):
            missing = [*missing, NO_NEW_DATA]
        return tuple(dict.fromkeys(missing))

    async def _with_figures(
        self, block: Sequence[Invocation], raw: Mapping[str, Mapping[str, Any]], missing: list[str]
    ) -> list[Invocation]:
        """Return the invocations with their figures, and as `_explained`."""
        ids = [row.id for row in block]
        attempts, counts = await asyncio.gather(
            self._attempts(block, missing),
            try_read(self._stored.counts(ids) if self._stored else None, missing),
        )
        counted = [
            _add_counts(
                with_attempts(row, raw[row.id], attempts), (counts or {}).get(row.id, Counts())
            )
            for row in block
        ]
        return await self._explained(counted, raw, missing, attempts)

    async def _attempts(
        self, rows: Sequence[Invocation], missing: list[str]
    ) -> StoredAttempts | None:
        ids = [row.id for row in rows]
        return await try_read(self._stored.attempts(ids) if self._stored else None, missing)


async def _readable(read: Awaitable[_T]) -> _T:
    """Return the result of a read; a store that an older recorder wrote cannot be read."""
    try:
        return await read
    except QueryLimitError:
        raise
    except QueryError as error:
        raise RecorderError(
            f"The store cannot be read: {error.title}",
            "If an older Playhead wrote it, start `playhead record` on it once.",
        ) from error


def _filter_of(wanted: str | Filter | None) -> Filter:
    return parse(wanted) if isinstance(wanted, str) else wanted or Filter()


def _unanswerable(wanted: Filter, *, stored: bool) -> list[str]:
    """Return sentences about the conditions that cannot be checked without a store."""
    if stored:
        return []
    names = [
        term.field.name if term.field else "-text"
        for term in wanted.terms
        if (term.negated if term.field is None else term.field.source == "store")
    ]
    if names:
        return [f"Without a recorder, {', '.join(dict.fromkeys(names))} cannot be checked."]
    if wanted.texts:
        return ["Without a recorder, text is searched in id, target, status and last failure only."]
    return []


def _add_counts(row: Invocation, counts: Counts) -> Invocation:
    return replace(
        row,
        llm_calls=counts.llm_calls,
        tokens=counts.tokens,
        cost=counts.cost,
        copied_llm_calls=counts.copied_llm_calls,
    )
