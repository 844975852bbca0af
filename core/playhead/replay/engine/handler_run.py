"""One run of a handler in this process, against a recording."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, field
from types import FrameType, TracebackType
from typing import Any

from playhead.errors import AppError
from playhead.journal.recording import Recording
from playhead.replay.engine.app import App
from playhead.replay.engine.loop import ReplayLoop
from playhead.replay.engine.sdk import substituted
from playhead.replay.engine.seed import random_seed
from playhead.replay.engine.shortcuts import shortcuts
from playhead.replay.engine.stack import HANDLER_TASK, UserCode, waiting_at
from playhead.restate.ids import decode_invocation_id
from playhead.restate.protocol import ENTRY_TYPES
from playhead.restate.protocol.framing import CONTENT_TYPE, START, frame, frames

__all__ = ["Ending", "HandlerResult", "HandlerRun", "content_type", "request_body"]

_OLDEST, _DEFAULT, _NEWEST = 5, 6, 7
"""Versions of the service protocol that handlers can run with."""

MakeVm = Callable[..., Any]
"""A function that takes the arguments of the SDK's VMWrapper and returns a replacement of it."""
Handler = Callable[..., Awaitable[Any]]


@dataclass
class HandlerResult:
    """The SDK's response."""

    status: int = 0
    """HTTP status of the response; 0 if none was sent."""
    sent: list[tuple[int, bytes]] = field(default_factory=list[tuple[int, bytes]])
    """Messages as (wire type, message)."""

    def first(self, code: int) -> bytes | None:
        """Return the first message of a wire type; None if none was sent."""
        return next((message for sent, message in self.sent if sent == code), None)


def content_type(recording: Recording) -> str:
    """Return the content type of that request: the version of the protocol that the run uses."""
    pinned = int(recording.invocation.get("pinned_service_protocol_version") or _DEFAULT)
    return CONTENT_TYPE.format(version=max(_OLDEST, min(pinned, _NEWEST)))


def request_body(recording: Recording) -> bytes:
    """Return the request body with which the server starts an attempt on this journal."""
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
    """One run of an app's handler; the state machine answers its operations."""

    def __init__(
        self,
        app: App,
        recording: Recording,
        make_vm: MakeVm,
        *,
        replaying: Callable[[], bool] = lambda: False,
    ) -> None:
        """Prepare the run.

        Args:
            app: App that serves the handler.
            recording: Recording that names the handler.
            make_vm: Creates the state machine.
            replaying: Returns whether the journal has commands that are not written yet.
        """
        self.app = app
        self.recording = recording
        self.result = HandlerResult()
        self.ending = Ending(app.user)
        self.loop = ReplayLoop()
        self.parked = False
        """Set by the state machine: the handler awaits a result that does not exist."""
        self.waiting_at: str | None = None
        """`file:line` where the user's code waited when the run could not continue."""
        self._make_vm = make_vm
        self._replaying = replaying
        self._task: asyncio.Task[None] | None = None
        self._output = bytearray()

    def run(self, body: bytes = b"") -> HandlerResult:
        """Run until the SDK ends the attempt, or the run cannot continue.

        Args:
            body: The request body; see `request_body`.

        Raises:
            AppError: The app does not serve this handler, or is not a Restate app.
        """
        self.loop.on_idle = self._idle
        # A timeout may cancel an operation without a result, but not while other tasks that wait
        # for a timer still have recorded commands to write.
        self.loop.may_skip = lambda: not self.parked or self._replaying()
        asyncio.set_event_loop(self.loop)
        try:
            with substituted(self._make_vm, self.ending.watched), shortcuts(), _quiet():
                self._task = self.loop.create_task(self._serve(body), name=HANDLER_TASK)
                with contextlib.suppress(asyncio.CancelledError):
                    self.loop.run_until_complete(self._task)
                self._wind_up()
        finally:
            asyncio.set_event_loop(None)
            self.loop.close()
        self.result.sent = list(frames(bytes(self._output)))
        if self.result.status != 200:
            raise self._refusal()
        return self.result

    async def _serve(self, body: bytes) -> None:
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
            "headers": [(b"content-type", content_type(self.recording).encode())],
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
                self.result.status = event["status"]
                if event["status"] != 200:
                    self._stop()
            else:
                self._output += event.get("body", b"")

        await self.app.asgi(scope, receive, send)

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _idle(self) -> bool:
        if self._task is None or self._task.done():
            return False
        # Only the first time: later, everything is being cancelled.
        self.waiting_at = self.waiting_at or waiting_at(self.app.user, self.loop)
        self._stop()
        return True

    def _wind_up(self) -> None:
        self.loop.on_idle, self.loop.may_skip = None, lambda: True
        rest = asyncio.all_tasks(self.loop)
        for task in rest:
            task.cancel()
        if rest:
            self.loop.run_until_complete(asyncio.wait(rest, timeout=1.0))
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())

    def _refusal(self) -> AppError:
        app, status = self.app.name, self.result.status
        target = f"{self.recording.service}/{self.recording.handler}"
        if status == 404:
            return AppError(
                f"{app} does not serve {target}",
                "The handler was renamed or removed, or another app recorded this invocation.",
            )
        if status == 0:
            return AppError(
                f"{app} did not respond: it is not a Restate app", "Give restate.app(...)."
            )
        return AppError(f"{app} responded with status {status} to a request for {target}")


class Ending:
    """The place in the user's code where a handler ends, found without changing its run."""

    def __init__(self, user: UserCode) -> None:
        self._user = user
        self.frame: FrameType | None = None
        """The user's frame that returned or raised, with its variables; None while it runs."""

    def watched(self, handler: Handler) -> Handler:
        """Return the handler, wrapped to record where it ends."""

        async def watched(*args: Any) -> Any:
            running = handler(*args)
            # A referenced frame keeps its last line and variables after the end of its coroutine.
            frame: FrameType | None = getattr(running, "cr_frame", None)
            try:
                result = await running
            except Exception as error:
                self.frame = self._raising(error.__traceback__)
                raise
            self.frame = frame if self._owns(frame) else None
            return result

        return watched

    @property
    def where(self) -> str | None:
        """`file:line`; None while the handler runs, or if it is not the user's code."""
        frame = self.frame
        return None if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"

    def _raising(self, traceback: TracebackType | None) -> FrameType | None:
        found: FrameType | None = None
        while traceback is not None:
            if self._owns(traceback.tb_frame):
                found = traceback.tb_frame
            traceback = traceback.tb_next
        return found

    def _owns(self, frame: FrameType | None) -> bool:
        return frame is not None and self._user.owns(frame.f_code.co_filename)


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    # The report has the errors that the SDK logs: a mismatch, an exception of the handler.
    logger = logging.getLogger("restate")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
