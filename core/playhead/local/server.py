"""A restate-server on free loopback ports, for the demo, scenarios and tests."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Mapping
from pathlib import Path

import httpx

from playhead.errors import ProcessError, ServerNotFoundError
from playhead.local.ports import LOOPBACK, free_port
from playhead.local.process import ManagedProcess
from playhead.restate.deployments import register_deployment

START_SECONDS = 30.0


def find_server(start: Path | None = None) -> Path:
    """Return the restate-server binary: on PATH, else as npm installed it here or in a parent.

    Raises:
        ServerNotFoundError: The program is neither on PATH nor in node_modules.
    """
    on_path = shutil.which("restate-server")
    if on_path:
        return Path(on_path)
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    package = f"restate-server-{platform.system().lower()}-{machine}"
    inside = Path("node_modules", "@restatedev", package, "bin", "restate-server")
    here = (start or Path.cwd()).resolve()
    checkout = Path(__file__).resolve().parents[3]
    for folder in (here, *here.parents, checkout):
        if (folder / inside).is_file():
            return folder / inside
    raise ServerNotFoundError(
        "No restate-server was found on PATH or in node_modules",
        "Run `npm install @restatedev/restate-server` here (or `make install` in a checkout), "
        "or put restate-server on PATH.",
    )


class RestateServer:
    """A restate-server with its own data folder and ports; a context manager.

    Ports and data survive `stop()` or `kill()` followed by `start()`, as when a server restarts.
    """

    def __init__(
        self,
        folder: Path,
        *,
        tracing_endpoint: str | None = None,
        env: Mapping[str, str] | None = None,
        binary: Path | None = None,
    ) -> None:
        """Configure the server without starting it.

        Args:
            folder: Folder for data and log.
            tracing_endpoint: Target of the server's spans in Restate's notation:
                `otlp+http://host:4318/v1/traces`, or a plain URL for gRPC.
            env: Additional `RESTATE_*` settings.
            binary: The program; by default, `find_server()`.
        """
        self.folder = folder
        self.ingress_port = free_port()
        self.admin_port = free_port()
        self.node_port = free_port()
        self._temporary = (folder / "data" / "tmp").resolve()
        settings = {
            "RESTATE_INGRESS__BIND_PORT": str(self.ingress_port),
            "RESTATE_ADMIN__BIND_PORT": str(self.admin_port),
            "RESTATE_BIND_PORT": str(self.node_port),
            "RESTATE_BIND_IP": LOOPBACK,
            "RESTATE_LISTEN_MODE": "tcp",
            "RESTATE_DISABLE_TELEMETRY": "true",
            "RESTATE_DEFAULT_NUM_PARTITIONS": "4",
            "RESTATE_ROCKSDB_TOTAL_MEMORY_SIZE": "256MB",
            "RESTATE_LOG_DISABLE_ANSI_CODES": "true",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            # A folder of its own for each partition. RESTATE_WORKER__INVOKER__TMP_DIR would be one
            # folder for all partitions, and each partition empties it.
            "TMPDIR": str(self._temporary),
        }
        if tracing_endpoint:
            settings["RESTATE_TRACING_ENDPOINT"] = tracing_endpoint
        self._process = ManagedProcess(
            "restate-server",
            [
                binary or find_server(),
                "--no-logo",
                "--base-dir",
                folder / "data",
                "--node-name",
                "playhead",
            ],
            log=folder / "restate-server.log",
            env={**settings, **(env or {})},
            # These variables describe another server, and where that one sends its spans.
            without=("RESTATE_", "OTEL_"),
        )

    @property
    def admin_url(self) -> str:
        """Base URL of the admin API."""
        return f"http://{LOOPBACK}:{self.admin_port}"

    @property
    def ingress_url(self) -> str:
        """Base URL of the ingress, which takes requests."""
        return f"http://{LOOPBACK}:{self.ingress_port}"

    @property
    def process(self) -> ManagedProcess:
        """The server's process."""
        return self._process

    def start(self) -> RestateServer:
        """Start the server and wait until admin API and ingress answer. Raises ProcessError."""
        self._temporary.mkdir(parents=True, exist_ok=True)
        # The server makes these folders at each start, and never removes them.
        for left in self._temporary.glob("invoker-*"):
            shutil.rmtree(left, ignore_errors=True)
        self._process.start()
        try:
            self._process.wait_until(self._healthy, seconds=START_SECONDS, what="it was healthy")
        except ProcessError:
            self._process.kill()
            raise
        return self

    def stop(self) -> None:
        """Stop the server gracefully."""
        self._process.stop()

    def kill(self) -> None:
        """End the server by SIGKILL, like a crash."""
        self._process.kill()

    def register(self, service_url: str, *, force: bool = False, use_http_11: bool = False) -> str:
        """Register a service endpoint and return the id of its deployment.

        Raises:
            RestateError: The server refuses the endpoint; the title says why.
        """
        return register_deployment(
            self.admin_url, service_url, force=force, use_http_11=use_http_11, timeout=START_SECONDS
        )

    def _healthy(self) -> bool:
        try:
            return all(
                httpx.get(url, timeout=1.0).is_success
                for url in (f"{self.admin_url}/health", f"{self.ingress_url}/restate/health")
            )
        except httpx.HTTPError:
            return False

    def __enter__(self) -> RestateServer:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()
