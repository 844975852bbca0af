"""The history of the state of a virtual object or workflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

__all__ = ["StateAction", "StateChange", "StateHistory"]

StateAction = Literal["set", "clear", "clear all"]


@dataclass(frozen=True, slots=True)
class StateChange:
    """One command of a journal that changed the state."""

    at: datetime
    """When the server appended the command, and changed the state."""
    invocation_id: str
    index: int
    """Journal index of the command."""
    handler: str
    action: StateAction
    key: str | None
    """The key; None when all of them were cleared."""
    value: Any = None
    """The value that was set, decoded: JSON, text or bytes."""
    before: Any = None
    """The value that the key had before, by the earlier changes; None without one."""


@dataclass(frozen=True, slots=True)
class StateHistory:
    """Changes of the state of one virtual object or workflow, rebuilt from journals."""

    service: str
    key: str
    changes: tuple[StateChange, ...]
    """Oldest first."""
    state: Mapping[str, Any]
    """The current values by key, from the server, or from the last copy of its state table."""
    unexplained: tuple[str, ...] = ()
    """Keys whose current value is not what the changes lead to.

    Their values were changed by an edit of the state, or by invocations whose journals are gone.
    """
    more: bool = False
    """Whether older invocations exist that were not read."""
    missing: tuple[str, ...] = ()
    """Sentences about sources that did not answer."""
    cluster: str | None = None
    """Cluster that has the object; None if that is not known."""
