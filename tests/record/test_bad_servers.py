"""A server that misbehaves: the copier says so while it lasts, and goes on when it is over."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from bad_server import ANSWERS, BadServer
from playhead.errors import RestateError
from playhead.local import RestateServer
from playhead.record import journal_copier
from playhead.record.recorder import open_recorder
from playhead.restate import client as restate_client
from playhead.restate.client import RestateClient
from playhead.settings import Settings
from waiting import until_async

from helpers import FREE  # isort: skip

MODES = ["hang", "drip", "cut", "close", *ANSWERS]


@pytest.mark.parametrize("mode", MODES)
async def test_the_copier_says_what_is_wrong_and_recovers(
    restate: RestateServer,
    service: str,
    tmp_path: Path,
    mode: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All limits are shortened together: see `journal_copier.SLOW_SECONDS`."""
    monkeypatch.setattr(journal_copier, "SLOW_SECONDS", 2.0)
    monkeypatch.setattr(restate_client, "PROBE_SECONDS", 0.2)
    monkeypatch.setattr(restate_client, "PROBE_TIMEOUT", 0.5)
    port = int(restate.admin_url.rpartition(":")[2])
    async with BadServer(port) as server:
        settings = Settings(admin_url=server.url, store=tmp_path / "store")
        async with open_recorder(settings, replace(FREE, journals=True)) as recorder:
            copier = recorder.copier
            assert copier is not None
            await until_async(lambda: copier.last_copy is not None, "the first copy")
            server.mode = mode
            await until_async(lambda: copier.problem is not None, "a problem", seconds=60)
            problem = recorder.health()["journals"]["problem"]
            assert problem
            before = copier.last_copy
            server.mode = "pass"
            await until_async(lambda: copier.last_copy != before, "another copy", seconds=60)
            await until_async(lambda: copier.problem is None, "no problem")


@pytest.mark.parametrize("mode", ["drip", "endless", "hang"])
async def test_an_answer_has_a_deadline_in_whole(restate: RestateServer, mode: str) -> None:
    """Each byte of a slow answer started the client's time limit again."""
    port = int(restate.admin_url.rpartition(":")[2])
    async with BadServer(port) as server:
        server.mode = mode
        async with RestateClient(server.url, timeout=0.5) as client:
            with pytest.raises(RestateError, match="did not answer in time"):
                await client.query("SELECT id FROM sys_invocation")
            assert client.waiting_seconds == 0


async def test_a_request_of_before_an_outage_is_sent_again_when_it_is_over(
    restate: RestateServer,
) -> None:
    """The proxy never answers the first request, as a server that was restarted does.

    A change is not sent again, as the server may have made it.
    """
    port = int(restate.admin_url.rpartition(":")[2])
    async with BadServer(port) as server:
        server.mode = "hang"
        with patch.object(restate_client, "PROBE_TIMEOUT", 0.2):
            async with RestateClient(server.url, timeout=3600) as client:
                query = asyncio.create_task(client.query("SELECT 1 AS one"))
                read = asyncio.create_task(client.get("/version"))
                changed = asyncio.create_task(client.change("PATCH", "/version"))
                await until_async(lambda: client.waiting_seconds > 3, "the server counts as gone")
                assert not any(task.done() for task in (query, read, changed))
                server.mode = "pass"
                assert await query == [{"one": 1}]
                assert "version" in await read
                with pytest.raises(RestateError, match="started again meanwhile"):
                    await changed


async def test_a_slow_query_is_not_given_up(restate: RestateServer) -> None:
    """A server that answers other requests meanwhile is only busy."""
    port = int(restate.admin_url.rpartition(":")[2])
    async with BadServer(port) as server:
        async with RestateClient(server.url) as client:
            asked: Any = None
            real = client._http.request

            async def slow(method: str, url: str, **more: Any) -> Any:
                await until_async(lambda: client.waiting_seconds > 2, "the client has asked")
                return await real(method, url, **more)

            with patch.object(client._http, "request", slow):
                asked = await client.query("SELECT 1 AS one")
        assert asked == [{"one": 1}]
