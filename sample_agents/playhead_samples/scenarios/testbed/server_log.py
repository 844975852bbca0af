"""The attempts in restate-server's own debug log.

restate-server 1.7 writes one line when it calls a deployment, also when nothing listens there:

- target `restate_invoker_impl::invocation_task::service_protocol_runner_v4` (or another version),
  message `Executing invocation at deployment`;
- target `restate_invoker_impl`, message `Invocation error, …`, when an attempt failed.

A line is written before the attempt begins, so the log is complete when the server is killed.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

__all__ = ["ENVIRONMENT", "ServerLog"]

ENVIRONMENT = {"RUST_LOG": "info,restate_invoker_impl=debug", "RESTATE_LOG_FORMAT": "json"}
"""Variables that make restate-server write these lines, as JSON."""

START = "Executing invocation at deployment"
FAILURE = "Invocation error"
ID = "restate.invocation.id"


class ServerLog:
    """Attempts by invocation, counted in the log that the server has written so far."""

    def __init__(self, path: Path) -> None:
        """Read the log; an absent one has no attempts."""
        self.attempts: Counter[str] = Counter()
        """Started attempts by invocation id."""
        self.failures: Counter[str] = Counter()
        """Failed attempts by invocation id."""
        for line in path.read_text().splitlines() if path.exists() else ():
            if START in line or FAILURE in line:
                self._read(line)

    def _read(self, line: str) -> None:
        try:
            fields: dict[str, Any] = json.loads(line)["fields"]
        except (ValueError, KeyError):
            return  # a notice that the server writes as plain text, or a line that is being written
        message = str(fields.get("message"))
        if message.startswith(START):
            self.attempts[fields[ID]] += 1
        elif message.startswith(FAILURE):
            self.failures[fields[ID]] += 1
