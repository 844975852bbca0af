"""Notes about invocations whose figures are outdated; see `playhead.store.figures`."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

__all__ = ["note_stale", "noted_in"]

_noted: dict[int, set[str]] = {}
"""Ids that were noted in the transaction under way of a connection."""


@contextlib.contextmanager
def noted_in(connection: duckdb.DuckDBPyConnection) -> Generator[set[str]]:
    """Yield a set that receives the ids that are noted in the transaction within the block."""
    ids = _noted[id(connection)] = set[str]()
    try:
        yield ids
    finally:
        del _noted[id(connection)]


def note_stale(connection: duckdb.DuckDBPyConnection, ids: Iterable[str | None]) -> None:
    """Note that rows of these invocations have changed, in the transaction of the change."""
    changed = sorted({id_ for id_ in ids if id_ is not None})
    if changed:
        _noted.get(id(connection), set[str]()).update(changed)
        connection.execute(
            "INSERT INTO stale_figures SELECT unnest(?::VARCHAR[]), ?",
            [changed, secrets.randbits(63)],
        )
