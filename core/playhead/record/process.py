"""A recorder as a child process."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from playhead.errors import RecorderError
from playhead.local import ManagedProcess
from playhead.record.endpoint import read_endpoint, read_token
from playhead.record.recorder_client import RecorderAuth
from playhead.settings import Settings

__all__ = [
    "recorder_answers",
    "recorder_health",
    "recorder_process",
    "start_recorder",
    "wait_for_recorder",
]

START_SECONDS = 20.0


def recorder_process(
    settings: Settings, log: Path, *, free_ports: bool = False, journals: bool = True
) -> ManagedProcess:
    """Return a `playhead record` process on this store that is not started yet.

    Args:
        settings: Store, ports and server.
        log: File that receives its output.
        free_ports: Take free ports instead of those in the settings; `read_endpoint` returns them.
        journals: Whether to copy journals from the Restate server.
    """
    with contextlib.suppress(OSError):  # the recorder says it
        # The folder of the log, in the store, would be created with one for all users.
        settings.store.mkdir(parents=True, exist_ok=True, mode=0o700)
    ports = {
        "--otlp-grpc-port": settings.otlp_grpc_port,
        "--otlp-http-port": settings.otlp_http_port,
        "--api-port": settings.api_port,
    }
    return ManagedProcess(
        "playhead record",
        [
            sys.executable, "-m", "playhead",
            "--store", settings.store,
            "record",
            *(f"{flag}={0 if free_ports else port}" for flag, port in ports.items()),
            *([] if journals else ["--no-journal"]),
        ],
        log=log,
        # Arguments of a process are visible to every user of the machine.
        env={
            "RESTATE_ADMIN_URL": settings.admin_url,
            **({"RESTATE_AUTH_TOKEN": settings.auth_token} if settings.auth_token else {}),
        },
    )  # fmt: skip


def wait_for_recorder(child: ManagedProcess, store: Path) -> None:
    """Wait until a started recorder answers. Raises ProcessError with the end of its log."""
    child.wait_until(
        lambda: recorder_answers(store, child.pid), seconds=START_SECONDS, what="it answered"
    )


def start_recorder(
    settings: Settings, log: Path, *, free_ports: bool = False, journals: bool = True
) -> ManagedProcess:
    """Start `playhead record` and wait until it answers; it ends with this process.

    Takes the arguments of `recorder_process`.

    Raises:
        ProcessError: The recorder did not start; the error has the end of its log.
    """
    child = recorder_process(settings, log, free_ports=free_ports, journals=journals).start()
    try:
        wait_for_recorder(child, settings.store)
    except BaseException:
        child.stop()
        raise
    return child


def recorder_answers(store: Path, pid: int) -> bool:
    """Return whether the store's recorder is the process with this id, and answers."""
    return recorder_health(store, pid) is not None


def recorder_health(store: Path, pid: int) -> Mapping[str, Any] | None:
    """Return the answer of `GET /health` of the store's recorder, if it has this process id."""
    endpoint, token = read_endpoint(store), read_token(store)
    if endpoint is None or token is None or endpoint.pid != pid:
        return None
    try:
        answer = httpx.get(
            f"{endpoint.api_url}/health",
            auth=RecorderAuth(endpoint, token),
            timeout=2.0,
            trust_env=False,
        )
        return answer.json() if answer.is_success else None
    except (httpx.HTTPError, RecorderError, ValueError):
        return None
