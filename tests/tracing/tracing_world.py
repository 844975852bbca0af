"""What really ran, counted by those who ran it, and what is planned to go wrong.

Both are files, so that they hold across a `kill -9` and are independent of any telemetry.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any


class PlannedError(Exception):
    """A failure that the plan of a run asks for."""


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def plan(self, key: str, script: list[Any], **fail: int) -> None:
        """`script`: one entry a model call, a text or a list of [tool, args]; `fail`: how often."""
        path = self.folder / f"{key}.plan"
        path.with_suffix(".tmp").write_text(json.dumps({"script": script, "fail": fail}))
        path.with_suffix(".tmp").rename(path)

    def script(self, key: str) -> list[Any]:
        return json.loads((self.folder / f"{key}.plan").read_text())["script"]

    def ran(self, key: str, what: str) -> None:
        """Something runs: note it, and fail when the plan says so."""
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

    def tell(self, key: str, text: str) -> None:
        path = self.folder / f"{key}.told"
        path.with_suffix(".tell").write_text(text)
        path.with_suffix(".tell").rename(path)

    def told(self, key: str, seconds: float = 20) -> str:
        deadline = time.monotonic() + seconds
        path = self.folder / f"{key}.told"
        while not path.exists():
            assert time.monotonic() < deadline, f"{key} told nothing"
            time.sleep(0.02)
        return path.read_text()

    def wait(self, key: str, what: str, count: int = 1, seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while self.counts(key)[what] < count:
            assert time.monotonic() < deadline, f"{key}: {what} < {count}: {self.counts(key)}"
            time.sleep(0.02)
