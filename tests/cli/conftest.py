"""The sample agents with the demo's traffic, and `playhead` as a process over them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playhead_samples import demo_requests as demo
from playhead_samples.stack import Stack

SECONDS = 60.0


class Cli:
    def __init__(self, stack: Stack, ids: dict[str, str]) -> None:
        self.stack = stack
        self.ids = ids

    def __call__(
        self, *arguments: str | Path, code: int = 0, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "playhead", *map(str, arguments)],
            env={**os.environ, **self.stack.environment, **(env or {})},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done


@pytest.fixture(scope="session")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    with Stack(tmp_path_factory.mktemp("stack"), only=demo.AGENTS) as stack:
        demo.inject_faults(stack)
        ids = {sent.request.title: sent.invocation_id for sent in demo.send(stack)}
        run = Cli(stack, ids)
        deadline = time.monotonic() + SECONDS
        waits = ids["an approval that waits for you"]
        while True:
            words = demo.statuses(stack, list(ids.values()))
            attempts = run("sql", "--json", "SELECT count(*) AS n FROM attempts").stdout
            if '"n": 11' in attempts.replace('"n":11', '"n": 11') and all(
                word == ("suspended" if id_ == waits else "completed")
                for id_, word in words.items()
            ):
                break
            assert time.monotonic() < deadline, (words, attempts)
            time.sleep(0.2)
        yield run
