"""Who may ask a recorder, and where it listens: two small files beside the store."""

from __future__ import annotations

import json
import os
import secrets
import stat
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["HOSTS", "Running", "forget", "publish", "read_running", "read_token", "token"]

HOSTS = ["127.0.0.1", "localhost", "host.docker.internal"]
"""Names by which a request may call us: another name is a web page's rebound DNS."""

TOKEN = "recorder.token"
RUNNING = "recorder.json"


@dataclass(frozen=True, slots=True)
class Running:
    """A running recorder."""

    pid: int
    api_port: int
    otlp_http_port: int
    otlp_grpc_port: int
    started_at: str

    @property
    def api_url(self) -> str:
        """Base address of its query API."""
        return f"http://127.0.0.1:{self.api_port}"


def token(folder: Path) -> str:
    """The store's bearer token, made when there is none that only its owner can read."""
    path = folder / TOKEN
    found = read_token(folder)
    if found and stat.S_IMODE(path.stat().st_mode) == 0o600:
        return found
    made = secrets.token_urlsafe(32)
    _write(path, made)
    return made


def read_token(folder: Path) -> str | None:
    """The store's bearer token; None when there is none or it cannot be read."""
    try:
        return (folder / TOKEN).read_text().strip() or None
    except OSError:
        return None


def publish(folder: Path, running: Running) -> None:
    """Say where this store's recorder listens."""
    _write(folder / RUNNING, json.dumps(asdict(running)))


def forget(folder: Path) -> None:
    """The recorder has ended."""
    (folder / RUNNING).unlink(missing_ok=True)


def read_running(folder: Path) -> Running | None:
    """Where this store's recorder said it listens; it may have been killed since."""
    try:
        return Running(**json.loads((folder / RUNNING).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _write(path: Path, text: str) -> None:
    """Create or replace the file in one step, readable by its owner alone at every moment."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    temporary.replace(path)
