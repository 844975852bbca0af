"""The statuses in which an invocation can wait for each kind of result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from playhead.model import Status, WaitingKind

__all__ = ["statuses_of_waits"]

_STATUSES: Mapping[WaitingKind, tuple[Status, ...]] = {
    "queue": ("pending", "inboxed"),
    "schedule": ("scheduled",),
    "retry": ("backing-off",),
    "pause": ("paused",),
    "attempt": ("ready",),
}
_OTHERS: tuple[Status, ...] = ("suspended",)


def statuses_of_waits(kinds: Iterable[WaitingKind]) -> tuple[Status, ...]:
    """Return the statuses of the invocations that may wait in one of these ways."""
    found: list[Status] = [status for kind in kinds for status in _STATUSES.get(kind, _OTHERS)]
    return tuple(dict.fromkeys(found))
