"""A script that ends the process groups of its parent process when the parent exits.

`playhead.local.process` starts it once in each parent process. It reads lines
from standard input: `+PGID` when a group starts, `-PGID` when it has ended. At end of file, when
the parent has exited (even by `kill -9`), it ends the remaining groups.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

GRACE_SECONDS = 3.0


def alive(group: int) -> bool:
    """Return whether the group still has a process."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def end(groups: set[int], grace: float = GRACE_SECONDS) -> None:
    """Send SIGTERM to every group, and SIGKILL to those left after `grace` seconds."""
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while any(alive(group) for group in groups) and time.monotonic() < deadline:
        time.sleep(0.05)
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


def main() -> None:
    """Follow the parent until it exits, then end its groups."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        sign, group = line[0], int(line[1:])
        if sign == "+":
            groups.add(group)
        else:
            groups.discard(group)
    end(groups)


if __name__ == "__main__":
    main()
