"""Fixtures with the sample agents, the demo's requests, and `playhead` as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playhead_samples import demo_requests as demo
from playhead_samples.stack import Stack
from waiting import until

ATTEMPTS = 11
"""Number of attempts of the demo's requests until the approval is pending."""


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


ALONE = demo.REQUESTS[:-1]
"""The requests that lead to one invocation each."""


@pytest.fixture(scope="session")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    with Stack(tmp_path_factory.mktemp("stack"), only=demo.AGENTS) as stack:
        demo.inject_faults(stack)
        ids = {sent.request.title: sent.invocation_id for sent in demo.send(stack, ALONE)}
        run = Cli(stack, ids)
        waiting = ids["an approval that waits for you"]
        want = {id_: "suspended" if id_ == waiting else "completed" for id_ in ids.values()}
        until(
            lambda: demo.statuses(stack, list(want)) == want,
            "the demo's invocations ended or wait",
            seconds=60,
        )

        def attempts() -> int:
            return json.loads(run("sql", "--json", "SELECT count(*) AS n FROM attempts").stdout)[0][
                "n"
            ]

        until(lambda: attempts() == ATTEMPTS, "all attempts are recorded", seconds=60)
        yield run
