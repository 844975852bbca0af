"""A recorder as a child process, for whoever finds none running."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx

from playhead.local import ManagedProcess
from playhead.record.endpoint import read_running, read_token
from playhead.settings import Settings

__all__ = ["start_child"]

START_SECONDS = 20.0


def start_child(
    settings: Settings, log: Path, *, free_ports: bool = False, journals: bool = True
) -> ManagedProcess:
    """Start `playhead record` on this store and wait until it answers; it ends with us.

    Args:
        settings: store, ports and server.
        log: file that receives its output.
        free_ports: take any free ports instead of the settings'; they are found in the
            store's `recorder.json` (`playhead.record.endpoint.read_running`).
        journals: copy journals from the Restate server.

    Raises:
        ProcessError: it did not come up, with the end of its log.
    """
    ports = {
        "--otlp-grpc-port": settings.otlp_grpc_port,
        "--otlp-http-port": settings.otlp_http_port,
        "--api-port": settings.api_port,
    }
    child = ManagedProcess(
        "playhead record",
        [
            sys.executable, "-m", "playhead",
            "--store", settings.store,
            "--admin-url", settings.admin_url,
            "record",
            *(f"{flag}={0 if free_ports else port}" for flag, port in ports.items()),
            *([] if journals else ["--no-journal"]),
        ],
        log=log,
        env={"RESTATE_AUTH_TOKEN": settings.auth_token} if settings.auth_token else {},
    ).start()  # fmt: skip
    try:
        child.wait_until(
            lambda: _answers(settings.store, child.pid), seconds=START_SECONDS, what="it answered"
        )
    except BaseException:
        child.stop()
        raise
    return child


def _answers(store: Path, pid: int) -> bool:
    running, token = read_running(store), read_token(store)
    if running is None or token is None or running.pid != pid:
        return False
    try:
        return httpx.get(
            f"{running.api_url}/health",
            headers={"authorization": f"Bearer {token}"},
            timeout=2.0,
            trust_env=False,
        ).is_success
    except httpx.HTTPError:
        return False
