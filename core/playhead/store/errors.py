"""What can go wrong with the recording.

StoreError          the store cannot be opened
└── StoreLocked     another process holds it
QueryError          not one SELECT, or wrong SQL
└── QueryLimit      it took too long, or its result is too large
"""

from __future__ import annotations

__all__ = ["QueryError", "QueryLimit", "StoreError", "StoreLocked"]


class StoreError(Exception):
    """The store cannot be opened; the text says why."""


class StoreLocked(StoreError):  # noqa: N818 - reads as what it says
    """Another process holds the store."""


class QueryError(Exception):
    """The SQL cannot be run: not one SELECT, or wrong; the text says why."""


class QueryLimit(QueryError):  # noqa: N818 - reads as what it says
    """The query took too long or its result is too large; nothing of it is returned."""
