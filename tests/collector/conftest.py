"""A real OpenTelemetry Collector, which scripts/targets.sh builds."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from collector_process import Collector, Recorder, Running
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


@pytest.fixture
def running(collector_binary: Path, recorder: Recorder, tmp_path: Path) -> Running:
    """Start the recorder, and return what runs a Collector in front of it for a block."""
    recorder.start()

    @contextmanager
    def run(env: Mapping[str, str], keyed_targets: Sequence[str] = ()) -> Generator[Collector]:
        url = f"http://127.0.0.1:{recorder.settings.otlp_http_port}"
        variables = {"PLAYHEAD_RECORDER_ENDPOINT": url, **env}
        collector = Collector(collector_binary, tmp_path, variables, keyed_targets)
        try:
            collector.start()
            yield collector
        finally:
            collector.child.stop()

    return run
