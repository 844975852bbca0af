"""Real targets of spans: programs that scripts/targets.sh obtains, and their processes."""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import httpx
import pytest
from playhead.local import ManagedProcess, free_port

ROOT = Path(__file__).parents[2]


@cache
def program(name: str) -> Path:
    """Return the path of `collector`, `jaeger`, `phoenix` or the Python of `spark`.

    Obtaining it takes minutes at first. Where it cannot be obtained, a test is skipped with the
    reason; in CI it fails.
    """
    # Each user has a lock: a file of another one in the temporary folder cannot be opened.
    lock_file = Path(tempfile.gettempdir()) / f"playhead-targets-{os.getuid()}.lock"
    with lock_file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other test processes wait for the same program
        done = subprocess.run(
            ["sh", str(ROOT / "scripts" / "targets.sh"), name],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode == 0:
        return Path(done.stdout.split()[-1])
    reason = f"not run, because `make targets` fails for {name}: {done.stderr[-2000:]}"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def answers(url: str) -> Callable[[], bool]:
    """Return a check whether a URL answers with success."""

    def check() -> bool:
        try:
            return httpx.get(url, timeout=1, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    return check


JAEGER = """
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines:
    traces: {{receivers: [otlp], exporters: [jaeger_storage_exporter]}}
  telemetry: {{metrics: {{level: none}}}}
extensions:
  jaeger_storage: {{backends: {{main: {{{storage}}}}}}}
  jaeger_query:
    storage: {{traces: main}}
    http: {{endpoint: "127.0.0.1:{api}"}}
    grpc: {{endpoint: "127.0.0.1:{api_grpc}"}}
receivers:
  otlp:
    protocols:
      http: {{endpoint: "127.0.0.1:{http}"}}
      grpc: {{endpoint: "127.0.0.1:{grpc}"}}
exporters:
  jaeger_storage_exporter: {{trace_storage: main}}
"""
"""Configuration of Jaeger v2, with its storage and ports."""


class Jaeger:
    """Jaeger v2 with its traces in memory."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        ports = {name: free_port() for name in ("api", "api_grpc", "http", "grpc")}
        self.api = f"http://127.0.0.1:{ports['api']}"
        self.http = f"http://127.0.0.1:{ports['http']}"
        self.grpc = f"127.0.0.1:{ports['grpc']}"
        config = folder / "jaeger.yaml"
        config.write_text(JAEGER.format(storage="memory: {max_traces: 100000}", **ports))
        self.child = ManagedProcess(
            "jaeger", [program("jaeger"), "--config", config], log=folder / "jaeger.log"
        )

    def start(self) -> Jaeger:
        self.child.start()
        self.child.wait_until(answers(f"{self.api}/api/services"), seconds=30, what="it answered")
        return self

    def services(self) -> list[str]:
        found: list[str] = httpx.get(f"{self.api}/api/services").json()["data"] or []
        return sorted(found)

    def _spans(self) -> dict[str, str]:
        """Return the names of the spans of all services, by span id."""
        return {
            span["spanID"]: span["operationName"]
            for service in self.services()
            for trace in httpx.get(
                f"{self.api}/api/traces", params={"service": service, "limit": 5000}, timeout=60
            ).json()["data"]
            for span in trace["spans"]
        }

    def operations(self) -> list[str]:
        """Return the names of all spans."""
        return list(self._spans().values())

    def span_ids(self) -> list[str]:
        """Return the ids of all spans."""
        return list(self._spans())

    def trace(self, trace_id: str) -> list[dict[str, object]]:
        """Return the spans of a trace with their service and tags, by start."""
        response = httpx.get(f"{self.api}/api/traces/{trace_id}")
        if response.status_code == 404:
            return []
        [trace] = response.json()["data"]
        spans = sorted(trace["spans"], key=lambda span: span["startTime"])
        for span in spans:
            span["service"] = trace["processes"][span["processID"]]["serviceName"]
            span["tags"] = {tag["key"]: tag["value"] for tag in span["tags"]}
        found: list[dict[str, object]] = spans
        return found


class Phoenix:
    """Phoenix with its database in a folder."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.child = ManagedProcess(
            "phoenix",
            [program("phoenix"), "serve"],
            log=folder / "phoenix.log",
            env={
                "PHOENIX_HOST": "127.0.0.1",
                "PHOENIX_PORT": str(port),
                "PHOENIX_GRPC_PORT": str(free_port()),
                "PHOENIX_WORKING_DIR": str(folder / "phoenix"),
                "PHOENIX_TELEMETRY_ENABLED": "false",
            },
        )

    def start(self) -> Phoenix:
        self.child.start()
        self.child.wait_until(answers(f"{self.url}/healthz"), seconds=120, what="it answered")
        return self

    def _all(self, path: str) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = []
        cursor = None
        while True:
            params = {"limit": "500"} | ({"cursor": cursor} if cursor else {})
            page = httpx.get(f"{self.url}/v1/projects/default/{path}", params=params, timeout=30)
            document = page.raise_for_status().json()
            rows += document["data"]
            cursor = document.get("next_cursor")
            if not cursor:
                return rows

    def spans(self) -> list[dict[str, object]]:
        return self._all("spans")

    def sessions(self) -> list[dict[str, object]]:
        return self._all("sessions")
