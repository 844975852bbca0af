"""Which sources are available, and what they have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
from playhead.settings import Settings

__all__ = ["SIZES", "SOURCES", "Situation", "sql"]

SIZES = (0, 10, 50_000)
SOURCES = ("server and recorder", "server", "server and file", "recorder", "file", "nothing")
"""Which sources are available. `file`: the store has data, but no recorder runs."""


@dataclass(frozen=True)
class Situation:
    """The settings of one combination of sources, and what they have."""

    name: str
    settings: Settings
    rows: int
    """Number of invocations that the available sources have."""
    ids: dict[str, str]
    """Ids of some of them by handler; they are the oldest ones. Empty without rows."""

    @property
    def server(self) -> bool:
        return "server" in self.name

    @property
    def recorder(self) -> bool:
        return "recorder" in self.name

    @property
    def stored(self) -> bool:
        return self.recorder or "file" in self.name

    @property
    def readable(self) -> bool:
        return self.server or self.stored

    @property
    def environment(self) -> dict[str, str]:
        return {
            "RESTATE_ADMIN_URL": self.settings.admin_url,
            "RESTATE_INGRESS_URL": self.settings.ingress_url,
            "PLAYHEAD_STORE": str(self.settings.store),
            "PLAYHEAD_OTLP_GRPC_PORT": str(self.settings.otlp_grpc_port),
            "PLAYHEAD_OTLP_HTTP_PORT": str(self.settings.otlp_http_port),
            "PLAYHEAD_API_PORT": str(self.settings.api_port),
        }


def sql(admin_url: str, query: str) -> list[dict[str, Any]]:
    """Return the rows that the server itself has for a query."""
    answer = httpx.post(
        f"{admin_url}/query",
        json={"query": query},
        headers={"accept": "application/json"},
        timeout=60,
    )
    answer.raise_for_status()
    rows: list[dict[str, Any]] = answer.json()["rows"]
    return rows
