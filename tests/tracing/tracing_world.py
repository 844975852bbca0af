"""Counts of executions, by the code itself, and the planned failures.

Both are files, so that they survive a `kill -9` and are independent of telemetry.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

from waiting import until


class PlannedError(Exception):
    """A failure that the plan of a run contains."""


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def plan(self, key: str, script: list[Any], **fail: int) -> None:
        """`script`: for each model call a text or a list of [tool, args]; `fail`: counts."""
        path = self.folder / f"{key}.plan"
        path.with_suffix(".tmp").write_text(json.dumps({"script": script, "fail": fail}))
        path.with_suffix(".tmp").rename(path)

    def script(self, key: str) -> list[Any]:
        return json.loads((self.folder / f"{key}.plan").read_text())["script"]

    def ran(self, key: str, what: str) -> None:
        """Count an execution, and fail if the plan contains a failure."""
        log = os.open(self.folder / f"{key}.log", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        os.write(log, f"{what}\n".encode())
        os.close(log)
        planned = json.loads((self.folder / f"{key}.plan").read_text())["fail"]
        if self.counts(key)[what] <= planned.get(what.replace(" ", "_"), 0):
            raise PlannedError(f"{what} fails as planned")

    def counts(self, key: str) -> Counter[str]:
        try:
            return Counter((self.folder / f"{key}.log").read_text().splitlines())
        except FileNotFoundError:
            return Counter()

    def total(self, key: str, begin: str) -> int:
        return sum(n for what, n in self.counts(key).items() if what.startswith(begin))

    def publish(self, key: str, text: str) -> None:
        path = self.folder / f"{key}.published"
        path.with_suffix(".part").write_text(text)
        path.with_suffix(".part").rename(path)

    def published(self, key: str, seconds: float = 20) -> str:
        path = self.folder / f"{key}.published"
        until(path.exists, f"{key} published something", seconds=seconds)
        return path.read_text()

    def wait(self, key: str, what: str, count: int = 1, seconds: float = 20) -> None:
        until(
            lambda: self.counts(key)[what] >= count,
            f"{key}: {what} ran {count} times",
            seconds=seconds,
        )
