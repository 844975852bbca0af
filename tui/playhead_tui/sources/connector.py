"""Opens the real sources: the Restate server, the recording, and a recorder when none runs."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from playhead_tui.interfaces import Code, Connect, Connection

if TYPE_CHECKING:
    from playhead.local import ManagedProcess
    from playhead.record.client import StoreClient
    from playhead.replay import Recording
    from playhead.restate.client import RestateClient
    from playhead.settings import Settings

__all__ = ["connector"]

HEAVY = ("playhead.reader.reader", "playhead.record.client", "playhead.record.process")


def connector(settings: Settings, *, record: bool = True) -> Connect:
    """What opens the sources of these settings.

    Args:
        settings: where they are.
        record: start a recorder, as a child that ends with the dashboard, when none runs.
    """

    async def connect(tell: Callable[[Connection], object]) -> None:
        # Imports take longer than the first paint: in a thread they do not hold it up.
        for module in HEAVY:
            await asyncio.to_thread(importlib.import_module, module)
        await _Session(settings, tell).open(record=record)

    return connect


@dataclass
class _Session:
    """What is open, so that it can be closed."""

    settings: Settings
    tell: Callable[[Connection], object]
    client: RestateClient | None = None
    recording: StoreClient | None = None
    child: ManagedProcess | None = None
    closed: bool = False
    _starting: asyncio.Future[ManagedProcess] | None = field(default=None, repr=False)

    async def open(self, *, record: bool) -> None:
        """Tell what there is at once; tell again when a recorder has come up."""
        from playhead.record.client import connect
        from playhead.restate.client import RestateClient

        settings = self.settings
        self.client = RestateClient(
            settings.admin_url, ingress_url=settings.ingress_url, auth_token=settings.auth_token
        )
        self.recording = await connect(settings)
        running = await self._recorder_runs()
        if running or not record:
            self._tell("" if running else _no_recorder("it was not asked for"))
            return
        self._tell("", starting=True)
        await self._start_recorder()

    async def _recorder_runs(self) -> bool:
        from playhead.errors import RecorderError

        try:
            return self.recording is not None and await self.recording.health() is not None
        except RecorderError:
            return False

    async def _start_recorder(self) -> None:
        from playhead.errors import ProcessError
        from playhead.record.client import connect
        from playhead.record.process import start_recorder

        settings = self.settings
        log = settings.store / "recorder.log"
        # A thread cannot be cancelled: `close` waits for it, so that no recorder is left behind.
        self._starting = asyncio.ensure_future(asyncio.to_thread(start_recorder, settings, log))
        try:
            child = await asyncio.shield(self._starting)
        except (ProcessError, OSError) as error:
            self._tell(_no_recorder(_reason(error)))
            return
        if self.closed:
            return
        self.child = child
        before, self.recording = self.recording, await connect(settings)
        if before:
            await before.close()
        self._tell("", news=f"Started a recorder on {settings.store}; it ends with the dashboard.")

    def _tell(self, fault: str, *, starting: bool = False, news: str = "") -> None:
        from playhead.reader.reader import Reader
        from playhead.restate.control import Control

        assert self.client is not None
        what = "recorder" if self.recording else "no recorder"
        if self.child:
            what = "own recorder"
        elif starting:
            what = "starting a recorder"
        elif fault and self.recording:
            what = "recording, not growing"
        self.tell(
            Connection(
                source=Reader(self.client, self.recording),
                actions=Control(self.client),
                labels=(urlsplit(self.settings.admin_url).netloc, what),
                notes=(fault,) if fault else (),
                news=news,
                ingress_url=self.settings.ingress_url,
                recording=self._fetch,
                code=Code(self.settings.app or "", self.settings.app_dir or ""),
                close=self.close,
            )
        )

    async def _fetch(self, invocation_id: str) -> Recording:
        from playhead.reader.recordings import find_recording

        return await find_recording(self.settings, invocation_id)

    async def close(self) -> None:
        """End the child and let go of both sources."""
        self.closed = True
        if self._starting and not self.child:
            results = await asyncio.gather(self._starting, return_exceptions=True)
            self.child = results[0] if not isinstance(results[0], BaseException) else None
        if self.child:
            await asyncio.to_thread(self.child.stop)
        if self.recording:
            await self.recording.close()
        if self.client:
            await self.client.close()


def _no_recorder(reason: str) -> str:
    return (
        f"Nothing is being recorded: {reason} `playhead record` in another terminal does it."
        if reason.endswith((".", "!"))
        else f"Nothing is being recorded: {reason}. `playhead record` in another terminal does it."
    )


def _reason(error: Exception) -> str:
    """The line of a child's log that says what went wrong."""
    text = f"{error}\n{getattr(error, 'hint', '')}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = next((line for line in lines if line.startswith("playhead: ")), lines[0])
    return told.removeprefix("playhead: ")
