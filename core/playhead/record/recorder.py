"""The recorder: receivers, journal copier and query API around one store."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from playhead.record import api, otlp_grpc, otlp_http
from playhead.record import endpoint as access
from playhead.record.http_server import HttpServer, listen
from playhead.record.ingest import Ingest
from playhead.record.journal_copier import JournalCopier
from playhead.restate.client import RestateClient
from playhead.settings import Settings
from playhead.store.database import Store
from playhead.store.query import Limits

__all__ = ["Options", "PortInUseError", "Recorder", "open_recorder"]

BODY_LIMIT = 64 * 1024 * 1024
STOP_SECONDS = 2.0


class PortInUseError(Exception):
    """A port that the recorder needs is taken."""

    def __init__(self, what: str, port: int, setting: str) -> None:
        """Names what the port is for and which setting changes it."""
        super().__init__(f"Port {port} ({what}) is taken on 127.0.0.1.")
        self.setting = setting


@dataclass(frozen=True, slots=True)
class Options:
    """How to record. Port 0 takes a free one."""

    otlp_grpc_port: int
    otlp_http_port: int
    api_port: int
    journals: bool = True
    body_limit: int = BODY_LIMIT
    limits: Limits = field(default_factory=Limits)


class Recorder:
    """A running recorder; made by `open_recorder`."""

    def __init__(
        self, store: Store, ingest: Ingest, copier: JournalCopier | None, running: access.Running
    ) -> None:
        """Put the parts together; they run already."""
        self.store = store
        self.ingest = ingest
        self.copier = copier
        self.running = running

    def health(self) -> dict[str, Any]:
        """What `GET /health` answers: counts, sizes in bytes, times in UTC, problems."""
        copier, ingest = self.copier, self.ingest
        journals: dict[str, Any] | None = None
        if copier is not None:
            journals = {
                "invocations": copier.invocations,
                "last_copy": copier.last_copy.isoformat() if copier.last_copy else None,
                "lag_seconds": copier.lag_seconds,
                "behind": copier.behind,
                "scan_seconds": round(copier.scan_seconds, 4),
                "errors": copier.errors,
                "problem": copier.problem,
            }
        return {
            "pid": self.running.pid,
            "started_at": self.running.started_at,
            "store": str(self.store.folder),
            "ports": {
                "otlp_grpc": self.running.otlp_grpc_port,
                "otlp_http": self.running.otlp_http_port,
                "api": self.running.api_port,
            },
            "spans": ingest.spans,
            "rejected_spans": ingest.rejected,
            "waiting_requests": ingest.waiting,
            "errors": ingest.errors,
            "last_error": ingest.last_error,
            "bytes": self.store.bytes(),
            "journals": journals,
        }


@contextlib.asynccontextmanager
async def open_recorder(settings: Settings, options: Options) -> AsyncGenerator[Recorder]:
    """Record inside the block; on leaving it all that was accepted is committed.

    Raises:
        StoreError: the store cannot be opened, or another process records into it.
        PortInUseError: a port is taken.
    """
    async with contextlib.AsyncExitStack() as stack:
        store = Store(settings.store)
        stack.callback(store.close)
        otlp_socket = _listen(stack, "OTLP over HTTP", options.otlp_http_port, "otlp_http_port")
        api_socket = _listen(stack, "query API", options.api_port, "api_port")
        token = access.token(store.folder)
        ingest = Ingest(store)
        committing = asyncio.create_task(ingest.run())
        stack.push_async_callback(_finish, ingest.stop, committing)
        try:
            grpc_server, grpc_port = await otlp_grpc.serve(
                ingest, options.otlp_grpc_port, limit=options.body_limit
            )
        except OSError as error:
            port = options.otlp_grpc_port
            raise PortInUseError("OTLP over gRPC", port, "otlp_grpc_port") from error
        stack.push_async_callback(grpc_server.stop, STOP_SECONDS)
        copier = await _start_copier(stack, settings, store) if options.journals else None
        running = access.Running(
            pid=os.getpid(),
            api_port=api_socket.getsockname()[1],
            otlp_http_port=otlp_socket.getsockname()[1],
            otlp_grpc_port=grpc_port,
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        recorder = Recorder(store, ingest, copier, running)
        receiver = otlp_http.app(ingest, limit=options.body_limit)
        query_api = api.app(store, token, recorder.health, options.limits)
        for app, sock in ((query_api, api_socket), (receiver, otlp_socket)):
            server = HttpServer(app, sock)  # connections wait in its socket until it runs
            task = asyncio.create_task(server.run_on_socket())
            stack.push_async_callback(_finish, _stopper(server), task)
        access.publish(store.folder, running)
        stack.callback(access.forget, store.folder)
        yield recorder


def _listen(stack: contextlib.AsyncExitStack, what: str, port: int, setting: str) -> socket.socket:
    try:
        sock = listen(port)
    except OSError as error:
        raise PortInUseError(what, port, setting) from error
    stack.callback(sock.close)
    return sock


async def _start_copier(
    stack: contextlib.AsyncExitStack, settings: Settings, store: Store
) -> JournalCopier:
    client = RestateClient(settings.admin_url, auth_token=settings.auth_token)
    stack.push_async_callback(client.close)
    copier = JournalCopier(store, client)
    task = asyncio.create_task(copier.run())

    async def end() -> None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    stack.push_async_callback(end)
    return copier


def _stopper(server: HttpServer) -> Callable[[], None]:
    def stop() -> None:
        server.should_exit = True

    return stop


async def _finish(stop: Callable[[], None], task: asyncio.Task[None]) -> None:
    stop()
    await task
