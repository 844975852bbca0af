"""Counted side effects: one line in a file for each time that a tool really ran.

The file named by `PLAYHEAD_EFFECTS` survives `kill -9` and does not depend on Restate, so it shows
whether a side effect really happened exactly once. Without the variable, no file is
written.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playhead_samples import tool_faults
from playhead_samples.attempt_log import current_invocation

__all__ = ["VARIABLE", "Effect", "act", "count", "read", "record"]

VARIABLE = "PLAYHEAD_EFFECTS"


@dataclass(frozen=True, slots=True)
class Effect:
    """A side effect that happened."""

    name: str
    details: dict[str, Any]
    at: float
    """Seconds since the epoch."""
    pid: int
    invocation: str = ""
    """Id of the invocation that the tool ran for; empty outside of an invocation."""


async def act(name: str, /, **details: Any) -> None:
    """Perform the side effect `name`. A fault may be injected before or after it.

    Call it inside a durable step. Restate then runs it once per completed step, and again only
    when the process dies or fails between the side effect and the end of the step.
    """
    await tool_faults.inject(name, details, "before")
    record(name, **details)
    await tool_faults.inject(name, details, "after")


def record(name: str, /, **details: Any) -> None:
    """Count a side effect; it is on disk when this returns."""
    path = os.environ.get(VARIABLE)
    if not path:
        return
    line = {
        "name": name,
        "details": details,
        "at": time.time(),
        "pid": os.getpid(),
        "invocation": current_invocation.get() or "",
    }
    # O_APPEND makes one small write atomic, so several processes can share the file.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, (json.dumps(line, default=str) + "\n").encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: Path) -> list[Effect]:
    """Return all side effects in the file, oldest first; none if it does not exist."""
    return list(_lines(path))


def count(path: Path, name: str, **details: Any) -> int:
    """Count the side effects with this name and at least these details."""
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
