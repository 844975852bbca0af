"""A recorder in this process, one as a child, and a small durable service."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playhead.local import RestateServer
from playhead.record.recorder import Recorder, open_recorder
from playhead.settings import Settings

sys.path.insert(0, str(Path(__file__).parent))

from helpers import FREE, serve


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with an empty store and no Restate server."""
    return Settings(admin_url="http://127.0.0.1:1", store=tmp_path / "store")


@pytest.fixture
async def recorder(settings: Settings) -> AsyncIterator[Recorder]:
    """A recorder of traces, in this process."""
    async with open_recorder(settings, FREE) as running:
        yield running


@pytest.fixture(scope="session")
def service(restate: RestateServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of the service of `durable.py`, which is registered at the shared server."""
    with serve(tmp_path_factory.mktemp("service")) as (_, url):
        restate.register(url)
        yield url
