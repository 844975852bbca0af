"""The client for asynchronous code: invocations from a Restate server and from the store.

`playhead.reader` assembles the lists and details.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from playhead.errors import AmbiguousIdError, NotFoundError, RecorderError, UnreachableError
from playhead.settings import Settings, load

if TYPE_CHECKING:
    from playhead.journal.recording import Recording
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
        Totals,
    )
    from playhead.reader.invocation.call_tree import CallTree
    from playhead.reader.invocation.descendants import InvocationTree
    from playhead.reader.reader import Reader
    from playhead.record.client import StoreClient

__all__ = ["AsyncClient"]

_T = TypeVar("_T")

CANDIDATES = 5
"""Invocations that the hint of an `AmbiguousIdError` lists."""


class AsyncClient:
    """A client of a Restate server and of the store, for event loops.

    It has the same arguments and methods as `Client`, but the methods are coroutines. Use it as an
    asynchronous context manager, or await `close()`.

    Example:
        ```python
        async with playhead.AsyncClient() as client:
            page = await client.invocations(status="failed")
        ```
    """

    def __init__(
        self,
        admin_url: str | None = None,
        store: str | Path | None = None,
        *,
        auth_token: str | None = None,
        settings: Settings | None = None,
        archived: bool = False,
    ) -> None:
        """Configure the client without connecting. See `Client` for the arguments."""
        flags = {"admin_url": admin_url, "store": store, "auth_token": auth_token}
        self.settings = load(flags) if settings is None else settings
        self._reader: Reader | None = None
        self._store: StoreClient | None = None
        self._archived = archived
        self._opening = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def invocations(
        self,
        *,
        limit: int = 100,
        status: str | Iterable[str] | None = None,
        service: str | None = None,
        text: str | None = None,
        since: datetime | timedelta | None = None,
        before: Invocation | None = None,
        filter: str | None = None,  # noqa: A002
        order: Order | None = None,
        figures: bool = True,
    ) -> InvocationPage:
        """Return the newest invocations that match. See `Client.invocations`."""
        if isinstance(since, timedelta):
            since = datetime.now(UTC) - since
        reader = await self._open()
        page = await reader.invocations(
            limit=limit,
            status=status,
            service=service,
            text=text,
            since=since.astimezone(UTC) if since else None,
            before=before,
            filter=filter,
            order=order,
            figures=figures,
        )
        _require_a_source(page)
        return page

    async def invocation(self, invocation_id: str) -> InvocationDetail:
        """Return everything about one invocation. See `Client.invocation`."""
        reader = await self._open()
        detail = await reader.invocation(await self._whole_id(invocation_id))
        if detail is None:
            _require_a_source(await reader.invocations(limit=1))
            raise _not_found(invocation_id)
        return detail

    async def calls(self, invocation_id: str) -> CallTree:
        """Return an invocation with everything that it called. See `Client.calls`."""
        reader = await self._open()
        tree = await reader.calls(await self._whole_id(invocation_id))
        if tree is None:
            _require_a_source(await reader.invocations(limit=1))
            raise _not_found(invocation_id)
        return tree

    async def tree(self, invocation_id: str) -> InvocationTree:
        """Return an invocation with all that it called, in full. See `Client.tree`."""
        from playhead.reader.invocation.descendants import read_tree

        root = await self.invocation(invocation_id)
        reader = await self._open()
        return await read_tree(root, reader.invocation)

    async def payload(self, invocation_id: str, index: int) -> Any:
        """Return the content of one journal entry. See `Client.payload`."""
        reader = await self._open()
        return await reader.payload(await self._whole_id(invocation_id), index)

    async def recording(self, invocation_id: str) -> Recording:
        """Return the journal of one invocation as a recording. See `Client.recording`."""
        from playhead.errors import RecordingError
        from playhead.reader.recordings import find_recording

        reader = await self._open()
        whole_id = await self._whole_id(invocation_id)
        try:
            return await find_recording(self.settings, whole_id, self._store)
        except RecordingError as error:
            page = await reader.invocations(limit=1, id_prefix=whole_id)
            _require_a_source(page)
            if not page.rows:
                raise _not_found(invocation_id) from error
            raise

    async def failures(
        self,
        *,
        filter: str | None = None,  # noqa: A002
        limit: int = 100,
        fingerprint: str = "",
    ) -> FailureGroups:
        """Return the most frequent groups of equal failures. See `Client.failures`."""
        reader = await self._open()
        return await reader.failures(filter=filter, limit=limit, fingerprint=fingerprint)

    async def agents(
        self,
        *,
        filter: str | None = None,  # noqa: A002
        kinds: Sequence[FigureKind] = ("model", "tool", "step"),
    ) -> AgentReport:
        """Return the calls of models, tools and steps, by agent. See `Client.agents`."""
        return await (await self._open()).agents(filter=filter, kinds=kinds)

    async def agent_calls(
        self,
        choice: CallChoice | None = None,
        *,
        filter: str | None = None,  # noqa: A002
        order: CallOrder = "newest",
        limit: int = 100,
    ) -> AgentCallPage:
        """Return single calls of models and tools. See `Client.agent_calls`."""
        reader = await self._open()
        return await reader.agent_calls(choice, filter=filter, order=order, limit=limit)

    async def groups(
        self,
        by: GroupKey,
        *,
        filter: str | None = None,  # noqa: A002
        limit: int = 100,
    ) -> InvocationGroups:
        """Return groups of invocations, the largest first. See `Client.groups`."""
        return await (await self._open()).groups(by, filter=filter, limit=limit)

    async def totals(self, *, filter: str | None = None) -> Totals:  # noqa: A002
        """Return the sums over all invocations that match. See `Client.totals`."""
        return await (await self._open()).totals(filter=filter)

    async def activity(
        self,
        *,
        filter: str | None = None,  # noqa: A002
        minutes: int = 60,
    ) -> Activity:
        """Return started and failed invocations by minute. See `Client.activity`."""
        return await (await self._open()).activity(filter=filter, minutes=minutes)

    async def sql(self, query: str) -> list[dict[str, Any]]:
        """Return the rows of one SELECT over the store. See `Client.sql`."""
        await self._open()
        if self._store is None:
            raise RecorderError(
                f"No recorder is running, and {self.settings.store} has no store",
                "Start `playhead record`, or name another folder with --store.",
            )
        return await self._store.rows(query)

    async def close(self) -> None:
        """Close the connections."""
        reader, self._reader, self._store = self._reader, None, None
        if reader is not None:
            await reader.close()

    async def _open(self) -> Reader:
        from playhead.reader.archived import ArchiveClient
        from playhead.reader.reader import Reader
        from playhead.record.client import connect
        from playhead.restate.client import RestateClient

        async with self._opening:
            if self._reader is None:
                settings = self.settings
                server = RestateClient(
                    settings.admin_url,
                    ingress_url=settings.ingress_url,
                    auth_token=settings.auth_token,
                )
                self._store = await connect(settings, complete=True)
                source = self._store
                if self._archived and source is not None:
                    source = ArchiveClient(source)
                self._reader = Reader(server, source)
            return self._reader

    async def _whole_id(self, invocation_id: str) -> str:
        """Return the complete id for an id or a unique prefix."""
        from playhead.restate.ids import is_invocation_id

        if is_invocation_id(invocation_id):
            return invocation_id
        reader = await self._open()
        page = await reader.invocations(id_prefix=invocation_id, limit=CANDIDATES + 1)
        _require_a_source(page)
        match page.rows:
            case ():
                raise _not_found(invocation_id)
            case (row,):
                return row.id
            case rows:
                few = [f"{row.id}  {row.target}  {row.status}" for row in rows[:CANDIDATES]]
                raise AmbiguousIdError(
                    f"Several ids begin with {invocation_id!r}",
                    "\n".join([*few, *(["…"] if len(rows) > CANDIDATES else [])]),
                )


def _require_a_source(page: InvocationPage) -> None:
    if not page.sources:
        raise UnreachableError(
            "Neither a Restate server nor a store can be read", "\n".join(page.missing)
        )


def _not_found(invocation_id: str) -> NotFoundError:
    return NotFoundError(
        f"No invocation has an id that begins with {invocation_id!r}",
        "`playhead ls` lists the newest invocations.",
    )
