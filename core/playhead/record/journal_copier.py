"""Incremental copies of invocations, journals, events and state from Restate's SQL API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from playhead.errors import QueryFailedError, RestateError
from playhead.formatting import duration
from playhead.record.changed_invocations import ChangedInvocations
from playhead.restate.client import RestateClient
from playhead.restate.queries import quote
from playhead.store.arrow import ArrowTable, pa, pc
from playhead.store.database import Store
from playhead.store.journal_writer import (
    CopyProgress,
    JournalCopy,
    copy_progress,
    write_copy,
)
from playhead.store.tables import INVOCATION_COLUMNS, JOURNAL_COLUMNS
from playhead.text import without_password

__all__ = ["JournalCopier"]

ROUND_SECONDS = 0.4
RETRY_SECONDS = 1.0
SLOW_SECONDS = 5.0
"""Time without an answer after which the copier reports a problem.

Longer than a client takes to find that the server is gone (`playhead.restate.client.LOST_PROBES`):
it gives up the requests of an outage only then. Those of a shorter one wait for their own limit.
"""
BULK_IDS = 1000
"""Invocations whose rows are read at a time; with 500, the server needs a fifth longer."""
FEWEST_ENTRIES, MOST_ENTRIES = 100, 5000
"""Bounds of the number of journal entries that are read at a time."""
SMALL_BYTES, LARGE_BYTES = 1024 * 1024, 4 * 1024 * 1024
"""Sizes of an answer below and above which the next ones are larger and smaller."""
LONG_JOURNAL = 200
"""Number of copied entries from which a journal is continued instead of read again."""
GONE_MS = -1
"""Time of change of an invocation that is gone: it is copied again if the server has it again."""

_INVOCATION = ", ".join(INVOCATION_COLUMNS)
_JOURNAL = ", ".join(f'"{name}"' for name in JOURNAL_COLUMNS)
_KEYED = ("virtual_object", "workflow")


def _ignore(_: object) -> None:
    return None


class JournalCopier:
    """A copier that keeps the store's copy of one server up to date.

    Invocations that the server purges stay in the store; one that had not ended when it was copied
    gets the status `gone`, unless it was copied from another cluster. A server that does not answer
    is retried.
    """

    def __init__(
        self,
        store: Store,
        client: RestateClient,
        *,
        clock: Callable[[], float] = time.monotonic,
        changed: Callable[[Iterable[str]], object] = _ignore,
    ) -> None:
        """Read the progress of the store's copies; `run` continues them.

        Args:
            store: Store that receives the copies.
            client: The server.
            clock: Monotonic time in seconds.
            changed: Takes the ids of invocations that have been copied.
        """
        self._store = store
        self._clock = clock
        self._changed = changed
        self._query: Callable[[str], Awaitable[ArrowTable]] = client.query_arrow  # pyright: ignore[reportUnknownMemberType]
        self._uncertain = store.uncertain
        self._copied = copy_progress(store)
        self._changes = ChangedInvocations(client, self._copied, clock=clock)
        self._client = client
        self.admin_url = without_password(client.admin_url)
        self._most_entries = FEWEST_ENTRIES
        self._looked = 0.0
        self._without_events: dict[str, int] = {}
        self.last_copy: datetime | None = None
        """Time of the last round after which the store had every change found."""
        self.behind = 0
        """Number of changed invocations that are not copied yet."""
        self.total = 0
        """Number of invocations in the store once these are copied."""
        self._problem: str | None = "not connected yet"
        self.errors = 0

    @property
    def problem(self) -> str | None:
        """Error of the last round, or of a request that waits too long; None if all is well."""
        waiting = self._client.waiting_seconds
        if self._problem is None and waiting > SLOW_SECONDS:
            return f"Restate at {self.admin_url} has not answered for {duration(waiting)}"
        return self._problem

    @property
    def invocations(self) -> int:
        """Return the number of invocations in the store."""
        return len(self._copied)

    @property
    def lag_seconds(self) -> float | None:
        """Return the seconds since the last copy; None before the first."""
        if self.last_copy is None:
            return None
        return (datetime.now(UTC) - self.last_copy).total_seconds()

    @property
    def scan_seconds(self) -> float:
        """Return the duration of the last status scan on the server."""
        return self._changes.scan_seconds

    async def run(self) -> None:
        """Copy changes until cancelled."""
        while True:
            started = time.monotonic()
            try:
                await self.copy_changes()
                pause = ROUND_SECONDS - (time.monotonic() - started)
            except RestateError as error:
                self._problem = error.title
                self.errors += 1
                self._changes.scan_now()
                pause = RETRY_SECONDS
            except Exception as error:  # a row that cannot be stored must not stop the recorder
                self._problem = f"{type(error).__name__}: {error}"
                self.errors += 1
                self._changes.scan_now()
                pause = RETRY_SECONDS
            await asyncio.sleep(max(pause, 0.05))

    async def copy_changes(self) -> int:
        """Copy the changes; return the number of copied invocations.

        Raises:
            RestateError: The server does not answer.
        """
        if self._uncertain != (uncertain := self._store.uncertain):
            # Otherwise journals would be written twice.
            await asyncio.to_thread(self._store.recover)
            stored = await asyncio.to_thread(copy_progress, self._store)
            self._copied.clear()
            self._copied.update(stored)
            self._uncertain = uncertain
        if not self._changes.cluster:
            await self._has_switched()
        ids = await self._changes.find()
        if ids and await self._has_switched():
            ids = await self._changes.find()
        await self._find_events(len(ids))
        self.behind = len(ids)
        self.total = len(self._copied.keys() | ids)
        self._looked = self._clock()
        for chunk in _chunks(ids, BULK_IDS):
            await self._copy(chunk)
            self.behind -= len(chunk)
            self._problem = None
        self.last_copy = datetime.now(UTC)
        self._problem = None
        return len(ids)

    async def _find_events(self, count: int) -> None:
        """Find out which invocations have no events, if most of the server's are to be copied.

        Most have none, and to look for the events of each of them costs the server as much as
        half of its journal.
        """
        self._without_events = {}
        if count > BULK_IDS and 2 * count > self._changes.compared:
            table = await self._query("SELECT DISTINCT id FROM sys_journal_events")
            found = set(table.column("id").to_pylist())
            ended = self._changes.ended.items()
            self._without_events = {id_: at for id_, at in ended if id_ not in found}

    async def _has_switched(self) -> bool:
        """Return whether the server is of another cluster than before; note which."""
        cluster = await self._client.cluster(fresh=True)
        if cluster == self._changes.cluster:
            return False
        self._changes.switch(cluster)
        return True

    def hint(self, invocation_ids: Iterable[str]) -> None:
        """Copy these in the next round: spans have arrived, so they have changed."""
        self._changes.hint(invocation_ids)

    async def _copy_active(self) -> list[str]:
        """Copy what changes while thousands are copied, which does not wait for its turn.

        Return the copied ids, now and then; the rows of them that were read before are older.
        """
        if self._clock() - self._looked <= ROUND_SECONDS:
            return []
        found = await self._changes.find_active()
        for chunk in _chunks(found, BULK_IDS):
            await self._copy(chunk, urgent=True)
        self._looked = self._clock()
        return found

    async def _copy(self, ids: Sequence[str], *, urgent: bool = False) -> None:
        # The rows come first: a later change, while a journal is read, changes modified_at again.
        invocations = await self._query(
            f"SELECT {_INVOCATION} FROM sys_invocation WHERE id IN ({_list(ids)})"
        )
        missing = set(ids) - set(invocations.column("id").to_pylist())
        while invocations.num_rows or missing:
            if not urgent and (newer := await self._copy_active()):
                listed = pc.is_in(invocations.column("id"), pa.array(newer, pa.string()))
                invocations, missing = invocations.filter(pc.invert(listed)), missing - set(newer)
                continue
            count = self._fitting(invocations)
            copy = await self._read(invocations.slice(0, count), missing)
            if await self._has_switched():
                raise QueryFailedError(f"The server at {self.admin_url} is of another cluster now")
            await asyncio.to_thread(write_copy, self._store, copy)
            self._copied.update(copy.progress)
            self._changed(copy.progress)
            invocations, missing = invocations.slice(count), set[str]()

    def _fitting(self, invocations: ArrowTable) -> int:
        """Return the number of invocations whose journals are read at once, at least one."""
        entries = 0
        columns = (invocations.column(name).to_pylist() for name in ("id", "journal_size"))
        for place, (id_, size) in enumerate(zip(*columns, strict=True)):
            copied = self._entries(id_)
            entries += (size or 0) - (copied if copied > LONG_JOURNAL else 0)
            if place and entries > self._most_entries:
                return place
        return invocations.num_rows

    def _note_size(self, journal: ArrowTable) -> None:
        """Choose the number of entries of the next answers by the size of this one."""
        if journal.nbytes > LARGE_BYTES:
            self._most_entries = max(self._most_entries // 4, FEWEST_ENTRIES)
        elif journal.nbytes < SMALL_BYTES and journal.num_rows > self._most_entries // 2:
            self._most_entries = min(self._most_entries * 2, MOST_ENTRIES)

    async def _read(self, invocations: ArrowTable, missing: set[str]) -> JournalCopy:
        """Return what belongs to these rows; the server does not have the missing ids."""
        cluster = self._changes.cluster
        found: list[str] = invocations.column("id").to_pylist()
        long = [id_ for id_ in found if self._entries(id_) > LONG_JOURNAL]
        short = [id_ for id_ in found if self._entries(id_) <= LONG_JOURNAL]
        wheres = [f"id IN ({_list(short)})"] if short else []
        wheres += [f'id = {quote(id_)} AND "index" >= {self._entries(id_)}' for id_ in long]
        journals = [
            await self._query(f"SELECT {_JOURNAL} FROM sys_journal WHERE {where}")
            for where in wheres
        ]
        eventful = self._eventful(invocations) if found else sorted(missing)
        events = (
            await self._query(f"SELECT * FROM sys_journal_events WHERE id IN ({_list(eventful)})")
            if eventful
            else _EMPTY
        )
        objects = _objects(invocations)
        states = [
            await self._query(
                f"SELECT * FROM state WHERE service_name = {quote(service)} "
                f"AND service_key = {quote(key)}"
            )
            for service, key in objects
        ]
        journal = pa.concat_tables(journals) if journals else _EMPTY
        self._note_size(journal)
        gone = {
            id_: replace(known, modified_ms=GONE_MS, final=True)
            for id_ in missing
            if (known := self._copied.get(id_)) and not known.final and known.is_of(cluster)
        }
        replaced = [
            id_ for id_ in found if (known := self._copied.get(id_)) and not known.is_of(cluster)
        ]
        return JournalCopy(
            invocations=invocations,
            journal=journal,
            events=events,
            state=pa.concat_tables(states) if states else None,
            state_of=objects,
            updated=[*(id_ for id_ in found if id_ in self._copied), *gone],
            gone=list(gone),
            progress=self._progress(invocations, journal) | gone,
            cluster=cluster,
            replaced=replaced,
        )

    def _eventful(self, invocations: ArrowTable) -> list[str]:
        """Return the ids of the invocations that may have events."""
        rows = zip(invocations.column("id").to_pylist(), _modified(invocations), strict=True)
        return [id_ for id_, at in rows if self._without_events.get(id_) != (at or 0)]

    def _entries(self, id_: str) -> int:
        known = self._copied.get(id_)
        return known.entries if known and known.is_of(self._changes.cluster) else 0

    def _progress(self, invocations: ArrowTable, journal: ArrowTable) -> dict[str, CopyProgress]:
        ends: dict[str, int] = {}
        if journal.num_rows:
            for id_, index in zip(
                journal.column("id").to_pylist(), journal.column("index").to_pylist(), strict=True
            ):
                ends[id_] = max(ends.get(id_, 0), index + 1)
        columns = (
            invocations.column("id").to_pylist(),
            _modified(invocations),
            invocations.column("completed_at").to_pylist(),
        )
        return {
            id_: CopyProgress(
                at or 0,
                max(ends.get(id_, 0), self._entries(id_)),
                completed is not None,
                self._changes.cluster,
            )
            for id_, at, completed in zip(*columns, strict=True)
        }


_EMPTY = pa.table({})


def _modified(invocations: ArrowTable) -> list[int | None]:
    """Return the times of change in milliseconds since 1970."""
    milliseconds = pc.cast(invocations.column("modified_at"), pa.timestamp("ms", "UTC"))
    return pc.cast(milliseconds, pa.int64()).to_pylist()


def _objects(invocations: ArrowTable) -> list[tuple[str, str]]:
    """Return service and key of the objects and workflows that these invocations ran on."""
    columns: list[list[Any]] = [
        invocations.column(name).to_pylist()
        for name in ("target_service_ty", "target_service_name", "target_service_key")
    ]
    return sorted(
        {
            (service, key)
            for kind, service, key in zip(*columns, strict=True)
            if kind in _KEYED and key is not None
        }
    )


def _chunks(ids: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def _list(ids: Sequence[str]) -> str:
    return ", ".join(map(quote, ids))
