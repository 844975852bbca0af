"""Fixtures with real servers on free ports."""

from __future__ import annotations

import os
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from distribution import FilesTogether, rank
from folder_fixtures import FolderFixtures
from garbage import Garbage
from playhead.local import RestateServer
from playhead.record.open_files import allow_more_open_files

# Tests hold both ends of hundreds of connections.
allow_more_open_files()
for _name in [n for n in os.environ if n.startswith(("RESTATE_", "PLAYHEAD_", "OTEL_"))]:
    del os.environ[_name]


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(FolderFixtures())
    config.pluginmanager.register(Garbage())
    # A shell lets what it runs in its background ignore Ctrl+C, also the processes of tests.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FilesTogether:
    """Distribute the tests among the processes of `make test`."""
    return FilesTogether(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run first what takes longest."""
    items.sort(key=lambda item: rank(item.nodeid))


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep tests away from the settings, the store and the saved views of whoever runs them."""
    with pytest.MonkeyPatch.context() as patch:
        for kind in ("CONFIG", "DATA", "STATE"):
            patch.setenv(f"XDG_{kind}_HOME", str(tmp_path_factory.mktemp(kind.lower())))
        yield


@pytest.fixture(scope="session", autouse=True)
def certificates() -> Iterator[None]:
    """Read the certificates of public sites once, instead of 20 ms for each client of HTTP."""
    create = httpx.create_ssl_context
    made: dict[tuple[str | None, ...], ssl.SSLContext] = {}

    def context(verify: Any = True, cert: Any = None, trust_env: bool = True) -> ssl.SSLContext:
        if verify is not True or cert is not None or not trust_env:
            return create(verify=verify, cert=cert, trust_env=trust_env)
        files = tuple(os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
        if files not in made:
            made[files] = create()
        return made[files]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx._transports.default.create_ssl_context", context)
        yield


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
