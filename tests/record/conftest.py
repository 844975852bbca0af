"""A recorder in this process, one as a child, and a small durable service."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from playhead.local import Child, RestateServer, free_port
from playhead.record.recorder import Options, Recorder, open_recorder
from playhead.settings import Settings

sys.path.insert(0, str(Path(__file__).parent))

FREE = Options(otlp_grpc_port=0, otlp_http_port=0, api_port=0, journals=False)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A store of its own; no Restate server at the admin address."""
    return Settings(admin_url="http://127.0.0.1:1", store=tmp_path / "store")


@pytest.fixture
async def recorder(settings: Settings) -> AsyncIterator[Recorder]:
    """A recorder of traces in this process."""
    async with open_recorder(settings, FREE) as running:
        yield running


@pytest.fixture(scope="session")
def service(restate: RestateServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The service of `durable.py`, registered at the shared server; its address."""
    with serve(tmp_path_factory.mktemp("service")) as (_, url):
        restate.register(url)
        yield url


class serve:
    """Runs `durable.py` as a child under hypercorn."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.child = Child(
            "durable service",
            [sys.executable, "-m", "hypercorn", "--bind", f"127.0.0.1:{port}", "durable:app"],
            log=folder / "service.log",
            cwd=Path(__file__).parent,
        )

    def __enter__(self) -> tuple[Child, str]:
        import httpx

        def answers() -> bool:
            try:
                return httpx.get(self.url + "/health", timeout=1.0).status_code < 600
            except httpx.HTTPError:
                return False

        self.child.start().wait_until(answers, seconds=20, what="it answered")
        return self.child, self.url

    def __exit__(self, *exc: object) -> None:
        self.child.stop()


async def eventually(
    true: Callable[[], Awaitable[bool]] | Callable[[], bool], *, seconds: float = 20.0
) -> float:
    """Wait until the condition holds; returns how long that took, in seconds."""
    started = time.monotonic()
    while True:
        result = true()
        if isinstance(result, bool):
            holds = result
        else:
            holds = await result
        if holds:
            return time.monotonic() - started
        assert time.monotonic() - started < seconds, "it never came true"
        await asyncio.sleep(0.02)
