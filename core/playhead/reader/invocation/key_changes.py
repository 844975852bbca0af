"""The changes of state by one invocation: each key before and after."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from playhead.model import InvocationDetail, Step

__all__ = ["KeyChange", "key_changes"]


@dataclass(frozen=True, slots=True)
class KeyChange:
    """One command that changed state."""

    index: int
    """Journal index of the command."""
    at: datetime | None
    key: str
    """Empty for a command that clears all keys."""
    kind: Literal["set", "clear", "clear all"]
    before: Any
    """Decoded value before the change; None if there was none, or if it is unknown."""
    before_known: bool
    """Whether the journal shows the value before: a read, or an earlier change."""
    after: Any
    """Decoded value; None after a clear."""
    truncated: bool = False
    """Whether the new value is too large to be read with the journal."""


def key_changes(detail: InvocationDetail) -> tuple[KeyChange, ...]:
    """Return the changes of state in the order of the journal."""
    values: dict[str, Any] = {}
    all_known = False
    changes: list[KeyChange] = []
    for step in sorted(detail.steps, key=lambda step: step.index):
        command = step.type.removeprefix("Command: ")
        key = step.state_key or ""
        if command in ("GetState", "GetLazyState", "GetEagerState"):
            if step.state == "done" and not step.truncated:
                values[key] = step.output
        elif command == "SetState":
            known = all_known or key in values
            changes.append(_change(step, "set", values.get(key), known, step.input))
            values[key] = step.input
            if step.truncated:
                del values[key]
        elif command == "ClearState":
            known = all_known or key in values
            changes.append(_change(step, "clear", values.get(key), known, None))
            values[key] = None
        elif command == "ClearAllState":
            changes.append(_change(step, "clear all", dict(values) or None, all_known, None))
            values.clear()
            all_known = True
    return tuple(changes)


def _change(
    step: Step, kind: Literal["set", "clear", "clear all"], before: Any, known: bool, after: Any
) -> KeyChange:
    return KeyChange(
        index=step.index,
        at=step.started_at,
        key=step.state_key or "",
        kind=kind,
        before=before,
        before_known=known,
        after=after,
        truncated=step.truncated,
    )
