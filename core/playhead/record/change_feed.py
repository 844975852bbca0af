"""What changed in the store, in order, for clients that wait for it."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["CAPACITY", "Change", "ChangeFeed", "Changes", "What", "parse_changes"]

What = Literal["journal", "spans"]
"""What arrived: the row, journal, events or state of an invocation; or spans of it."""

CAPACITY = 10_000
"""Number of invocations whose last change is remembered."""


@dataclass(frozen=True, slots=True)
class Change:
    """Changes of one invocation."""

    invocation_id: str
    what: frozenset[What]


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes since a position, oldest first; each invocation once."""

    position: str
    """Position after these changes, for the next request."""
    changes: tuple[Change, ...] = ()
    missed: bool = False
    """Whether earlier changes may be missing: read everything again."""

    def document(self) -> dict[str, Any]:
        """Return the JSON document of the query API."""
        return {
            "position": self.position,
            "missed": self.missed,
            "changes": [
                {"invocation_id": change.invocation_id, "what": sorted(change.what)}
                for change in self.changes
            ],
        }


def parse_changes(document: Any) -> Changes:
    """Return the changes in a document of the query API. Raises ValueError if it has none."""
    try:
        changes = tuple(
            Change(str(row["invocation_id"]), frozenset(row["what"])) for row in document["changes"]
        )
        return Changes(str(document["position"]), changes, bool(document["missed"]))
    except (KeyError, TypeError) as error:
        raise ValueError("not an answer of /changes") from error


class ChangeFeed:
    """The last changes of a recorder. Not thread-safe: for use in its event loop.

    An invocation that changes again moves to the end, so the memory used depends on the number
    of invocations and not on that of their changes.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._recorder = secrets.token_hex(4)
        self._capacity = capacity
        self._last: OrderedDict[str, tuple[int, frozenset[What]]] = OrderedDict()
        self._number = 0
        self._forgotten = 0
        self._news = asyncio.Event()
        self._closed = False
        self._waiting = 0

    @property
    def position(self) -> str:
        """The position after the last change."""
        return f"{self._recorder}-{self._number}"

    @property
    def is_awaited(self) -> bool:
        """Whether a client waits for the next change."""
        return self._waiting > 0

    def add(self, invocation_ids: Iterable[str], what: What) -> None:
        """Record a change of these invocations, and answer those who wait."""
        before = self._number
        for id_ in invocation_ids:
            self._number += 1
            _, earlier = self._last.pop(id_, (0, frozenset[What]()))
            self._last[id_] = self._number, earlier.union([what])
        while len(self._last) > self._capacity:
            _, (self._forgotten, _) = self._last.popitem(last=False)
        if self._number != before:
            self._wake()

    def since(self, position: str | None) -> Changes:
        """Return the changes after a position.

        Args:
            position: A position of this recorder. Without one, or with that of another recorder,
                nothing is known of what came before.
        """
        number = self._parse(position)
        if number is None:
            return Changes(self.position, missed=position is not None)
        found: list[Change] = []
        for id_, (at, what) in reversed(self._last.items()):
            if at <= number:
                break
            found.append(Change(id_, what))
        return Changes(self.position, tuple(reversed(found)), missed=number < self._forgotten)

    async def wait(self, position: str | None, seconds: float) -> Changes:
        """Return the changes after a position, as soon as one exists or the time has passed."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            found = self.since(position)
            if position is None or found.changes or found.missed or self._closed:
                return found
            self._waiting += 1
            try:
                async with asyncio.timeout_at(deadline):
                    await self._news.wait()
            except TimeoutError:
                return found
            finally:
                self._waiting -= 1

    def close(self) -> None:
        """Answer those who wait, now and later."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _parse(self, position: str | None) -> int | None:
        recorder, _, number = (position or "").rpartition("-")
        if recorder != self._recorder or not number.isdecimal() or int(number) > self._number:
            return None
        return int(number)
