"""What a killed recorder acknowledged is found by commands that run without a recorder."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from playhead import Client
from playhead.errors import StoreLockedError
from playhead.record.client import StoreClient, connect
from playhead.record.ingest.request_log import FOLDER, RequestLog
from playhead.record.store_tasks import run_task
from playhead.settings import Settings
from playhead.store.database import Store

from otlp import request  # isort: skip

COUNT = "SELECT count(*) AS spans FROM spans"


@pytest.fixture
async def killed(settings: Settings) -> Settings:
    """A store whose recorder was killed between an acknowledgement and its commit."""
    Store(settings.store).close()
    log = RequestLog(settings.store / FOLDER)
    for seed in range(3):
        await log.append(request(5, seed=seed).SerializeToString(), 1000)
    log.close()
    return settings


async def opened(settings: Settings, *, complete: bool) -> StoreClient:
    client = await connect(settings, complete=complete)
    assert client is not None
    return client


async def test_a_client_commits_the_log_once(killed: Settings) -> None:
    assert await (await opened(killed, complete=False)).rows(COUNT) == [{"spans": 0}]
    for _ in range(2):
        assert await (await opened(killed, complete=True)).rows(COUNT) == [{"spans": 15}]
    assert sum(path.stat().st_size for path in (killed.store / FOLDER).iterdir()) == 0


async def test_a_store_in_use_is_left_alone(killed: Settings) -> None:
    """Another process holds the lock: a recorder that starts, and commits the log itself."""
    store = Store(killed.store)
    try:
        with pytest.raises(StoreLockedError):
            await run_task(killed, {"task": "summary"})
        await opened(killed, complete=True)
        assert store.cursor().execute("SELECT count(*) FROM spans").fetchall() == [(0,)]
    finally:
        store.close()
    assert await (await opened(killed, complete=True)).rows(COUNT) == [{"spans": 15}]


async def test_a_backup_and_the_archive_have_what_was_acknowledged(
    killed: Settings, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.duckdb"
    await run_task(killed, {"task": "backup", "path": str(copy)})
    with duckdb.connect(str(copy), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM spans").fetchall() == [(15,)]
    document = await run_task(killed, {"task": "archive", "before": "2100-01-01"})
    assert document["rows"]["spans"] == 15


def test_sql_counts_what_was_acknowledged(killed: Settings) -> None:
    with Client(settings=killed) as client:
        assert client.sql(COUNT) == [{"spans": 15}]
