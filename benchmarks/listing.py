"""Compare `playhead ls` with a process that only imports its modules.

A server and a recorder are running. Measures the CPU time (user and system) of cold processes, as
medians of ten. Prints the ratio. Exits with 1 if `ls` takes 0.6 s or more.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from playhead.local import RestateServer
from playhead.record.process import start_recorder
from playhead.settings import Settings

LIMIT_SECONDS = 0.6
ROUNDS = 10
FLOOR = [sys.executable, "-c", "import asyncio, click, httpx, rich.console, rich.table"]


def seconds(command: list[str], env: dict[str, str]) -> float:
    """Return the median CPU seconds of the command."""
    spent: list[float] = []
    for _ in range(ROUNDS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, env=env, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(spent)


def main() -> int:
    """Measure both and return the exit code."""
    with tempfile.TemporaryDirectory() as folder, RestateServer(Path(folder, "restate")) as server:
        settings = replace(Settings(), store=Path(folder, "store"), admin_url=server.admin_url)
        recorder = start_recorder(settings, Path(folder, "recorder.log"), free_ports=True)
        try:
            env = {**os.environ, "RESTATE_ADMIN_URL": server.admin_url,
                   "PLAYHEAD_STORE": str(settings.store)}  # fmt: skip
            floor = seconds(FLOOR, env)
            ls = seconds([sys.executable, "-m", "playhead", "ls"], env)
        finally:
            recorder.stop()
    print(f"imports alone  {floor:.3f} CPU s")
    print(f"playhead ls    {ls:.3f} CPU s (less than {LIMIT_SECONDS})")
    print(f"ratio {ls / floor:.2f}")
    return int(ls >= LIMIT_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
