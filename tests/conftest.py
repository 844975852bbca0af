"""Fixtures with real servers on free ports."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from distribution import FilesTogether, rank
from playhead.local import RestateServer

for _name in [n for n in os.environ if n.startswith(("RESTATE_", "PLAYHEAD_", "OTEL_"))]:
    del os.environ[_name]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FilesTogether:
    """Distribute the tests among the processes of `make test`."""
    return FilesTogether(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run first what takes longest."""
    items.sort(key=lambda item: rank(item.nodeid))


@pytest.fixture(scope="session")
def restate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestateServer]:
    """A restate-server without a tracing endpoint, shared by tests that only add data."""
    with RestateServer(tmp_path_factory.mktemp("restate")) as server:
        yield server


@pytest.fixture
def own_restate(tmp_path: Path) -> Iterator[RestateServer]:
    """A restate-server for a single test, which may kill or restart it or count all its data."""
    with RestateServer(tmp_path / "restate") as server:
        yield server
