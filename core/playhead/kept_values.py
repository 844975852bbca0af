"""Values that the dashboard keeps between runs: queries, places, filters."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any, cast

from playhead.regular_file import read_regular

__all__ = ["KeptValues"]

MOST = 100
"""Texts that a mapping keeps."""


class KeptValues:
    """A JSON file of values by name. What cannot be read or written is not kept."""

    def __init__(self, path: Path | None) -> None:
        """Read the file.

        Args:
            path: the file, which need not exist; None to keep nothing after this run.
        """
        self._path = path
        self._values: dict[str, Any] = {}
        if path is not None:
            with contextlib.suppress(OSError, ValueError, RecursionError):
                document: Any = json.loads(read_regular(path))
                if isinstance(document, dict):
                    self._values = cast("dict[str, Any]", document)

    def get(self, name: str) -> Any:
        """Return a value; None if there is none."""
        return self._values.get(name)

    def texts(self, name: str) -> dict[str, str]:
        """Return a mapping of texts; empty if there is none."""
        found = self._values.get(name)
        if not isinstance(found, dict):
            return {}
        return {str(k): str(v) for k, v in cast("dict[Any, Any]", found).items()}

    def put_newest(self, name: str, key: str, value: str) -> None:
        """Put a text into a mapping, which keeps the newest ones only."""
        others = [(k, v) for k, v in self.texts(name).items() if k != key]
        self.put(name, {**dict(others[-MOST + 1 :]), key: value})

    def put(self, name: str, value: Any) -> None:
        """Keep a JSON value; the file is replaced at once."""
        if self._values.get(name) == value:
            return
        self._values[name] = value
        if self._path is None:
            return
        with contextlib.suppress(OSError, ValueError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            written = self._path.with_name(f"{self._path.name}.{os.getpid()}")
            # Queries and filters can name people: the file is for its owner only.
            with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w",
                           encoding="utf-8") as file:  # fmt: skip
                json.dump(self._values, file)
            written.replace(self._path)
