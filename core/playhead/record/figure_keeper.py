"""The upkeep of the figures of invocations: they are computed behind what arrives, when idle."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from playhead.record.patience import Patience
from playhead.store.background import Background
from playhead.store.database import Store
from playhead.store.figures import stale_count, update_figures

__all__ = ["FigureKeeper", "KeeperPace"]

RETRY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class KeeperPace:
    """Times that the keeper keeps, in seconds."""

    quiet: float = 5.0
    """Time between two looks; figures are computed once nothing has changed between them."""
    longest: float = 30.0
    """Time after which figures are computed although invocations change."""
    rest: float = 1.0
    """Pause after a part, as a multiple of its time."""
    busy_rest: float = 30.0
    """The same while the recorder is busy: a part takes both cores for half a second and more."""
    patience: float = 60.0
    """Time that a busy recorder is left alone before figures are computed nevertheless."""


class FigureKeeper:
    """Computes the figures of changed invocations; see `playhead.store.figures`."""

    def __init__(
        self,
        store: Store,
        *,
        busy: Callable[[], bool] = lambda: False,
        failed: Callable[[str], object] = lambda _: None,
        pace: KeeperPace = KeeperPace(),
    ) -> None:
        """Do nothing yet; see `run`.

        Args:
            store: The store.
            busy: Returns whether processor time is scarce.
            failed: Takes the reason when figures cannot be computed.
            pace: Times that the keeper keeps.
        """
        self._store = store
        self._busy = busy
        self._failed = failed
        self._pace = pace
        self._patience = Patience(busy, pace.patience, time.monotonic)
        self._thread = Background(1, "figures")
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Compute the figures of what has changed, until `stop`."""
        before, since = 0, time.monotonic()
        while not self._stopping.is_set():
            try:
                if self._patience.leaves_alone():
                    await self._pause(self._pace.quiet)
                    continue
                count = await self._thread.run(stale_count, self._store)
                now = time.monotonic()
                if not count:
                    since = now
                elif count == before or now - since >= self._pace.longest:
                    await self._update()
                    since = time.monotonic()
                    count = await self._thread.run(stale_count, self._store)
                before = count
                await self._pause(self._pace.quiet)
            except Exception as error:
                self._failed(f"the figures of invocations cannot be computed: {error}")
                await self._pause(RETRY_SECONDS)

    def stop(self) -> None:
        """End `run` after the current part."""
        self._stopping.set()

    async def _update(self) -> None:
        """Compute the figures of what is noted now, in parts, until the recorder gets busy."""
        while not (self._stopping.is_set() or self._patience.leaves_alone()):
            begun = time.monotonic()
            if not await self._thread.run(update_figures, self._store):
                return
            rest = self._pace.busy_rest if self._busy() else self._pace.rest
            await self._pause((time.monotonic() - begun) * rest)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
