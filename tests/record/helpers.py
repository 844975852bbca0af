"""Start the durable service, and build the options of a test's recorder."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx
from playhead.local import ManagedProcess, free_port
from playhead.record.recorder import RecorderOptions

FREE = RecorderOptions(otlp_grpc_port=0, otlp_http_port=0, api_port=0, journals=False)


class serve:
    """Run `durable.py` under hypercorn in a child process."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.child = ManagedProcess(
            "durable service",
            [sys.executable, "-m", "hypercorn", "--bind", f"127.0.0.1:{port}", "durable:app"],
            log=folder / "service.log",
            cwd=Path(__file__).parent,
        )

    def __enter__(self) -> tuple[ManagedProcess, str]:
        def answers() -> bool:
            try:
                return httpx.get(self.url + "/health", timeout=1.0).status_code < 600
            except httpx.HTTPError:
                return False

        self.child.start().wait_until(answers, seconds=20, what="it answered")
        return self.child, self.url

    def __exit__(self, *exc: object) -> None:
        self.child.stop()
