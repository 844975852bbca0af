"""Notes about invocations whose figures are outdated; see `playhead.store.figures`."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

import duckdb

__all__ = ["note_stale"]


def note_stale(connection: duckdb.DuckDBPyConnection, ids: Iterable[str | None]) -> None:
    """Note that rows of these invocations have changed, in the transaction of the change."""
    changed = sorted({id_ for id_ in ids if id_ is not None})
    if changed:
        connection.execute(
            "INSERT INTO stale_figures SELECT unnest(?::VARCHAR[]), ?",
            [changed, secrets.randbits(63)],
        )
