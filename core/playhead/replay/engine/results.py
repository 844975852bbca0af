"""The results that a handler can see, in the order of the SDK's state machine."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from playhead.journal.commands import ResultKey
from playhead.replay.engine.sdk import (
    AllCompletedUnresolvedFuture,
    Failure,
    FirstCompletedUnresolvedFuture,
    SingleUnresolvedFuture,
)
from playhead.restate.protocol import CANCEL_SIGNAL

__all__ = ["Results", "sdk_value"]

CANCEL: ResultKey = ("signal", CANCEL_SIGNAL)


class Results:
    """Results in the order in which they were stored; each becomes visible in its turn.

    Awaiting a result makes visible all results up to it, and none stored later, so `select` finds
    the same winner as in the recorded run.
    """

    def __init__(self, stored: Iterable[tuple[ResultKey, Any]]) -> None:
        """Take the journal's results in order, with values in the SDK's form."""
        self._stored = deque(stored)
        self._visible: dict[ResultKey, Any] = {}
        self.new: set[ResultKey] = set()
        """Results that the recorded run did not have."""
        self.new_taken = False
        """Whether the handler has received one of them."""
        self.awaited: tuple[ResultKey, ...] = ()
        """Results that the handler awaits and that do not exist; empty while it can continue."""

    def add(self, key: ResultKey, value: Any) -> None:
        """Store a result after all others."""
        self._stored.append((key, value))

    def show(self, key: ResultKey, value: Any) -> None:
        """Make a result visible at once."""
        self._visible[key] = value

    def visible(self, key: ResultKey) -> bool:
        """Return whether a result can be taken."""
        return key in self._visible

    def take(self, key: ResultKey) -> Any:
        """Return the value of a visible result, and remove it."""
        self.new_taken = self.new_taken or key in self.new
        return self._visible.pop(key)

    def advance(self, future: Any, keys: dict[int, ResultKey]) -> str:
        """Make results visible until `future` is resolved.

        Args:
            future: The SDK's tree of handles.
            keys: Result that each handle waits for.

        Returns:
            `completed`, `cancelled` (the cancel signal came first, and is used up), or
            `waiting` when the stored results do not resolve it.
        """
        while True:
            if self._visible.pop(CANCEL, _MISSING) is not _MISSING:
                return "cancelled"
            if self._resolved(future, keys):
                return "completed"
            if not self._stored:
                self.awaited = tuple(self._leaves(future, keys))
                return "waiting"
            key, value = self._stored.popleft()
            self._visible[key] = value

    def _leaves(self, future: Any, keys: dict[int, ResultKey]) -> Iterator[ResultKey]:
        if isinstance(future, SingleUnresolvedFuture):
            key = keys.get(future.handle)
            if key is not None and key not in self._visible:
                yield key
            return
        for child in future.children:
            yield from self._leaves(child, keys)

    def _resolved(self, future: Any, keys: dict[int, ResultKey]) -> bool:
        match future:
            case SingleUnresolvedFuture():
                return keys.get(future.handle) in self._visible
            case FirstCompletedUnresolvedFuture():
                return any(self._resolved(child, keys) for child in future.children)
            case AllCompletedUnresolvedFuture():
                return all(self._resolved(child, keys) for child in future.children)
            case _:
                raise TypeError(f"unknown future {future!r}: the SDK is newer than Playhead")


def sdk_value(kind: str, value: Any) -> Any:
    """Return a recorded result in the form in which the SDK's state machine returns it.

    Args:
        kind: `Result.kind`.
        value: `Result.value`.
    """
    if kind == "failure":
        metadata = {m.key: m.value for m in value.metadata} or None
        return Failure(value.code, value.message, metadata=metadata)
    return value


_MISSING = object()
