"""An invocation that the server dropped before the store had a copy of its end is gone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playhead.formatting import elapsed
from playhead.local import RestateServer
from playhead.model import Status
from playhead.reader.reader import Reader
from playhead.record.client import connect
from playhead.record.journal_copier import JournalCopier
from playhead.restate.client import RestateClient
from playhead.settings import Settings
from playhead.store.database import Store
from waiting import until_async

from otlp import client  # isort: skip


class Stage:
    """A server, and a store that is only open while a copier works on it."""

    def __init__(self, server: RestateServer, settings: Settings, live: RestateClient) -> None:
        self.server, self.settings, self.live = server, settings, live

    async def copy(self) -> None:
        """Copy all changes, as a recorder does that has just started."""
        store = Store(self.settings.store)
        try:
            await JournalCopier(store, self.live).copy_changes()
        finally:
            store.close()

    async def admin(self, verb: str, path: str) -> None:
        async with client() as http:
            await http.request(verb, f"{self.server.admin_url}/invocations/{path}")

    async def status_on_server(self, id_: str) -> str | None:
        rows = await self.live.query(f"SELECT status FROM sys_invocation WHERE id = '{id_}'")
        return rows[0]["status"] if rows else None

    async def shown(self, id_: str, **filters: Any) -> Status | None:
        """Return the status in the list, which must be the one in the details."""
        store = await connect(self.settings)
        reader = Reader(self.live, store)
        page = await reader.invocations(**filters)
        row = next((row for row in page.rows if row.id == id_), None)
        detail = await reader.invocation(id_)
        assert detail is not None
        assert row is None or (row.status, row.ended) == (detail.summary.status, True)
        assert store is not None
        await store.close()
        return row.status if row else None


@pytest.fixture
async def stage(restate: RestateServer, service: str, tmp_path: Path) -> AsyncIterator[Stage]:
    settings = Settings(admin_url=restate.admin_url, store=tmp_path / "store")
    async with RestateClient(restate.admin_url) as live:
        yield Stage(restate, settings, live)


async def test_a_vanished_invocation_is_gone(stage: Stage) -> None:
    async with client() as http:
        response = await http.post(f"{stage.server.ingress_url}/plain/waiting/send")
    id_: str = response.json()["invocationId"]

    async def in_state(wanted: str | None) -> bool:
        return await stage.status_on_server(id_) == wanted

    await until_async(lambda: in_state("running"))
    await stage.copy()
    await stage.admin("PATCH", f"{id_}/kill")
    await until_async(lambda: in_state("completed"))
    await stage.admin("PATCH", f"{id_}/purge")
    await until_async(lambda: in_state(None))

    assert await stage.shown(id_) == "gone", "the reader asks the server"
    assert await stage.shown(id_, status="running") is None
    await stage.copy()
    assert await stage.shown(id_, status="gone") == "gone", "the recorder has marked it"
    store = await connect(stage.settings)
    assert store is not None
    sql = "SELECT status, final FROM invocations JOIN journal_copies USING (id) WHERE id = ?"
    assert await store.rows(sql, [id_]) == [{"status": "gone", "final": True}]
    detail = await Reader(None, store).invocation(id_)
    assert detail is not None
    assert detail.summary.status == "gone"
    later = datetime.now(UTC) + timedelta(hours=1)
    assert elapsed(detail.summary, later) == elapsed(detail.summary), "it does not grow"
    assert elapsed(detail.summary).startswith("≥ ")


async def test_purged_after_its_end_is_not_gone(stage: Stage) -> None:
    async with client() as http:
        response = await http.post(f"{stage.server.ingress_url}/plain/steps/send", json=1)
    id_: str = response.json()["invocationId"]

    async def in_state(wanted: str | None) -> bool:
        return await stage.status_on_server(id_) == wanted

    await until_async(lambda: in_state("completed"))
    await stage.copy()
    await stage.admin("PATCH", f"{id_}/purge")
    await until_async(lambda: in_state(None))
    await stage.copy()
    assert await stage.shown(id_) == "succeeded"
