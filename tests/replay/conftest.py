"""Fixtures with the recordings of `tests/recordings` and their handlers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playhead.replay.engine.app import App, load_app
from playhead.replay.worker import Worker

sys.path.append(str(Path(__file__).parent))
RECORDINGS = Path(__file__).parents[1] / "recordings"


@pytest.fixture(scope="session")
def handlers_app() -> App:
    """`handlers:app`, imported in this process."""
    return load_app("handlers:app", str(RECORDINGS))


@pytest.fixture
def executed(handlers_app: App) -> Iterator[list[str]]:
    """Names of the closures that ran during the test, as the closures report them."""
    found: list[str] = sys.modules["handlers"].EXECUTED
    found.clear()
    yield found
    found.clear()


@pytest.fixture(scope="session")
def samples() -> Iterator[Worker]:
    """A warm process with all sample agents, whose import takes seconds."""
    with Worker("playhead_samples.app:create_app()") as worker:
        worker.start()
        yield worker
