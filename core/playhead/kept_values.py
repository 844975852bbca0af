"""Values that the dashboard keeps between runs: queries, places, filters."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from playhead.regular_file import read_regular

__all__ = ["KeptValues"]

MOST = 100
"""Texts that a mapping keeps."""
LARGEST = 8 << 20
"""Bytes of the file."""


class KeptValues:
    """A JSON file of values by name. What cannot be read or written is kept for this run only."""

    def __init__(self, path: Path | None) -> None:
        """Read the file.

        Args:
            path: the file, which need not exist; None to keep nothing after this run.
        """
        self._path = path
        self._values: dict[str, Any] = {}
        self.problem: str | None = None
        """Why the file cannot be used, and what happens to it, as sentences."""
        self.unwritten: str | None = None
        """Why the file does not have the newest values, as a sentence."""
        self._is_damaged = False
        if path is None:
            return
        try:
            self._values = _read(path)
        except FileNotFoundError:
            return
        except OSError as error:
            self.problem = (
                f"{path} cannot be read: {error.strerror or error}. Move it away; until then,"
                " filters, views and places are not kept."
            )
        except (ValueError, RecursionError) as error:
            reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
            self._is_damaged = True
            self.problem = f"{path} cannot be read: {reason}. It is kept as {_aside(path).name}."

    def get(self, name: str) -> Any:
        """Return a value; None if there is none."""
        return self._values.get(name)

    def texts(self, name: str) -> dict[str, str]:
        """Return a mapping of texts; empty if there is none."""
        found = self._values.get(name)
        if not isinstance(found, dict):
            return {}
        texts = cast("dict[str, Any]", found)
        return {name: text for name, text in texts.items() if isinstance(text, str)}

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
        if self.problem and not self._is_damaged:
            self.unwritten = self.problem
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if self._is_damaged:
                self._path.rename(_aside(self._path))
                self._is_damaged, self.problem = False, None
            _write(self._path.resolve(), self._values)
            self.unwritten = None
        except (OSError, ValueError, RecursionError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            self.unwritten = f"{self._path} cannot be written: {reason or error}."


def _aside(path: Path) -> Path:
    """Return where a file is kept that is damaged: its owner may be able to correct it."""
    return path.with_name(path.name + ".damaged")


def _read(path: Path) -> dict[str, Any]:
    document: Any = json.loads(read_regular(path, most=LARGEST))
    if not isinstance(document, dict):
        raise ValueError("it has no JSON object")
    return cast("dict[str, Any]", document)


def _write(path: Path, values: Mapping[str, Any]) -> None:
    """Replace the file. Queries and filters can name people: it is for its owner only."""
    data = json.dumps(values).encode()
    if len(data) > LARGEST:
        raise ValueError("it would be too large to be read again")
    written = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        written.replace(path)
    except BaseException:
        written.unlink(missing_ok=True)
        raise
