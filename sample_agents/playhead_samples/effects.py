"""Side effects count themselves: one line in a file for each time a tool really acted.

The file named by `PLAYHEAD_EFFECTS` survives a kill -9 and owes nothing to Restate, so it can
hold "exactly once" against what the journal says. Without the variable nothing is written.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playhead_samples import tool_faults as faults

__all__ = ["VARIABLE", "Effect", "act", "count", "read", "record"]

VARIABLE = "PLAYHEAD_EFFECTS"


@dataclass(frozen=True, slots=True)
class Effect:
    """One side effect that happened."""

    name: str
    details: dict[str, Any]
    at: float
    """Seconds since the epoch."""
    pid: int


async def act(name: str, /, **details: Any) -> None:
    """Do the side effect `name`, which may be struck by a fault before or after it.

    Call it inside a durable step: then Restate promises that it happens once for every time
    the step completes, and again only when the process dies or fails after the act.
    """
    await faults.strike(name, details, "before")
    record(name, **details)
    await faults.strike(name, details, "after")


def record(name: str, /, **details: Any) -> None:
    """Note that the side effect happened; it is on disk when this returns."""
    path = os.environ.get(VARIABLE)
    if not path:
        return
    line = {"name": name, "details": details, "at": time.time(), "pid": os.getpid()}
    # O_APPEND makes one small write atomic, so several processes can share the file.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, (json.dumps(line, default=str) + "\n").encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: Path) -> list[Effect]:
    """All side effects in the file, oldest first; none when there is no file."""
    return list(_lines(path))


def count(path: Path, name: str, **details: Any) -> int:
    """How often `name` happened with (at least) these details."""
    return sum(
        effect.name == name and details.items() <= effect.details.items() for effect in read(path)
    )


def _lines(path: Path) -> Iterator[Effect]:
    try:
        text = path.read_text()
    except FileNotFoundError:
        return
    for line in text.splitlines():
        yield Effect(**json.loads(line))
