"""Clients that stay open while recorders end and start, and several clients of one file."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playhead import AsyncClient, Client
from playhead.errors import RecorderError
from playhead.record import client as record_client
from playhead.record.process import start_recorder
from playhead.settings import Settings
from playhead.store.database import DATABASE, Store
from situations import Situation

COUNT = "SELECT count(*) AS n FROM invocations"
NO_JOURNALS = "The recorder copies no journals: it was started with --no-journal."


@pytest.fixture
def copied(situation: Callable[[str, int], Situation], tmp_path: Path) -> Settings:
    """Settings with the server, and a copy of the store for this test only."""
    there = situation("server and file", 10)
    store = tmp_path / "store"
    store.mkdir()
    (store / DATABASE).write_bytes((there.settings.store / DATABASE).read_bytes())
    return replace(there.settings, store=store)


async def test_a_client_follows_recorders_that_end_and_start(
    copied: Settings, tmp_path: Path
) -> None:
    async def recorder(number: int) -> Any:
        log = tmp_path / f"recorder-{number}.log"
        return await asyncio.to_thread(start_recorder, copied, log, free_ports=True, journals=False)

    async with AsyncClient(settings=copied) as client:
        missing = (await client.invocations()).missing
        assert len(missing) == 1
        assert "No recorder is running: nothing new is stored" in missing[0]
        for number in range(2):
            running = await recorder(number)
            # The file is in use by the recorder, which answers in its place.
            assert await client.sql(COUNT) == [{"n": 10}]
            page = await client.invocations()
            assert (len(page.rows), page.missing) == (10, (NO_JOURNALS,))
            running.signal(signal.SIGKILL)
            await asyncio.to_thread(running.stop)
            page = await client.invocations()
            assert (len(page.rows), page.missing) == (10, missing)
            assert {row.origin for row in page.rows} == {"live"}
            assert await client.sql(COUNT) == [{"n": 10}]


def test_clients_of_one_process_share_the_file(
    situation: Callable[[str, int], Situation],
) -> None:
    there = situation("file", 10)

    def count(number: int) -> int:
        with Client(settings=there.settings) as client:
            return len(client.invocations().rows)

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(count, range(6))) == [10] * 6


def test_a_store_in_use_by_another_program_is_said(copied: Settings, monkeypatch) -> None:
    monkeypatch.setattr(record_client, "STARTING_SECONDS", 0.2)
    held = Store(copied.store)
    try:
        with Client(settings=copied) as client:
            page = client.invocations()
            with pytest.raises(RecorderError, match="cannot be opened"):
                client.sql(COUNT)
    finally:
        held.close()
    assert len(page.rows) == 10
    [sentence] = page.missing
    assert "The store cannot be read" in sentence
    assert "Close the process that has the file open" in sentence


def test_a_damaged_store_is_said_and_the_server_is_shown(copied: Settings) -> None:
    (copied.store / DATABASE).write_bytes(b"not a database" * 1000)
    with Client(settings=copied) as client:
        page = client.invocations()
    assert len(page.rows) == 10
    assert "The store cannot be read" in page.missing[0]


async def test_a_recording_is_read_over_the_open_connections(
    situation: Callable[[str, int], Situation], monkeypatch
) -> None:
    there = situation("recorder", 10)
    opened: list[Settings] = []
    connect = record_client.connect

    async def counted(settings: Settings, **options: Any) -> Any:
        opened.append(settings)
        return await connect(settings, **options)

    for module in ("playhead.record.client", "playhead.reader.recordings"):
        monkeypatch.setattr(f"{module}.connect", counted)
    async with AsyncClient(settings=there.settings) as client:
        recording = await client.recording(there.ids["ask"][:20])
    assert recording.id == there.ids["ask"]
    assert len(opened) == 1
