"""One run of the demo with its failures, and the real targets that it is exported to."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from target_programs import Jaeger, Phoenix


@pytest.fixture(scope="session")
def demo_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of `playhead demo`, with a tool that failed twice, and an approval."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    command = [sys.executable, "-m", "playhead", "demo", "--headless", "--dir", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stderr
    return folder / "store"


@pytest.fixture(scope="session")
def stored(demo_store: Path) -> Callable[[str], list[Any]]:
    """Query the demo's store."""

    def run(sql: str) -> list[Any]:
        connection = duckdb.connect(str(demo_store / "playhead.duckdb"), read_only=True)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    return run


@pytest.fixture(scope="session")
def jaeger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jaeger]:
    target = Jaeger(tmp_path_factory.mktemp("jaeger"))
    try:
        yield target.start()
    finally:
        target.child.stop()


@pytest.fixture(scope="session")
def phoenix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phoenix]:
    target = Phoenix(tmp_path_factory.mktemp("phoenix"))
    try:
        yield target.start()
    finally:
        target.child.stop()
