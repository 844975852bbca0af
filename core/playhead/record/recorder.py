"""The recorder: OTLP receivers, journal copier and query API around one store."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from playhead.errors import PortInUseError
from playhead.record import api, grpc_receiver, http_receiver
from playhead.record.change_feed import ChangeFeed
from playhead.record.endpoint import (
    RecorderEndpoint,
    new_token,
    remove_endpoint,
    write_endpoint,
)
from playhead.record.figure_keeper import FigureKeeper
from playhead.record.http_server import HttpServer, listen
from playhead.record.ingest.queue import Ingest
from playhead.record.journal_copier import JournalCopier
from playhead.record.metrics import Metrics
from playhead.record.ownership import require_own_folder
from playhead.record.store_tasks import delete_expired_rows, move_old_days
from playhead.record.text_indexer import TextIndexer
from playhead.record.uptime import Uptime
from playhead.restate.client import RestateClient
from playhead.settings import Settings
from playhead.store.calls.call_table import rebuild_calls
from playhead.store.calls.llm_calls import rebuild_llm_calls
from playhead.store.database import Store
from playhead.store.figures import begin_figures
from playhead.store.query_limits import Limits
from playhead.store.retention import Keep
from playhead.values import utc_text

__all__ = ["Recorder", "RecorderOptions", "open_recorder"]

BODY_LIMIT = 20 * 1024 * 1024
STOP_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class RecorderOptions:
    """Options of a recorder. Port 0 takes a free port."""

    otlp_grpc_port: int
    otlp_http_port: int
    api_port: int
    journals: bool = True
    """Whether to copy journals from the Restate server."""
    body_limit: int = BODY_LIMIT
    """Size of the largest OTLP request in bytes."""
    limits: Limits = field(default_factory=Limits)
    archive_after: int | None = None
    """Age in days from which ended invocations are archived."""
    delete_after: int | None = None
    """Age in days from which they are deleted."""
    keep: tuple[Keep, ...] = ()
    """Limits of single tables."""


class Recorder:
    """A running recorder, created by `open_recorder`."""

    def __init__(
        self,
        store: Store,
        ingest: Ingest,
        indexer: TextIndexer,
        copier: JournalCopier | None,
        endpoint: RecorderEndpoint,
        dropped: Counter[str],
    ) -> None:
        """Take the parts, which are already running."""
        self.dropped = dropped
        self.store = store
        self.ingest = ingest
        self.indexer = indexer
        self.copier = copier
        self.endpoint = endpoint

    def health(self) -> dict[str, Any]:
        """Return the answer of `GET /health`: counts, bytes, times in UTC, problems."""
        copier, ingest = self.copier, self.ingest
        journals: dict[str, Any] | None = None
        if copier is not None:
            journals = {
                "invocations": copier.invocations,
                "last_copy": utc_text(copier.last_copy) if copier.last_copy else None,
                "lag_seconds": copier.lag_seconds,
                "behind": copier.behind,
                "total": copier.total,
                "scan_seconds": round(copier.scan_seconds, 4),
                "errors": copier.errors,
                "problem": copier.problem,
                "admin_url": copier.admin_url,
            }
        return {
            "pid": self.endpoint.pid,
            "started_at": self.endpoint.started_at,
            "store": str(self.store.folder),
            "ports": {
                "otlp_grpc": self.endpoint.otlp_grpc_port,
                "otlp_http": self.endpoint.otlp_http_port,
                "api": self.endpoint.api_port,
            },
            "spans": ingest.spans,
            "received_spans": ingest.received,
            "repeated_spans": ingest.repeated,
            "rejected_spans": ingest.rejected.total(),
            "rejected_by_reason": dict(ingest.rejected),
            "refused_requests": ingest.refused,
            "memory_bytes": ingest.memory_bytes,
            "waiting_requests": ingest.waiting,
            "span_delays": ingest.delays.upper_quartiles(),
            "log_bytes": ingest.log_bytes,
            "recovered_requests": ingest.recovered,
            "damaged_log_bytes": ingest.damaged_bytes,
            "set_aside_requests": ingest.set_aside,
            "errors": ingest.errors,
            "last_error": ingest.last_error,
            "reopened": self.store.reopened,
            "bytes": self.store.bytes(),
            "dropped_requests": dict(self.dropped),
            "text_index_behind": self.indexer.behind,
            "journals": journals,
        }


@contextlib.asynccontextmanager
async def open_recorder(settings: Settings, options: RecorderOptions) -> AsyncGenerator[Recorder]:
    """Record within the block; afterwards all accepted spans are committed.

    Raises:
        StoreError: The store cannot be opened, or another process has it open.
        PortInUseError: A port is taken; the hint names the setting.
    """
    async with contextlib.AsyncExitStack() as stack:
        store = Store(settings.store)
        stack.callback(store.close)
        require_own_folder(store.folder)
        copiers: list[JournalCopier] = []
        otlp_socket = _listen(stack, "OTLP over HTTP", options.otlp_http_port, "otlp_http_port")
        api_socket = _listen(stack, "query API", options.api_port, "api_port")
        token = new_token(store.folder)
        stopping = threading.Event()
        rebuilding = asyncio.create_task(asyncio.to_thread(_rebuild, store, stopping))
        stack.push_async_callback(_finish, stopping.set, rebuilding)
        feed = ChangeFeed()
        metrics: list[Metrics] = []
        dropped: Counter[str] = Counter()
        indexer = TextIndexer(
            store, busy=lambda: ingest.busy, failed=lambda reason: ingest.note_error(reason)
        )
        ingest = Ingest(
            store,
            changed=lambda ids: _spans_arrived(list(ids), feed, indexer, copiers),
            committed_in=lambda seconds: [m.commit_seconds.observe(seconds) for m in metrics],
            watched=lambda: feed.is_awaited,
        )
        committing = asyncio.create_task(ingest.run())
        stack.push_async_callback(_finish, ingest.stop, committing)
        stack.push_async_callback(_finish, indexer.stop, asyncio.create_task(indexer.run()))
        keeper = FigureKeeper(
            store, busy=lambda: ingest.busy, failed=lambda reason: ingest.note_error(reason)
        )
        stack.push_async_callback(_finish, keeper.stop, asyncio.create_task(keeper.run()))
        try:
            grpc_server, grpc_port = await grpc_receiver.serve(
                ingest,
                options.otlp_grpc_port,
                limit=options.body_limit,
                token=settings.otlp_token,
                dropped=dropped,
            )
        except OSError as error:
            raise _in_use("OTLP over gRPC", options.otlp_grpc_port, "otlp_grpc_port") from error
        stack.push_async_callback(grpc_server.stop, STOP_SECONDS)
        for name, days in (("archive", options.archive_after), ("delete", options.delete_after)):
            if days is not None:
                moving = move_old_days(store, name, days, ingest.note_error)
                stack.push_async_callback(_cancel, asyncio.create_task(moving))
        if options.keep:
            deleting = delete_expired_rows(store, options.keep, ingest.note_error)
            stack.push_async_callback(_cancel, asyncio.create_task(deleting))
        if options.journals:
            copiers.append(await _start_copier(stack, settings, store, ingest, feed, indexer))
        endpoint = RecorderEndpoint(
            pid=os.getpid(),
            api_port=api_socket.getsockname()[1],
            otlp_http_port=otlp_socket.getsockname()[1],
            otlp_grpc_port=grpc_port,
            started_at=utc_text(datetime.now(UTC), timespec="seconds"),
        )
        recorder = Recorder(
            store, ingest, indexer, copiers[0] if copiers else None, endpoint, dropped
        )
        receiver = http_receiver.app(
            ingest, limit=options.body_limit, token=settings.otlp_token, dropped=dropped
        )
        metrics.append(Metrics(recorder.health))
        query_api = api.app(
            store, token, recorder.health, options.limits, feed, ingest.settled, ingest.reading,
            metrics[0].text, indexer.search,
        )  # fmt: skip
        for app, sock in ((query_api, api_socket), (receiver, otlp_socket)):
            server = HttpServer(app, sock)  # connections wait in the socket until the server runs
            task = asyncio.create_task(server.run_on_socket())
            stack.push_async_callback(_finish, server.stop, task)
        stack.callback(feed.close)  # before the servers wait for their requests to end
        write_endpoint(store.folder, endpoint)
        stack.callback(remove_endpoint, store.folder)
        yield recorder


def _in_use(purpose: str, port: int, setting: str) -> PortInUseError:
    flag, variable = f"--{setting.replace('_', '-')}", f"PLAYHEAD_{setting.upper()}"
    return PortInUseError(
        f"Port {port} ({purpose}) is in use on 127.0.0.1",
        f"Stop the other recorder or collector, or choose another port with {flag} or {variable} "
        "(0 takes a free port).",
    )


def _listen(
    stack: contextlib.AsyncExitStack, purpose: str, port: int, setting: str
) -> socket.socket:
    try:
        sock = listen(port)
    except OSError as error:
        raise _in_use(purpose, port, setting) from error
    stack.callback(sock.close)
    return sock


async def _start_copier(
    stack: contextlib.AsyncExitStack,
    settings: Settings,
    store: Store,
    ingest: Ingest,
    feed: ChangeFeed,
    indexer: TextIndexer,
) -> JournalCopier:
    client = RestateClient(settings.admin_url, auth_token=settings.auth_token)
    stack.push_async_callback(client.close)

    def copied(ids: Iterable[str]) -> None:
        found = list(ids)
        feed.add(found, "journal")
        indexer.changed(found)

    copier = JournalCopier(store, client, changed=copied)
    uptime = Uptime(
        store,
        settings.admin_url,
        auth_token=settings.auth_token,
        losses=lambda: ingest.refused + ingest.rejected.total() + ingest.errors,
        spans=lambda: ingest.spans,
    )
    for run in (copier.run(), uptime.run()):
        stack.push_async_callback(_cancel, asyncio.create_task(run))
    return copier


def _spans_arrived(
    ids: Sequence[str],
    feed: ChangeFeed,
    indexer: TextIndexer,
    copiers: Iterable[JournalCopier],
) -> None:
    feed.add(ids, "spans")
    indexer.changed(ids)
    for copier in copiers:
        copier.hint(ids)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _rebuild(store: Store, stop: threading.Event) -> None:
    """Rebuild the derived tables whose rules have changed."""
    rebuild_llm_calls(store, stop)
    rebuild_calls(store, stop)
    begin_figures(store)


async def _finish(stop: Callable[[], None], task: asyncio.Task[None]) -> None:
    stop()
    await task
