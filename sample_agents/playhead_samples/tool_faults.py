"""Failures of tools on demand, counted across restarts of the process.

`PLAYHEAD_FAULTS` names a JSON file, a list of faults such as
`{"tool": "get_weather", "match": "Denver", "call": [1, 2], "do": "raise"}`. It is read at every
call, so faults can be declared and lifted while the service runs. Calls are counted in a file
beside it (same name plus `.calls`), so that "fail twice, then work" is true over a restart.
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

from restate.exceptions import TerminalError

__all__ = ["VARIABLE", "Fault", "ToolFailure", "declare", "strike"]

VARIABLE = "PLAYHEAD_FAULTS"

When = Literal["before", "after"]


class ToolFailure(Exception):  # noqa: N818 - what it is called in the traces
    """A tool failed because a fault says so; Restate retries it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure of a tool."""

    tool: str
    """Name of the side effect, as `effects.act` gives it."""
    do: Literal["raise", "terminal", "hang", "slow", "exit"]
    """Fail · fail for good · never answer · answer late · kill -9 of the own process."""
    call: int | list[int] | None = None
    """Which calls to strike, counted from 1 among those that fit; None: all."""
    match: str | None = None
    """A part of the arguments as JSON, such as a city."""
    when: When = "before"
    """Before or after the side effect happens."""
    seconds: float = 3600.0
    """How long `hang` and `slow` take."""
    message: str = ""

    def strikes(self, number: int) -> bool:
        """Whether the `number`-th call that fits is struck."""
        if self.call is None:
            return True
        return number == self.call if isinstance(self.call, int) else number in self.call

    def fits(self, tool: str, arguments: str) -> bool:
        """Whether a call counts for this fault."""
        return tool == self.tool and (self.match is None or self.match in arguments)


def declare(path: Path, faults: list[Fault]) -> None:
    """Write the faults file and start counting from zero; an empty list lifts all faults."""
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps([asdict(fault) for fault in faults], indent=2))
    path.with_name(path.name + ".calls").unlink(missing_ok=True)
    temporary.replace(path)


async def strike(tool: str, arguments: dict[str, Any], when: When) -> None:
    """Fail as declared, or return at once.

    Raises:
        ToolFailure: a fault says `raise`.
        TerminalError: a fault says `terminal`.
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
                raise TerminalError(fault.message or f"{tool} refuses for good")
            case "raise":
                raise ToolFailure(fault.message or f"{tool} is down")


def _due(path: Path, tool: str, arguments: str, when: When) -> list[Fault]:
    """The faults to strike now. Counts the call when it begins (`before`)."""
    try:
        declared = [Fault(**one) for one in json.loads(path.read_text())]
    except FileNotFoundError:
        return []
    with path.with_name(path.name + ".calls").open("a+") as calls:
        fcntl.flock(calls, fcntl.LOCK_EX)
        if when == "before":
            calls.write(json.dumps([tool, arguments]) + "\n")
            calls.flush()
            os.fsync(calls.fileno())
        calls.seek(0)
        seen = [json.loads(line) for line in calls]
    return [
        fault
        for fault in declared
        if fault.when == when
        and fault.fits(tool, arguments)
        and fault.strikes(sum(fault.fits(*call) for call in seen))
    ]
