"""Prices of models by day in a file of the store's folder.

The import of genai-prices takes about as much processor time as everything else that a list needs.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import json
import math
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from playhead.regular_file import read_regular
from playhead.values import as_dict, as_list

__all__ = ["FILE", "KeptPrices"]

FILE = "prices.json"
MOST_ROWS = 5_000
"""Rows that the file keeps, the newest ones."""
LONGEST_NAME = 300
"""Characters of a provider, a model and a day."""
LARGEST = 4 << 20
"""Bytes of the file."""

Rows = tuple[tuple[int | float, ...], ...]


class KeptPrices:
    """Rows of numbers by provider, model and day. They count for one version of the package."""

    def __init__(self, folder: Path, *, sources: Sequence[Path], width: int) -> None:
        """Read the file.

        Args:
            folder: where it is.
            sources: the code that computes the rows; if it changes, the rows are forgotten.
            width: numbers of a row.
        """
        self.folder = folder
        self._version = _version(sources)
        self._width = width
        self._rows = self._read()
        self._changed = False
        atexit.register(self.save)

    def get(self, *key: str) -> Rows | None:
        """Return the rows of a provider, a model and a day; None if they are not known."""
        return self._rows.get(json.dumps(key))

    def put(self, rows: Rows, *key: str) -> None:
        """Keep rows; `save` writes them."""
        name = json.dumps(key)
        if len(name) > LONGEST_NAME or len(rows) > MOST_ROWS:
            return  # Names of models are text of strangers.
        self._rows[name] = rows
        self._changed = True
        if len(self._rows) > MOST_ROWS:
            del self._rows[next(iter(self._rows))]

    def save(self) -> None:
        """Write the file, if there is something new. What cannot be written is computed again."""
        if not self._changed or not self._version:
            return
        self._changed = False
        kept: dict[str, Rows] = {}
        number = 0
        for key, rows in reversed(list(self._rows.items())):
            number += len(rows) or 1
            if number > MOST_ROWS:
                break
            kept[key] = rows
        document = {"version": self._version, "rows": dict(reversed(kept.items()))}
        written = self.folder / f".{FILE}.{secrets.token_hex(4)}"
        with contextlib.suppress(OSError):
            handle = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with os.fdopen(handle, "w") as file:
                    json.dump(document, file)
                written.replace(self.folder / FILE)
            except BaseException:
                written.unlink(missing_ok=True)
                raise

    def _read(self) -> dict[str, Rows]:
        try:
            document = as_dict(json.loads(read_regular(self.folder / FILE, most=LARGEST)))
        except (OSError, ValueError, RecursionError):
            return {}
        if not self._version or document.get("version") != self._version:
            return {}
        found = {key: self._checked(rows) for key, rows in as_dict(document.get("rows")).items()}
        return {key: rows for key, rows in found.items() if rows is not None}

    def _checked(self, rows: Any) -> Rows | None:
        """Return rows of numbers; None if they are anything else."""
        if not isinstance(rows, list):
            return None
        found = tuple(tuple(as_list(row)) for row in cast("list[Any]", rows))
        numbers = all(type(n) in (int, float) and math.isfinite(n) for row in found for n in row)
        return found if numbers and all(len(row) == self._width for row in found) else None


def _version(sources: Sequence[Path]) -> str:
    """Return what changes with the prices or the code that reads them; empty if unknown."""
    try:
        spec = importlib.util.find_spec("genai_prices")
        if spec is None or spec.origin is None:
            return ""
        files = [*sorted(Path(spec.origin).parent.glob("*.py")), *sources]
        return " ".join(f"{s.st_size}-{s.st_mtime_ns}" for s in (path.stat() for path in files))
    except (OSError, ValueError):
        return ""
