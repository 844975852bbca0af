"""One view over both sources."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from playhead.errors import QueryError, RecorderError, RestateError
from playhead.journal import entries
from playhead.model import Invocation, InvocationDetail, InvocationPage
from playhead.reader.detail import build_detail
from playhead.reader.filters import Filters
from playhead.reader.live import Live
from playhead.reader.payloads import Payloads
from playhead.reader.recorded import Counts, Recorded
from playhead.reader.summary import summary
from playhead.record.client import StoreClient
from playhead.restate import queries
from playhead.restate.client import RestateClient
from playhead.values import decode_value

__all__ = ["Reader"]

_T = TypeVar("_T")

NO_RECORDER = "No recording: attempts, prompts and spans are not known (start `playhead record`)."
NO_SERVER = "No Restate server: this is what was recorded, not what is."


class Reader:
    """Reads invocations from a live server, a recording, or both.

    The live server decides about status and journal while it has the invocation; the recording
    gives the rest: spans, counts, and what the server no longer has. A source that is away
    never raises: the answer says what is missing.
    """

    def __init__(self, client: RestateClient | None, source: StoreClient | None) -> None:
        """Either may be None.

        Args:
            client: the live server.
            source: the recording.
        """
        self.live = Live(client) if client else None
        self.recorded = Recorded(source) if source else None
        self._payloads = Payloads()

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
    ) -> InvocationPage:
        """The newest invocations that match, newest first.

        Args:
            limit: how many at most.
            status: one status or any of several.
            service: of this service.
            text: id or target contains it.
            before: only older than this row: the last of the page before.
            since: created at or after.
            invoked_by: called by the invocation of this id.
            id_prefix: its id begins with this.
        """
        wanted = Filters(
            statuses=(status,) if isinstance(status, str) else tuple(status or ()),
            service=service,
            text=text,
            before=(before.created_at, before.id) if before else None,
            since=since,
            invoked_by=invoked_by,
            id_prefix=id_prefix,
        )
        missing = self._absent()
        live, kept = await asyncio.gather(
            _try(self.live.newest(limit + 1, wanted) if self.live else None, missing),
            _try(self.recorded.newest(limit + 1, wanted) if self.recorded else None, missing),
        )
        rows = {str(row["id"]): summary(row, "stored") for row in kept or ()}
        rows.update(await self._current(set(rows), {str(row["id"]) for row in live or ()}, missing))
        rows |= {str(row["id"]): summary(row, "live") for row in live or ()}
        if wanted.statuses:
            rows = {id_: row for id_, row in rows.items() if row.status in wanted.statuses}
        newest = sorted(rows.values(), key=lambda r: (r.created_at, r.id), reverse=True)
        page = await self._with_counts(newest[:limit], missing)
        return InvocationPage(tuple(page), len(newest) > limit, tuple(missing))

    async def active(self) -> list[dict[str, Any]]:
        """What the invokers hold now: id, in_flight, retry_count, next_retry_at, last_failure.

        Cheap (about a millisecond), so fit to be polled often. Suspended and waiting
        invocations are not in it. Empty without a server.

        Raises:
            RestateError: the server does not answer.
        """
        return await self.live.client.query(queries.ACTIVE) if self.live else []

    async def invocation(self, invocation_id: str) -> InvocationDetail | None:
        """Everything about one invocation; None when no source has it."""
        missing = self._absent()
        live, kept = await asyncio.gather(
            _try(self.live.rows([invocation_id]) if self.live else None, missing),
            _try(self.recorded.rows([invocation_id]) if self.recorded else None, missing),
        )
        row = next(iter(live or kept or ()), None)
        if row is None:
            return None
        source = self.live if live and self.live else self.recorded
        assert source is not None
        head = summary(row, "live" if source is self.live else "stored")
        journal, events, state, spans = await asyncio.gather(
            _try(source.journal(invocation_id), missing),
            _try(source.events(invocation_id), missing),
            _try(source.object_state(head.service, head.key) if head.key else None, missing),
            _try(self.recorded.spans(invocation_id) if self.recorded else None, missing),
        )
        payloads = await _try(
            self._payloads.read_along(source, invocation_id, journal or ()), missing
        )
        return build_detail(
            head,
            row,
            journal=journal or [],
            events=events or [],
            payloads=payloads or {},
            spans=spans,
            state={key: decode_value(value) for key, value in (state or {}).items()},
            missing=missing,
        )

    async def payload(self, invocation_id: str, index: int) -> Any:
        """The content of one journal entry, decoded: JSON, text or bytes; None when it has none.

        A terminal error is given as `{"failure": "[code] message"}`.

        Raises:
            RestateError: the server does not answer, and there is no recording.
            RecorderError: the recording does not answer, and there is no server.
        """
        for source in (self.live, self.recorded):
            if source is None:
                continue
            raw = await source.payloads(invocation_id, [index])
            if index in raw:
                journal = await source.journal(invocation_id)
                row = next((row for row in journal if row.index == index), None)
                if row is None or row.version < 2:
                    return raw[index]
                found = entries.payload_of(row, raw[index])
                return {"failure": found.failure} if found.failure else found.value
        return None

    async def children(self, invocation_id: str) -> InvocationPage:
        """The invocations that this one called, newest first."""
        return await self.invocations(invoked_by=invocation_id, limit=1000)

    async def close(self) -> None:
        """Close both sources."""
        if self.live:
            await self.live.client.close()
        if self.recorded:
            await self.recorded.source.close()

    def _absent(self) -> list[str]:
        missing: list[str] = []
        if self.live is None:
            missing.append(NO_SERVER)
        if self.recorded is None:
            missing.append(NO_RECORDER)
        return missing

    async def _current(
        self, kept: set[str], live: set[str], missing: list[str]
    ) -> dict[str, Invocation]:
        """The live rows of invocations that only the recording listed.

        Its copy may be behind: the server decides about those it still has.
        """
        ids = sorted(kept - live)
        rows = await _try(self.live.rows(ids) if self.live and ids else None, missing)
        return {str(row["id"]): summary(row, "live") for row in rows or ()}

    async def _with_counts(
        self, page: Sequence[Invocation], missing: list[str]
    ) -> list[Invocation]:
        counts = await _try(
            self.recorded.counts([row.id for row in page]) if self.recorded else None, missing
        )
        return [_counted(row, (counts or {}).get(row.id)) for row in page]


def _counted(row: Invocation, counts: Counts | None) -> Invocation:
    """The row with its counts.

    The server sends an attempt's span when the attempt ends, so that one that runs now is one
    more. A first attempt (`retry_count` 1) has no span before it.
    """
    if counts is None:
        return row
    attempts = counts.attempts
    if row.status == "running" and (attempts or row.retry_count <= 1):
        attempts = (attempts or 0) + 1
    return replace(row, attempts=attempts, llm_calls=counts.llm_calls, tokens=counts.tokens)


async def _try(question: Awaitable[_T] | None, missing: list[str]) -> _T | None:
    """The answer, or None with a sentence about what is missing."""
    if question is None:
        return None
    try:
        return await question
    except RestateError as error:
        sentence = f"{error.title}."
    except (RecorderError, QueryError) as error:
        sentence = f"The recording cannot be read: {error}"
    if sentence not in missing:
        missing.append(sentence)
    return None
