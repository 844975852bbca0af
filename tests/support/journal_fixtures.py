"""Fixtures: the service with every kind of journal entry on a real server, and a client of it.

Folders import these fixtures in their conftest.py. Each folder has a separate server.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playhead.local import ManagedProcess, RestateServer, free_port
from playhead.restate.client import RestateClient
from waiting import until_async

SERVICE_FOLDER = Path(__file__).parent


@pytest.fixture(scope="session")
def restate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestateServer]:
    """A server for one folder, because its tests count deployments, which all must answer."""
    with RestateServer(tmp_path_factory.mktemp("restate-of-folder")) as server:
        yield server


class Handlers:
    """Call the handlers, and count the executions of their steps."""

    def __init__(self, server: RestateServer, log: Path) -> None:
        self.server = server
        self.log = log

    def call(self, path: str, body: Any, *, ok: bool = True) -> Any:
        response = httpx.post(f"{self.server.ingress_url}/{path}", json=body, timeout=30)
        assert response.is_success == ok, response.text
        return response.json()

    def send(self, path: str, body: Any) -> str:
        return self.call(f"{path}/send", body)["invocationId"]

    def finish(self, path: str, body: Any) -> str:
        """Send a request, wait until its invocation ends, and return the id."""
        id_ = self.send(path, body)
        url = f"{self.server.ingress_url}/restate/invocation/{id_}/attach"
        httpx.get(url, timeout=30)
        return id_

    def ran(self, what: str) -> int:
        return self.log.read_text().splitlines().count(what)

    def sql(self, query: str) -> list[dict[str, Any]]:
        response = httpx.post(
            f"{self.server.admin_url}/query",
            json={"query": query},
            headers={"accept": "application/json"},
        )
        response.raise_for_status()
        rows: list[dict[str, Any]] = json.loads(response.content)["rows"]
        return rows

    async def until(self, id_: str, status: str) -> None:
        """Wait until the server reports this status for the invocation."""
        query = f"SELECT status FROM sys_invocation WHERE id = '{id_}'"
        await until_async(
            lambda: [row["status"] for row in self.sql(query)] == [status], f"{id_} is {status}"
        )


@pytest.fixture(scope="session")
def handlers(
    restate: RestateServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Handlers]:
    folder = tmp_path_factory.mktemp("handlers")
    port = free_port()
    script = SERVICE_FOLDER / "journal_service.py"
    log = folder / "ran.txt"
    log.touch()
    child = ManagedProcess(
        "handlers",
        [sys.executable, script, str(port)],
        log=folder / "handlers.log",
        env={"HANDLERS_LOG": str(log)},
    )
    child.start()
    try:
        child.wait_until(_answers(port), seconds=60, what="it answered")
        restate.register(f"http://127.0.0.1:{port}")
        yield Handlers(restate, log)
    finally:
        child.kill()  # the SDK replaces hypercorn's SIGTERM handler


def _answers(port: int) -> Callable[[], bool]:
    def answers() -> bool:
        try:
            httpx.get(f"http://127.0.0.1:{port}/restate/health")
        except httpx.HTTPError:
            return False
        return True

    return answers


@pytest.fixture
async def client(restate: RestateServer) -> AsyncIterator[RestateClient]:
    async with RestateClient(restate.admin_url, ingress_url=restate.ingress_url) as found:
        yield found
