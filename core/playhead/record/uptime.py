"""The periods in which the recorder and the server ran without interruption.

A span that the server exports while the recorder is away is lost, and so are the unsent spans of a
killed server. Within a period, every attempt that ended has a span.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from playhead.restate.client import cluster_name
from playhead.store.database import Store

__all__ = ["Uptime"]

POLL_SECONDS = 0.5
WRITE_SECONDS = 2.0
TIMEOUT_SECONDS = 30.0
_NOW = "SELECT arrow_cast(now(), 'Int64') AS nanoseconds"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Uptime:
    """Asks the server for its time over one connection, and keeps the periods in the store.

    The connection is kept open: a new one means that the server may have been restarted.
    """

    def __init__(
        self,
        store: Store,
        admin_url: str,
        *,
        auth_token: str | None = None,
        losses: Callable[[], int] = lambda: 0,
        spans: Callable[[], int] = lambda: 0,
    ) -> None:
        """Start without a period; `run` begins one.

        Args:
            store: The store.
            admin_url: Base URL of the server's admin API.
            auth_token: Bearer token of it.
            losses: Number of requests with spans that the recorder refused so far; a refused
                request ends the period.
            spans: Number of stored spans. After new ones, the next answer is written at once,
                because the certainty of their attempt counts depends on it.
        """
        self._store = store
        self._admin_url = admin_url.rstrip("/")
        self._url = f"{self._admin_url}/query"
        self._headers = {"authorization": f"Bearer {auth_token}"} if auth_token else {}
        self._losses = losses
        self._spans = spans
        self._mark: tuple[Any, ...] | None = None
        self._started: datetime | None = None
        self._latest: datetime | None = None
        self._cluster: str | None = None
        self._written: datetime | None = None
        self._written_spans = 0

    async def run(self) -> None:
        """Extend the current period until cancelled."""
        async with httpx.AsyncClient(
            headers={**self._headers, "accept": "application/json"},
            timeout=TIMEOUT_SECONDS,
            limits=httpx.Limits(max_connections=1, keepalive_expiry=None),
            verify=self._url.startswith("https:"),
            trust_env=not self._url.startswith(("http://127.", "http://localhost")),
        ) as http:
            try:
                while True:
                    await self.poll(http)
                    await asyncio.sleep(POLL_SECONDS)
            finally:
                if self._started and self._written and self._latest:
                    with contextlib.suppress(Exception):
                        self._write(self._started, self._latest, first=False)

    async def poll(self, http: httpx.AsyncClient) -> None:
        """Ask the server for its time, and extend the period or begin a new one."""
        try:
            local, now = await self._time(http)
            mark = (local, self._losses())
            if mark != self._mark or self._started is None:
                self._cluster = await self._cluster_name(http)
                # Over another connection, another server could have answered.
                local, now = await self._time(http)
                if local != mark[0]:
                    self._mark = None
                    return
                self._mark, self._started, self._written = mark, now, None
        except (httpx.HTTPError, OSError, ValueError, LookupError, TypeError):
            self._mark = None
            return
        self._latest, spans = now, self._spans()
        due = self._written is None or now - self._written >= timedelta(seconds=WRITE_SECONDS)
        if due or spans != self._written_spans:
            first = self._written is None
            with contextlib.suppress(Exception):  # a full disk must not stop the recorder
                await asyncio.to_thread(self._write, self._started, now, first=first)
                self._written, self._written_spans = now, spans

    async def _time(self, http: httpx.AsyncClient) -> tuple[Any, datetime]:
        """Return the local address of the connection, and the server's time."""
        async with http.stream("POST", self._url, json={"query": _NOW}) as response:
            stream: Any = response.extensions.get("network_stream")
            local = stream.get_extra_info("client_addr") if stream is not None else None
            response.raise_for_status()
            rows = json.loads(await response.aread())["rows"]
        return local, _EPOCH + timedelta(microseconds=int(rows[0]["nanoseconds"]) // 1000)

    async def _cluster_name(self, http: httpx.AsyncClient) -> str:
        """Return the name of the server's cluster."""
        response = await http.get(f"{self._admin_url}/cluster-health")
        refused = response.is_client_error and response.status_code != 429
        return cluster_name(
            None if refused else response.raise_for_status().json(), self._admin_url
        )

    def _write(self, started: datetime, now: datetime, *, first: bool) -> None:
        with self._store.transaction(noted=True) as connection:
            if first:
                connection.execute(
                    "INSERT INTO recordings VALUES (?, ?, ?)", [started, now, self._cluster]
                )
            else:
                connection.execute(
                    "UPDATE recordings SET last_seen_at = ? WHERE started_at = ?", [now, started]
                )
