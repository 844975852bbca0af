"""Totals, groups and activity are the counts of the rows, whatever the sources.

The server has invocations that were killed and cancelled, and others that failed with the same
texts. The journal copier copies them into stores.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from ended_alike import ended_alike
from journal_fixtures import Handlers
from playhead.filters.language import parse
from playhead.local import RestateServer
from playhead.model import GroupKey, Invocation
from playhead.reader.archived import ArchiveClient
from playhead.reader.reader import Reader
from playhead.record.client import StoreClient
from playhead.record.journal_copier import JournalCopier
from playhead.restate.client import RestateClient
from playhead.store.database import DATABASE, Store
from playhead.store.query import to_rows
from playhead.store.upkeep import perform
from recorded_store import ClosedStore, RecordedStore
from waiting import until, until_async

FILTERS = (
    "status:failed", "status:killed", "-status:killed,cancelled", "status:failing", "-fail",
    "error:409 -status:failed",
)  # fmt: skip
MINUTES = 1440
NAMES: dict[GroupKey, Callable[[Invocation], str]] = {
    "service": lambda row: row.service,
    "status": lambda row: row.status,
    "key": lambda row: row.key or "",
    "error": lambda row: (row.last_failure or "").split("\n")[0],
}


class OpenStore(ClosedStore):
    """A client of a store that is open in this process."""

    def __init__(self, store: Store, *, recording: bool) -> None:
        self.store = store
        self.recording = recording

    async def rows(self, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        cursor = self.store.cursor()
        try:
            return to_rows(cursor, sql, params)
        finally:
            cursor.close()

    async def close(self) -> None:
        """Leave the store open, which others use."""


@dataclass(frozen=True)
class Traffic:
    server: RestateServer
    expected: dict[str, str]
    """Statuses of the invocations that look killed or cancelled."""
    copies: Store
    """Store with all invocations."""
    archive: Store
    """The same, with all that have ended in the archive."""


@pytest.fixture(scope="module")
def traffic(
    handlers: Handlers, restate: RestateServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Traffic]:
    expected = ended_alike(handlers, restate)
    handlers.call("box/counted/put", {"value": 1})
    copies, archive = (Store(tmp_path_factory.mktemp(name)) for name in ("copies", "archive"))
    for store in (copies, archive):
        asyncio.run(copy(restate, store))
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date()
    moved = perform(archive, {"task": "archive", "before": str(tomorrow)})
    assert moved["rows"]["invocations"] >= len(expected)
    yield Traffic(restate, expected, copies, archive)
    copies.close()
    archive.close()


async def copy(server: RestateServer, store: Store) -> None:
    """Copy all invocations."""
    async with RestateClient(server.admin_url) as client:
        copier = JournalCopier(store, client)

        async def complete() -> bool:
            await copier.copy_changes()
            return copier.behind == 0 and copier.last_copy is not None

        await until_async(complete, "everything is copied")


async def assert_equal(reader: Reader, *, recorded: bool) -> None:
    """Compare every sum over the invocations that match with their rows.

    Args:
        reader: Reader of the sources.
        recorded: Whether it can answer filters that only the store can answer.
    """
    for text in ("", *FILTERS):
        if parse(text).needs_store and not recorded:
            continue
        page = await reader.invocations(filter=text, limit=1000, figures=False)
        assert not page.more
        rows = page.rows
        totals = await reader.totals(filter=text)
        assert totals.by_status == Counter(row.status for row in rows), text
        assert totals.invocations == len(rows), text
        for by, name in NAMES.items():
            if text and by != "status":
                continue
            found = await reader.groups(by, filter=text)
            counts = {one.name: one.totals.by_status for one in found.groups}
            assert counts == _by_name(rows, name), (text, by)
            assert found.total == len(counts)
            for group in found.groups:
                times = [row.created_at for row in rows if name(row) == group.name]
                assert (group.first_at, group.last_at) == (min(times), max(times))
        activity = await reader.activity(filter=text, minutes=MINUTES)
        since = activity.since
        assert sum(activity.started) == sum(row.created_at >= since for row in rows), text
        failed = [row for row in rows if row.status == "failed"]
        assert sum(activity.failed) == sum((row.completed_at or since) >= since for row in failed)


def _by_name(
    rows: Sequence[Invocation], name: Callable[[Invocation], str]
) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        counts.setdefault(name(row), Counter())[row.status] += 1
    return {one: dict(counter) for one, counter in counts.items()}


@pytest.mark.parametrize("sources", ["server", "store", "both", "archive"])
async def test_sums_are_counts_of_the_rows(traffic: Traffic, sources: str) -> None:
    store: StoreClient | None = None
    if sources != "server":
        stored = traffic.archive if sources == "archive" else traffic.copies
        store = OpenStore(stored, recording=sources == "both")
        store = ArchiveClient(store) if sources == "archive" else store
    live = RestateClient(traffic.server.admin_url) if sources in ("server", "both") else None
    reader = Reader(live, store)
    rows = {row.id: row.status for row in (await reader.invocations(limit=1000)).rows}
    assert {id_: rows[id_] for id_ in traffic.expected} == traffic.expected
    await assert_equal(reader, recorded=store is not None)
    if store is not None:
        found = await reader.failures()
        failed = [id_ for id_, status in rows.items() if status == "failed"]
        assert sum(group.terminal for group in found.groups) == len(failed)
    await reader.close()


async def test_what_is_archived_counts_while_the_server_has_it(traffic: Traffic) -> None:
    store = OpenStore(traffic.archive, recording=True)
    reader = Reader(RestateClient(traffic.server.admin_url), store)
    assert (await reader.totals()).invocations >= len(traffic.expected)
    await assert_equal(reader, recorded=True)
    await reader.close()


@pytest.mark.parametrize("journals", [{}, {"problem": "another server answers"}])
async def test_what_is_not_copied_counts_while_the_server_has_it(
    traffic: Traffic, tmp_path: Path, journals: dict[str, Any]
) -> None:
    class Uncopied(OpenStore):
        async def health(self) -> dict[str, Any]:
            return {"journals": journals}

    store = Store(tmp_path)
    client = Uncopied(store, recording=True)
    reader = Reader(RestateClient(traffic.server.admin_url), client)
    totals = await reader.totals()
    assert totals.invocations >= len(traffic.expected)
    assert not totals.complete
    await assert_equal(reader, recorded=False)
    await reader.close()
    store.close()


async def test_the_end_is_known_after_the_server_deletes_the_journal(
    handlers: Handlers, restate: RestateServer, tmp_path: Path
) -> None:
    id_ = handlers.finish("every/raises", {"text": "killed", "code": 409})
    store = Store(tmp_path)
    await copy(restate, store)
    url = f"{restate.admin_url}/invocations/{id_}/purge-journal"
    async with httpx.AsyncClient() as http:
        (await http.patch(url)).raise_for_status()
    until(lambda: not handlers.sql(f"SELECT id FROM sys_journal WHERE id = '{id_}'"))
    for client, status in ((None, "killed"), (OpenStore(store, recording=True), "failed")):
        reader = Reader(RestateClient(restate.admin_url), client)
        [row] = (await reader.invocations(id_prefix=id_)).rows
        assert (row.status, row.origin) == (status, "live")
        assert (await reader.totals(filter=f"id:{id_}")).by_status == {status: 1}
        await reader.close()
    store.close()


async def test_views_tell_failures_from_kills_and_cancellations(tmp_path: Path) -> None:
    store = RecordedStore(tmp_path)
    cancel = '{"Notification": {"id": {"SignalIndex": 1}}}'
    other = cancel.replace("1}", "17}")  # of an awakeable
    for ending in ("killed", "cancelled"):
        journals = {"returned": ["Command: Output"], "open": [],
                    "signal": ["Notification: Signal", "Command: Output"],
                    "awakeable": ["Notification: Signal", "Command: Output"]}  # fmt: skip
        for name, entries in journals.items():
            id_ = store.invocation(
                f"inv_{ending}_{name}", completion_result="failure",
                completion_failure=f"[409] {ending}",
            )  # fmt: skip
            for index, entry in enumerate(entries):
                store.journal.append({
                    "id": id_, "index": index, "entry_type": entry,
                    "entry_lite_json": {"signal": cancel, "awakeable": other}.get(name),
                })  # fmt: skip
    reader = store.write()
    rows = {row.id: row.status for row in (await reader.invocations()).rows}
    failed = {
        "inv_killed_returned", "inv_killed_signal", "inv_killed_awakeable",
        "inv_cancelled_returned", "inv_cancelled_awakeable",
    }  # fmt: skip
    assert {id_ for id_, status in rows.items() if status == "failed"} == failed
    assert set(rows.values()) == {"failed", "killed", "cancelled"}
    assert (await reader.totals()).by_status == Counter(rows.values())
    client = ClosedStore(tmp_path / DATABASE)
    found = await client.rows("SELECT invocation_id AS id FROM failures WHERE kind = 'end'")
    assert {row["id"] for row in found} == failed
    assert (await reader.failures()).failures == len(failed)
