"""The recorder's ports and secret token, in two small files next to the store's database.

A client of Playhead never sends the token. It sends a signature that only the token's owner can
make, and accepts an answer only with a proof: another program on the port of a recorder that has
ended learns nothing, and cannot pass for a recorder.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from playhead.errors import StoreError
from playhead.regular_file import read_regular

__all__ = [
    "CLIENT_HEADER",
    "ENDPOINT_FILE",
    "HOSTS",
    "PROOF_HEADER",
    "SCHEME",
    "TOKEN_FILE",
    "TOKEN_NEEDED",
    "RecorderEndpoint",
    "is_bearer",
    "new_token",
    "proof",
    "read_endpoint",
    "read_token",
    "remove_endpoint",
    "signature",
    "write_endpoint",
]

CLIENT_HEADER = "playhead-client"
"""Header of a query: the client's random name, by which the API shares its slots fairly."""
HOSTS = ["127.0.0.1", "localhost", "host.docker.internal"]
"""Accepted names in the `Host` header; another name may come from DNS rebinding by a web page."""

LARGEST_FILE = 4096
"""Bytes of each of the two files."""
TOKEN_FILE = "recorder.token"
ENDPOINT_FILE = "recorder.json"

TOKEN_NEEDED = (
    "send authorization: Bearer PLAYHEAD_OTLP_TOKEN, for example with "
    "OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20TOKEN"
)
"""What a receiver answers to a sender without the token."""

SCHEME = "Playhead"
"""Scheme of the `authorization` header with a signature: `Playhead NONCE SIGNATURE`."""
PROOF_HEADER = "playhead-proof"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,200}")


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


def new_token(folder: Path) -> str:
    """Write a new token for this store, and return it.

    Raises:
        StoreError: The file cannot be written.
    """
    created = secrets.token_urlsafe(32)
    _write(folder / TOKEN_FILE, created)
    return created


def read_token(folder: Path) -> str | None:
    """Return the store's token; None when the file is missing, unreadable or has no token."""
    try:
        found = read_regular(folder / TOKEN_FILE, most=LARGEST_FILE).decode("ascii").strip()
    except (OSError, ValueError):
        return None
    return found if _TOKEN.fullmatch(found) else None


def is_bearer(header: str, token: str) -> bool:
    """Return whether an `authorization` header has this token, in constant time."""
    return hmac.compare_digest(header.encode(), f"Bearer {token}".encode())


def signature(token: str, nonce: str, method: str) -> str:
    """Return the signature of a request.

    Args:
        token: The store's token.
        nonce: A text that no other request has.
        method: The HTTP method.
    """
    return _mac(token, f"request {nonce} {method}")


def proof(token: str, nonce: str) -> str:
    """Return what only a recorder with this token can answer to the request with this nonce."""
    return _mac(token, f"answer {nonce}")


def _mac(token: str, text: str) -> str:
    return hmac.new(token.encode(), text.encode(), hashlib.sha256).hexdigest()


def write_endpoint(folder: Path, endpoint: RecorderEndpoint) -> None:
    """Publish the endpoint of this store's recorder. Raises StoreError."""
    _write(folder / ENDPOINT_FILE, json.dumps(asdict(endpoint)))


def remove_endpoint(folder: Path) -> None:
    """Remove the published endpoint."""
    (folder / ENDPOINT_FILE).unlink(missing_ok=True)


def read_endpoint(folder: Path) -> RecorderEndpoint | None:
    """Return the published endpoint; its recorder may have been killed since."""
    try:
        return RecorderEndpoint(
            **json.loads(read_regular(folder / ENDPOINT_FILE, most=LARGEST_FILE))
        )
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def _write(path: Path, text: str) -> None:
    """Create or replace the file in one step, readable by its owner only at every moment.

    Raises:
        StoreError: The file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.unlink(missing_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(text)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise StoreError(
            f"{path} cannot be written: {error.strerror}",
            "Remove what is at this path, or choose another folder with --store.",
        ) from error
