"""Tool failures on demand, counted across restarts of the process.

`PLAYHEAD_FAULTS` names a JSON file with a list of faults, for example
`{"tool": "get_weather", "match": "Denver", "call": [1, 2], "do": "raise"}`. The file is read at
every call, so faults can be set and removed while the service runs. Calls are counted in a file
next to it (same name plus `.calls`), so "fail twice, then work" survives a restart.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

__all__ = ["VARIABLE", "ToolFault", "ToolUnavailableError", "inject", "set_faults"]

VARIABLE = "PLAYHEAD_FAULTS"

When = Literal["before", "after"]

DESCRIPTIONS = {
    "raise": "fails",
    "terminal": "fails with a terminal error",
    "hang": "does not return",
    "slow": "takes {seconds:g} s longer",
    "exit": "kills its process with kill -9",
}


class ToolUnavailableError(Exception):
    """A tool failed because of an injected fault. Restate retries it."""


@dataclass(frozen=True, slots=True)
class ToolFault:
    """An injected failure of a tool."""

    tool: str
    """Name of the side effect, as passed to `effects.act`."""
    do: Literal["raise", "terminal", "hang", "slow", "exit"]
    """Raise an error · raise a terminal error · never return · return late · kill the process."""
    call: int | list[int] | None = None
    """Calls that fail, counted from 1 among the matching ones; None: all of them."""
    match: str | None = None
    """Substring of the arguments as JSON, such as a city."""
    when: When = "before"
    """Fail before or after the side effect."""
    seconds: float = 3600.0
    """Duration of `hang` and `slow`."""
    message: str = ""
    status_code: int = 500
    """Code of a terminal error."""

    def __str__(self) -> str:
        text = f"{self.tool} {DESCRIPTIONS[self.do].format(seconds=self.seconds)}"
        if self.when == "after":
            text += " after its side effect"
        match self.call:
            case None:
                pass
            case int():
                text += f" on call {self.call}"
            case _:
                text += f" on calls {' and '.join(map(str, self.call))}"
        return text + (f" when its arguments contain {self.match!r}" if self.match else "")

    def applies_to(self, number: int) -> bool:
        """Return whether the `number`-th matching call fails."""
        if self.call is None:
            return True
        return number == self.call if isinstance(self.call, int) else number in self.call

    def matches(self, tool: str, arguments: str) -> bool:
        """Return whether this fault counts a call."""
        return tool == self.tool and (self.match is None or self.match in arguments)


def set_faults(path: Path, faults: list[ToolFault]) -> None:
    """Write the faults file and reset the call counts; an empty list removes all faults."""
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps([asdict(fault) for fault in faults], indent=2))
    path.with_name(path.name + ".calls").unlink(missing_ok=True)
    temporary.replace(path)


async def inject(tool: str, arguments: dict[str, Any], when: When) -> None:
    """Fail as the faults file requests, or return at once.

    Raises:
        ToolUnavailableError: a fault has `do: raise`.
        TerminalError: a fault has `do: terminal`.
    """
    path = os.environ.get(VARIABLE)
    if not path:
        return
    for fault in _due(Path(path), tool, json.dumps(arguments, default=str), when):
        match fault.do:
            case "slow" | "hang":
                await asyncio.sleep(fault.seconds)
            case "exit":
                os.kill(os.getpid(), signal.SIGKILL)
            case "terminal":
                # Commands that only write the file do not wait for the import of the SDK.
                from restate.exceptions import TerminalError

                raise TerminalError(
                    fault.message or f"{tool} failed with a terminal error",
                    status_code=fault.status_code,
                )
            case "raise":
                raise ToolUnavailableError(fault.message or f"{tool} is unavailable")


def _due(path: Path, tool: str, arguments: str, when: When) -> list[ToolFault]:
    """Return the faults of this call. Counts the call when it begins (`before`)."""
    try:
        faults = [ToolFault(**fault) for fault in json.loads(path.read_text())]
    except FileNotFoundError:
        return []
    with path.with_name(path.name + ".calls").open("a+") as calls:
        fcntl.flock(calls, fcntl.LOCK_EX)
        if when == "before":
            calls.write(json.dumps([tool, arguments]) + "\n")
            calls.flush()
            os.fsync(calls.fileno())
        calls.seek(0)
        counted = [json.loads(line) for line in calls]
    return [
        fault
        for fault in faults
        if fault.when == when
        and fault.matches(tool, arguments)
        and fault.applies_to(sum(fault.matches(*call) for call in counted))
    ]
