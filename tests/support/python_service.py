"""A service in a process: wait until it answers, and end it at once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
from playhead.local import ManagedProcess, RestateServer, free_port

__all__ = ["python_service"]


def _answers(url: str) -> Callable[[], bool]:
    """Return a check whether the service at a URL answers."""

    def check() -> bool:
        try:
            return httpx.get(f"{url}/restate/health", timeout=1).is_success
        except httpx.HTTPError:
            return False

    return check


@contextmanager
def python_service(server: RestateServer, file: Path, text: str = "") -> Generator[str]:
    """Run a Python file with a port as its argument, and register its service; yield its URL.

    Args:
        server: The server to register it at.
        file: The file, beside which the log is written.
        text: What to write into the file before.
    """
    if text:
        file.write_text(text)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, file, str(port)]
    child = ManagedProcess(file.stem, command, log=file.with_suffix(".log")).start()
    try:
        child.wait_until(_answers(url), seconds=60, what="it answered")
        server.register(url)
        yield url
    finally:
        # The SDK replaces hypercorn's handler of SIGTERM at the first request, and ignores it.
        child.kill()
