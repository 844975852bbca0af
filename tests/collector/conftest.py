"""A real OpenTelemetry Collector, which scripts/targets.sh builds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from collector_process import Recorder
from target_programs import program


@pytest.fixture(scope="session")
def collector_binary() -> Path:
    """Return the Collector's binary; building it takes about 90 s the first time."""
    return program("collector")


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    recorder = Recorder(tmp_path / "first")
    yield recorder
    recorder.stop()
