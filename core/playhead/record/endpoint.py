"""The recorder's ports and bearer token, in two small files next to the store's database."""

from __future__ import annotations

import json
import os
import secrets
import stat
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = [
    "CLIENT_HEADER",
    "ENDPOINT_FILE",
    "HOSTS",
    "TOKEN_FILE",
    "RecorderEndpoint",
    "ensure_token",
    "read_endpoint",
    "read_token",
    "remove_endpoint",
    "write_endpoint",
]

CLIENT_HEADER = "playhead-client"
"""Header of a query: the client's random name, by which the API shares its slots fairly."""
HOSTS = ["127.0.0.1", "localhost", "host.docker.internal"]
"""Accepted names in the `Host` header; another name may come from DNS rebinding by a web page."""

TOKEN_FILE = "recorder.token"
ENDPOINT_FILE = "recorder.json"


@dataclass(frozen=True, slots=True)
class RecorderEndpoint:
    """Process and ports of a running recorder."""

    pid: int
    api_port: int
    otlp_http_port: int
    otlp_grpc_port: int
    started_at: str
    """ISO 8601, UTC."""

    @property
    def api_url(self) -> str:
        """Base URL of the query API."""
        return f"http://127.0.0.1:{self.api_port}"


def ensure_token(folder: Path) -> str:
    """Return the store's bearer token; create one unless a private file has it."""
    path = folder / TOKEN_FILE
    found = read_token(folder)
    if found and stat.S_IMODE(path.stat().st_mode) == 0o600:
        return found
    created = secrets.token_urlsafe(32)
    _write(path, created)
    return created


def read_token(folder: Path) -> str | None:
    """Return the store's bearer token; None when the file is missing or unreadable."""
    try:
        return (folder / TOKEN_FILE).read_text().strip() or None
    except OSError:
        return None


def write_endpoint(folder: Path, endpoint: RecorderEndpoint) -> None:
    """Publish the endpoint of this store's recorder."""
    _write(folder / ENDPOINT_FILE, json.dumps(asdict(endpoint)))


def remove_endpoint(folder: Path) -> None:
    """Remove the published endpoint."""
    (folder / ENDPOINT_FILE).unlink(missing_ok=True)


def read_endpoint(folder: Path) -> RecorderEndpoint | None:
    """Return the published endpoint; its recorder may have been killed since."""
    try:
        return RecorderEndpoint(**json.loads((folder / ENDPOINT_FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _write(path: Path, text: str) -> None:
    """Create or replace the file in one step, readable by its owner only at every moment."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    temporary.replace(path)
