"""One attempt of a handler, run in this process against a recording."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import Any

from playhead.errors import AppError
from playhead.journal.recording import Recording
from playhead.replay.engine.app import App
from playhead.replay.engine.ending import Ending
from playhead.replay.engine.loop import ReplayLoop
from playhead.replay.engine.seed import random_seed
from playhead.replay.engine.shortcuts import shortcuts
from playhead.replay.engine.stack import HANDLER_TASK
from playhead.restate.ids import decode_invocation_id
from playhead.restate.protocol import ENTRY_TYPES
from playhead.restate.protocol.framing import CONTENT_TYPE, START, frame, frames

__all__ = ["HandlerResult", "HandlerRun", "attempt_body"]

_OLDEST, _DEFAULT, _NEWEST = 5, 6, 7
"""Versions of the service protocol that attempts can be run in."""

MakeVm = Callable[..., Any]
"""Takes the arguments of the SDK's VMWrapper and returns what the handler will use as one."""


@dataclass
class HandlerResult:
    """What came of an attempt."""

    status: int = 0
    """HTTP status of the answer."""
    sent: list[tuple[int, bytes]] = field(default_factory=list[tuple[int, bytes]])
    """Messages that the SDK sent: (wire type, message)."""

    def first(self, code: int) -> bytes | None:
        """The first message of a wire type that was sent; None: there was none."""
        return next((message for sent, message in self.sent if sent == code), None)


def attempt_body(recording: Recording) -> bytes:
    """The request body with which the server would start an attempt on this journal."""
    from playhead.restate.protocol.service_protocol_pb2 import StartMessage

    seed = recording.random_seed
    start = StartMessage(
        id=decode_invocation_id(recording.id),
        debug_id=recording.id,
        known_entries=len(recording.entries),
        partial_state=True,
        key=recording.key or "",
        random_seed=random_seed(recording.id) if seed is None else seed,
    )
    parts = [frame(START, start.SerializeToString())]
    parts += [frame(ENTRY_TYPES[entry.type], entry.raw) for entry in recording.entries]
    return b"".join(parts)


class HandlerRun:
    """Drives an app's handler; `make_vm` decides what its durable operations do."""

    def __init__(self, app: App, recording: Recording, make_vm: MakeVm) -> None:
        self.app = app
        self.recording = recording
        self.make_vm = make_vm
        self.outcome = HandlerResult()
        self.ending = Ending(app.user)
        self.loop = ReplayLoop()
        self.on_idle: Callable[[], bool] | None = None
        """Called when everything waits; returns whether it made something happen."""
        self.parked = False
        """The handler waits for a result that there is not; the state machine tells."""
        self.replaying: Callable[[], bool] = lambda: False
        """Whether the journal has commands that the handler has not written yet."""
        self._task: asyncio.Task[None] | None = None
        self._output = bytearray()

    def run(self, body: bytes = b"") -> HandlerResult:
        """Run until the SDK ends the attempt, or nothing can happen any more.

        Raises:
            AppError: the app does not serve this handler, or is no Restate app.
        """
        self.loop.on_idle = self._idle
        # What has no result may be given up by a timeout; but not while other tasks that wait
        # for a timer still have recorded commands to write.
        self.loop.may_skip = lambda: not self.parked or self.replaying()
        asyncio.set_event_loop(self.loop)
        try:
            with _vm_factory(self.make_vm, self.ending), shortcuts(), _quiet():
                self._task = self.loop.create_task(self._serve(body), name=HANDLER_TASK)
                with contextlib.suppress(asyncio.CancelledError):
                    self.loop.run_until_complete(self._task)
                self._wind_up()
        finally:
            asyncio.set_event_loop(None)
            self.loop.close()
        self.outcome.sent = list(frames(bytes(self._output)))
        if self.outcome.status != 200:
            raise AppError(self._refusal())
        return self.outcome

    def stop(self) -> None:
        """End the attempt where it is."""
        if self._task is not None:
            self._task.cancel()

    async def _serve(self, body: bytes) -> None:
        pinned = int(self.recording.invocation.get("pinned_service_protocol_version") or _DEFAULT)
        content_type = CONTENT_TYPE.format(version=max(_OLDEST, min(pinned, _NEWEST)))
        path = f"/invoke/{self.recording.service}/{self.recording.handler}"
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "2",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(b"content-type", content_type.encode())],
            "client": None,
            "server": None,
        }
        inbox = [body]

        async def receive() -> dict[str, Any]:
            if not inbox:
                await self.loop.create_future()
            return {"type": "http.request", "body": inbox.pop(), "more_body": True}

        async def send(event: dict[str, Any]) -> None:
            if event["type"] == "http.response.start":
                self.outcome.status = event["status"]
                if event["status"] != 200:
                    self.stop()
            else:
                self._output += event.get("body", b"")

        await self.app.asgi(scope, receive, send)

    def _idle(self) -> bool:
        if self._task is None or self._task.done():
            return False
        if self.on_idle is not None and self.on_idle():
            return True
        self.stop()
        return True

    def _wind_up(self) -> None:
        self.loop.on_idle, self.loop.may_skip = None, lambda: True
        rest = asyncio.all_tasks(self.loop)
        for task in rest:
            task.cancel()
        if rest:
            self.loop.run_until_complete(asyncio.wait(rest, timeout=1.0))
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())

    def _refusal(self) -> str:
        target = f"{self.recording.service}/{self.recording.handler}"
        if self.outcome.status == 404:
            return (
                f"{self.app.name} does not serve {target}: the handler was renamed or removed, "
                "or it is not the app that recorded this invocation"
            )
        if self.outcome.status == 0:
            return f"{self.app.name} gave no answer: it is no Restate app (give restate.app(...))"
        return f"{self.app.name} answered {self.outcome.status} to a request for {target}"


@contextlib.contextmanager
def _vm_factory(make_vm: MakeVm, ending: Ending) -> Generator[None]:
    # The one place where the SDK makes the state machine and the context of an invocation.
    from restate import server

    module: Any = server
    original = module.VMWrapper, module.ServerInvocationContext
    module.VMWrapper, module.ServerInvocationContext = make_vm, _context(original[1], ending)
    try:
        yield
    finally:
        module.VMWrapper, module.ServerInvocationContext = original


def _context(make_context: Callable[..., Any], ending: Ending) -> Callable[..., Any]:
    def make(*, handler: Any, **others: Any) -> Any:
        # Our tracing bridge would put its own state machine in the place of the replay's.
        kept = [m for m in handler.context_managers or () if not _is_tracing(m)]
        watched = replace(handler, context_managers=kept, fn=ending.watched(handler.fn))
        return make_context(handler=watched, **others)

    return make


def _is_tracing(manager: Any) -> bool:
    owner = getattr(manager, "__module__", None) or type(manager).__module__
    return owner.partition(".")[0] == "playhead_tracing"


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    # What the SDK logs (a mismatch, a raising handler) is in the report.
    logger = logging.getLogger("restate")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
