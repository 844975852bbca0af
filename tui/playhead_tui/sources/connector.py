"""Connections to the Restate server and the recorder; starts a recorder when none is running."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from playhead_tui.interfaces import AppLocation, Connect, Connection

if TYPE_CHECKING:
    from playhead.local import ManagedProcess
    from playhead.record.client import StoreClient
    from playhead.replay import Recording
    from playhead.restate.client import RestateClient
    from playhead.settings import Settings

__all__ = ["connector"]

HEAVY = ("lark", "playhead.reader.reader", "playhead.record.client", "playhead.record.process")


def connector(
    settings: Settings, *, record: bool = True, restart: Callable[[], object] | None = None
) -> Connect:
    """Return a function that opens the connections named by the settings.

    Args:
        settings: addresses of the server and the recorder.
        record: start a recorder when none is running, as a child that ends with the dashboard.
        restart: starts the recorder that is running now again when it ends. By default, the
            dashboard only says that it ended: whoever started it may start it again.
    """

    async def connect(publish: Callable[[Connection], object]) -> None:
        # The imports take longer than the first paint; in a thread they do not delay it.
        for module in HEAVY:
            await asyncio.to_thread(importlib.import_module, module)
        await _Connector(settings, publish, restart).open(record=record)

    return connect


WATCH_SECONDS = 0.5
SEARCH_SECONDS = 2.0
"""Time between two looks for a recorder that somebody else has started."""
FIRST_PAUSE = 1.0
"""Pause after a recorder that could not be started again; it doubles with each one."""
LONGEST_PAUSE = 30.0
_SILENT = "The recorder has ended or does not answer."


@dataclass
class _Connector:
    """Open clients, and the recorder that was started."""

    settings: Settings
    publish: Callable[[Connection], object]
    restart: Callable[[], object] | None = None
    client: RestateClient | None = None
    store: StoreClient | None = None
    child: ManagedProcess | None = None
    closed: bool = False
    _starting: asyncio.Future[ManagedProcess] | None = field(default=None, repr=False)
    _restarting: asyncio.Future[object] | None = field(default=None, repr=False)
    _watch: asyncio.Task[None] | None = field(default=None, repr=False)

    async def open(self, *, record: bool) -> None:
        """Publish the open connections at once, and again when a recorder starts or ends."""
        from playhead.record.client import connect
        from playhead.restate.client import RestateClient

        settings = self.settings
        self.client = RestateClient(
            settings.admin_url, ingress_url=settings.ingress_url, auth_token=settings.auth_token
        )
        self.store = await connect(settings, complete=not record)
        running = await self._recorder_is_running()
        if running or not record:
            self._publish("" if running else _no_recorder("", stored=self.store is not None))
        else:
            self._publish("", starting=True)
            await self._start_recorder(
                f"Started a recorder on {settings.store}; it ends with the dashboard."
            )
        if not self.closed:
            watch = self._keep_recorder() if self.child else self._follow_recorder(running)
            self._watch = asyncio.create_task(watch)

    async def _recorder_is_running(self) -> bool:
        from playhead.errors import RecorderError

        try:
            return self.store is not None and await self.store.health() is not None
        except RecorderError:
            return False

    async def _follow_recorder(self, running: bool) -> None:
        """Publish when a recorder of somebody else ends, and when one has started."""
        from playhead.errors import ProcessError
        from playhead.record.client import connect

        while not self.closed:
            await asyncio.sleep(WATCH_SECONDS if running else SEARCH_SECONDS)
            if running and self.store is not None and self.store.recording:
                continue  # its last answer was the recorder's
            self.store = self.store or await connect(self.settings)
            before, running = running, await self._recorder_is_running()
            if running and not before:
                self._publish("", announcement="A recorder is running.")
            if running or not before:
                continue
            self._publish(_SILENT, starting=self.restart is not None)
            if self.restart:
                self._restarting = asyncio.ensure_future(asyncio.to_thread(self.restart))
                try:
                    await asyncio.shield(self._restarting)
                except (ProcessError, OSError) as error:
                    self._publish(f"{_SILENT} It cannot be started again: {_reason(error)}")

    async def _keep_recorder(self) -> None:
        """Start the recorder of the dashboard again whenever it ends before that."""
        pause = FIRST_PAUSE
        while not self.closed:
            await asyncio.sleep(WATCH_SECONDS)
            if self.closed or self.child is None or self.child.running:
                continue
            ended = f"The recorder ended (exit code {self.child.returncode})"
            self.child = None
            while not self.closed and self.child is None:
                self._publish(_no_recorder(ended, stored=self.store is not None), starting=True)
                if await self._recorder_is_running():  # somebody else has started one
                    self._publish("")
                    await self._follow_recorder(running=True)
                    return
                await self._start_recorder(f"{ended}. Started it again.")
                if self.child is None:
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
            pause = FIRST_PAUSE

    async def _start_recorder(self, announcement: str) -> None:
        from playhead.errors import ProcessError
        from playhead.record.client import connect
        from playhead.record.process import start_recorder

        settings = self.settings
        log = settings.store / "recorder.log"
        # A thread cannot be cancelled, so `close` waits for it; else a recorder could stay behind.
        self._starting = asyncio.ensure_future(asyncio.to_thread(start_recorder, settings, log))
        try:
            child = await asyncio.shield(self._starting)
        except (ProcessError, OSError) as error:
            self._publish(_no_recorder(_reason(error), stored=self.store is not None))
            return
        if self.closed:
            return
        self.child = child
        before, self.store = self.store, await connect(settings)
        if before:
            await before.close()
        self._publish("", announcement=announcement)

    def _publish(self, problem: str, *, starting: bool = False, announcement: str = "") -> None:
        from playhead.reader.reader import Reader
        from playhead.restate.control import Control

        assert self.client is not None
        recorder = "recorder" if self.store else "no recorder"
        if self.child:
            recorder = "own recorder"
        elif starting:
            recorder = "starting a recorder"
        elif problem and self.store:
            recorder = "no recorder"  # what it stored is still read
        self.publish(
            Connection(
                reader=Reader(self.client, self.store),
                control=Control(self.client),
                labels=(urlsplit(self.settings.admin_url).netloc.rpartition("@")[2], recorder),
                notes=(problem,) if problem else (),
                announcement=announcement,
                ingress_url=self.settings.ingress_url,
                fetch_recording=self._fetch,
                app_location=AppLocation(self.settings.app or "", self.settings.app_dir or ""),
                close=self.close,
            )
        )

    async def _fetch(self, invocation_id: str) -> Recording:
        from playhead.reader.recordings import find_recording

        return await find_recording(self.settings, invocation_id)

    async def close(self) -> None:
        """Stop the recorder that was started, and close both clients."""
        self.closed = True
        if self._watch:
            self._watch.cancel()
            await asyncio.wait({self._watch})
        if self._restarting:
            await asyncio.wait({self._restarting})
        if self._starting and not self.child:
            results = await asyncio.gather(self._starting, return_exceptions=True)
            self.child = results[0] if not isinstance(results[0], BaseException) else None
        if self.child:
            await asyncio.to_thread(self.child.stop)
        if self.store:
            await self.store.close()
        if self.client:
            await self.client.close()


def _no_recorder(reason: str, *, stored: bool) -> str:
    text = (
        "No recorder is running: nothing new is stored."
        if stored
        else "No recorder is running: attempts, prompts and spans are unavailable."
    )
    if reason:
        text += f" {reason.rstrip('.!')}."
    return f"{text} Start one with `playhead record`."


def _reason(error: Exception) -> str:
    """Return the line of the child's log that describes the problem, or the file that does."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    line = next((line for line in lines if line.startswith("playhead: ")), lines[0])
    return line.removeprefix("playhead: ")
