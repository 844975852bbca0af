"""Called invocations that are shown in place: what was read of each, and when to read it again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping

from playhead.reader.invocation.nested import CalledInvocation

from playhead_tui.interfaces import InvocationReader

__all__ = ["CalledInvocations"]

AT_ONCE = 4
"""Invocations that are read at the same time."""
ENDED_SECONDS = 5.0
"""Seconds between two reads of an invocation that has ended: late spans still arrive."""


class CalledInvocations:
    """The called invocations of one screen, by id."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._read_at: dict[str, float] = {}
        self.known: Mapping[str, CalledInvocation] = {}
        """What was read; changed by `update` only."""
        self.wanted: tuple[str, ...] = ()
        """Ids of the invocations that are shown now."""

    async def read(self, reader: InvocationReader) -> dict[str, CalledInvocation]:
        """Read the wanted ones that may have changed. Runs in a worker."""
        found: dict[str, CalledInvocation] = {}
        ids = [id_ for id_ in self.wanted if self._is_due(id_)]
        for start in range(0, len(ids), AT_ONCE):
            some = ids[start : start + AT_ONCE]
            read = await asyncio.gather(*(self._read(reader, id_) for id_ in some))
            found |= dict(zip(some, read, strict=True))
        return found

    def update(self, found: Mapping[str, CalledInvocation]) -> bool:
        """Store what was read; return whether anything differs."""
        changed = any(self.known.get(id_) != read for id_, read in found.items())
        self.known = {**self.known, **found}
        return changed

    def forget_times(self, ids: Iterable[str]) -> bool:
        """Read these again at once if they are shown; return whether any is."""
        shown = set(ids) & set(self.wanted)
        for id_ in shown:
            self._read_at.pop(id_, None)
        return bool(shown)

    def _is_due(self, id_: str) -> bool:
        known = self.known.get(id_)
        if known is None or known.detail is None or known.error or not known.detail.summary.ended:
            return True
        return self._clock() - self._read_at.get(id_, float("-inf")) >= ENDED_SECONDS

    async def _read(self, reader: InvocationReader, id_: str) -> CalledInvocation:
        before = self.known.get(id_, CalledInvocation()).detail
        self._read_at[id_] = self._clock()
        try:
            detail = await reader.invocation(id_, outline=True)
        except Exception as error:
            return CalledInvocation(before, str(error) or type(error).__name__)
        if detail is None:
            return CalledInvocation(before, f"neither the server nor the store has {id_}")
        return CalledInvocation(detail)
