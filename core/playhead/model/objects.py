"""Virtual objects and workflows: their state, lock, queue and promises."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from playhead.model.invocation import Origin

__all__ = [
    "ObjectPage",
    "ObjectState",
    "ObjectSummary",
    "Promise",
    "QueuedInvocation",
    "StateValue",
]


@dataclass(frozen=True, slots=True)
class ObjectSummary:
    """A virtual object or workflow that has state, promises, a lock holder or a queue."""

    service: str
    key: str
    keys: int
    """Number of keys in its state."""
    size: int
    """Bytes of its values."""
    promises: int | None
    """Number of its promises; None when they are not stored."""
    holder: str | None
    """Id of the invocation that holds its lock."""
    queued: int | None
    """Number of invocations that wait for the lock; None when they are not stored."""
    cluster: str | None = None
    """Cluster that has it; None if it was copied before this was kept."""

    @property
    def name(self) -> str:
        """`Service/key`."""
        return f"{self.service}/{self.key}"


@dataclass(frozen=True, slots=True)
class ObjectPage:
    """Virtual objects and workflows, by name."""

    rows: tuple[ObjectSummary, ...]
    total: int
    """Number of those that match, also of those that were left out."""
    origin: Origin
    missing: tuple[str, ...] = ()
    """Sentences about data that could not be read."""

    @property
    def several_clusters(self) -> bool:
        """Whether the rows are of more than one cluster."""
        return len({row.cluster for row in self.rows}) > 1


@dataclass(frozen=True, slots=True)
class StateValue:
    """One key of a state."""

    key: str
    value: Any
    """JSON values where the bytes are JSON, else text, else bytes; None when empty."""
    raw: bytes
    """The bytes as the server keeps them."""

    @property
    def size(self) -> int:
        """Bytes of the value."""
        return len(self.raw)


@dataclass(frozen=True, slots=True)
class Promise:
    """A promise of a workflow."""

    name: str
    completed: bool
    value: Any = None
    """Its value, decoded like that of a `StateValue`."""
    failure: str | None = None
    """Terminal error that it was rejected with."""


@dataclass(frozen=True, slots=True)
class QueuedInvocation:
    """An invocation that waits for the lock."""

    id: str
    queued_at: datetime | None


@dataclass(frozen=True, slots=True)
class ObjectState:
    """Everything about one virtual object or workflow."""

    service: str
    key: str
    values: tuple[StateValue, ...]
    """Its state, by key."""
    promises: tuple[Promise, ...] | None
    """None when they are not stored."""
    holder: str | None
    """Id of the invocation that holds its lock."""
    queue: tuple[QueuedInvocation, ...] | None
    """The invocations that wait for the lock, the next one first; None when they are not stored."""
    origin: Origin
    missing: tuple[str, ...] = ()
    """Sentences about data that could not be read."""
    cluster: str | None = None
    """Cluster that has it; None if it was copied before this was kept."""

    @property
    def name(self) -> str:
        """`Service/key`."""
        return f"{self.service}/{self.key}"

    @property
    def size(self) -> int:
        """Bytes of all values."""
        return sum(value.size for value in self.values)
