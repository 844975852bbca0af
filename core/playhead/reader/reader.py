"""One view of the live server and the store."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from playhead.filters.language import Filter, all_of
from playhead.model import (
    Activity,
    AgentCallPage,
    AgentReport,
    CallChoice,
    CallOrder,
    FailureGroups,
    FigureKind,
    GroupKey,
    Invocation,
    InvocationDetail,
    InvocationGroups,
    InvocationPage,
    Order,
    ServiceReport,
    Span,
    StateHistory,
    Totals,
)
from playhead.reader.agent_calls import read_agent_calls
from playhead.reader.agents import read_agents
from playhead.reader.console import SqlConsole
from playhead.reader.failures import read_failures
from playhead.reader.figures import Figures
from playhead.reader.invocation.call_tree import MOST_CALLS, CallTree, read_calls
from playhead.reader.invocation_reader import InvocationReader
from playhead.reader.listing.group_reader import GroupReader
from playhead.reader.listing.live import LiveInvocations, ServerChanges
from playhead.reader.listing.matching import filter_of
from playhead.reader.listing.stored import StoredInvocations
from playhead.reader.objects import ObjectReader
from playhead.reader.page_reader import PageReader
from playhead.reader.services import read_services
from playhead.reader.sources import Sources, readable, try_read
from playhead.reader.state_history import read_state_history
from playhead.record.change_feed import Changes
from playhead.record.client import StoreClient
from playhead.restate.client import RestateClient

__all__ = ["Reader"]

_T = TypeVar("_T")


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
        self._live = LiveInvocations(client, store) if client else None
        self._stored = StoredInvocations(store) if store else None
        self._sources = Sources(client, store)
        self._objects = ObjectReader(self._sources)
        figures = Figures(self._live, self._stored)
        self._pages = PageReader(self._sources, figures)
        self._groups = GroupReader(self._sources, self._live)
        self._invocations = InvocationReader(self._sources, figures)

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
        ) & filter_of(filter)
        return await self._pages.page(
            wanted, limit=limit, before=before, order=order, figures=figures
        )

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
        return await self._groups.groups(by, filter_of(filter), limit)

    async def totals(self, *, filter: str | Filter | None = None) -> Totals:  # noqa: A002
        """Return the sums over all invocations that match.

        Raises the same errors as `groups`.
        """
        return await self._groups.totals(filter_of(filter))

    async def activity(
        self,
        *,
        filter: str | Filter | None = None,  # noqa: A002
        minutes: int = 60,
    ) -> Activity:
        """Return the numbers of invocations that were started, and that failed, by minute.

        Args:
            filter: Only invocations that match.
            minutes: Number of minutes, up to the current one.

        Raises the same errors as `groups`.
        """
        return await self._groups.activity(filter_of(filter), minutes)

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
        return await self._pages.rows(ids, figures=figures)

    async def server_changes(
        self, ids: Sequence[str], *, newest: int = 0, since: datetime | None = None
    ) -> ServerChanges | None:
        """Return what shows which invocations have changed on the server; None without a server.

        One request. It takes a few milliseconds, so it can be repeated often, unless `newest` is
        given: then the server scans the status of all its invocations, about a millisecond of CPU
        time for each 1,000.

        Args:
            ids: Complete ids of invocations whose times of modification are wanted.
            newest: Number of the last modified of all invocations to return.
            since: Only last modified ones that were modified at this time or later.

        Raises:
            RestateError: The server does not answer.
        """
        return await self._live.changes(ids, newest, since) if self._live else None

    async def changes(self, since: str | None, wait: float) -> Changes | None:
        """Wait for changes in the store. See `StoreClient.changes`; None without a recorder."""
        return await self._stored.client.changes(since, wait) if self._stored else None

    async def copy_problems(self) -> tuple[str, ...]:
        """Return what the recorder has not copied from the server, as sentences.

        Empty when its copy is complete, and without a recorder that answers.
        """
        return await self._sources.copy_problems()

    async def invocation(
        self, invocation_id: str, *, outline: bool = False
    ) -> InvocationDetail | None:
        """Return everything about one invocation; None when neither source has it.

        Args:
            invocation_id: The invocation.
            outline: Leave out prompts, answers and other contents of the spans of a large trace;
                see `Span.truncated`.
        """
        return await self._invocations.detail(invocation_id, outline=outline)

    async def spans(self, invocation_id: str, span_ids: Sequence[str]) -> list[Span]:
        """Return some spans of an invocation with all they have, in any order.

        The times are those of their processes, which `InvocationDetail.clocks` may correct.

        Raises:
            RecorderError: The recorder does not answer.
        """
        return await self._invocations.spans(invocation_id, span_ids)

    def forget(self, invocation_id: str) -> None:
        """Free the memory of what is kept of a large invocation to read its changes only."""
        self._invocations.forget(invocation_id)

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
        return await self._invocations.payload(invocation_id, index)

    async def payload_bytes(self, invocation_id: str, index: int) -> bytes | None:
        """Return the content of one journal entry as the handler sent or received it.

        None when the entry has no content or does not exist, also for a terminal error. Raises the
        same errors as `payload`.
        """
        return await self._invocations.payload_bytes(invocation_id, index)

    async def raw_entry(self, invocation_id: str, index: int) -> bytes | None:
        """Return what the journal holds of one entry, which is a message of the service protocol.

        None when the entry does not exist. Raises the same errors as `payload`.
        """
        return await self._invocations.raw_entry(invocation_id, index)

    async def children(self, invocation_id: str) -> InvocationPage:
        """Return the invocations that this one called, newest first."""
        return await self.invocations(invoked_by=invocation_id, limit=1000)

    async def state_history(
        self, service: str, key: str, *, limit: int = 1000, cluster: str = ""
    ) -> StateHistory:
        """Return how invocations changed the state of a virtual object or workflow, oldest first.

        Rebuilt from the commands in the journals of the server and the store, and compared with
        the current state.

        Args:
            service: Name of the service.
            key: Key of the object.
            limit: Maximum number of invocations whose journals are read, the newest ones.
            cluster: Its cluster; empty for the server's, or for the only one that is stored.

        Raises:
            AmbiguousObjectError: No server answers, and the store has it of several clusters.
        """
        missing = self._sources.absent()

        def attempt(read: Awaitable[_T] | None) -> Awaitable[_T | None]:
            return try_read(read, missing)

        live = self._live.client if self._live else None
        stored = self._stored.client if self._stored else None
        found = await read_state_history(live, stored, service, key, limit, attempt, cluster)
        return replace(found, missing=self._sources.after_read(missing))

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
        found = await readable(read_failures(
            self._sources.required_store(), filter_of(filter), datetime.now(UTC), limit=limit,
            fingerprint=fingerprint,
        ))  # fmt: skip
        return replace(found, missing=await self._sources.store_missing())

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
        found = await readable(
            read_agents(self._sources.required_store(), filter_of(filter), datetime.now(UTC), kinds)
        )
        return replace(found, missing=await self._sources.store_missing())

    async def agent_calls(
        self,
        choice: CallChoice | None = None,
        *,
        filter: str | Filter | None = None,  # noqa: A002
        order: CallOrder = "newest",
        limit: int = 100,
    ) -> AgentCallPage:
        """Return single calls of models and tools in the store, the first in an order.

        Args:
            choice: Which calls; None for all.
            filter: Only calls of invocations that match.
            order: The order.
            limit: Maximum number of calls.

        Raises:
            FilterError: The filter is wrong, or has conditions that are not stored.
            RecorderError: There is no store, or it cannot be read.
        """
        page = await readable(read_agent_calls(
            self._sources.required_store(), filter_of(filter), datetime.now(UTC),
            choice or CallChoice(), order=order, limit=limit,
        ))  # fmt: skip
        return replace(page, missing=await self._sources.store_missing())

    async def close(self) -> None:
        """Close both clients."""
        if self._live:
            await self._live.client.close()
        if self._stored:
            await self._stored.client.close()
