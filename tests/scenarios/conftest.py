"""A stack for all tests that only add to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playhead_samples.scenarios import runner
from playhead_samples.scenarios.scenario import DEFAULT_STACK
from playhead_samples.stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Recorder, restate-server, LLM server and agents with the default options."""
    with runner.create_stack(DEFAULT_STACK, tmp_path_factory.mktemp("scenarios"), print) as running:
        yield running
