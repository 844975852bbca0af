"""A small durable service on a real server, and independent questions to that server."""

from __future__ import annotations

import itertools
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from playhead.local import RestateServer
from python_service import python_service

SERVICE = """
import asyncio, sys
import hypercorn.asyncio, hypercorn.config, restate

desk = restate.Workflow("Reception")

@desk.main()
async def wait(ctx: restate.WorkflowContext, request: int) -> str:
    return await ctx.promise("answer", type_hint=str).value()

@desk.handler()
async def answer(ctx: restate.WorkflowSharedContext, text: str) -> None:
    await ctx.promise("answer", type_hint=str).resolve(text)

counter = restate.Service("Counter")

@counter.handler()
async def double(ctx: restate.Context, number: int) -> int:
    return 2 * number

app = restate.app([desk, counter])
config = hypercorn.config.Config()
config.bind = [f"127.0.0.1:{sys.argv[1]}"]
asyncio.run(hypercorn.asyncio.serve(app, config))
"""


class DeskService:
    """Invocations of the service, and what the server's own SQL says about them."""

    def __init__(self, server: RestateServer) -> None:
        self.server = server
        self._keys = itertools.count()
        self._key_of: dict[str, str] = {}

    def call(self, number: int) -> str:
        """Call a handler that returns at once; return the id of the ended invocation."""
        answer = httpx.post(f"{self.server.ingress_url}/Counter/double", json=number)
        return answer.raise_for_status().headers["x-restate-id"]

    def wait(self) -> str:
        """Start an invocation that waits for `answer`; return its id."""
        key = f"{id(self)}-{next(self._keys)}"
        url = f"{self.server.ingress_url}/Reception/{key}/wait/send"
        ident: str = httpx.post(url, json=1).raise_for_status().json()["invocationId"]
        self._key_of[ident] = key
        return ident

    def answer(self, ident: str) -> None:
        """Answer, and wait until the invocation has ended."""
        key = self._key_of[ident]
        httpx.post(
            f"{self.server.ingress_url}/Reception/{key}/answer", json="yes"
        ).raise_for_status()
        url = f"{self.server.ingress_url}/restate/workflow/Reception/{key}/attach"
        httpx.get(url, timeout=30).raise_for_status()

    def purge(self, ident: str) -> None:
        """Delete an ended invocation."""
        url = f"{self.server.admin_url}/invocations/{ident}/purge"
        httpx.patch(url).raise_for_status()

    def row(self, ident: str) -> dict[str, Any]:
        """Return the server's row of an invocation."""
        [row] = self.sql(f"SELECT * FROM sys_invocation WHERE id = '{ident}'")
        return row

    def sql(self, query: str) -> list[dict[str, Any]]:
        """Return the rows of a query, as the server answers it."""
        url, headers = f"{self.server.admin_url}/query", {"accept": "application/json"}
        answer = httpx.post(url, json={"query": query}, headers=headers).raise_for_status()
        rows: list[dict[str, Any]] = answer.json()["rows"]
        return rows


@contextmanager
def desk_service(server: RestateServer, folder: Path) -> Generator[DeskService]:
    """Run the service and register it at the server."""
    with python_service(server, folder / "desk_service.py", SERVICE):
        yield DeskService(server)
