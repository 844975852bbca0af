"""HTTP statuses of queries that fail, for the recorder and its clients."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from playhead.errors import ArchivedFileError, QueryError, QueryLimitError

__all__ = ["ERRORS", "status"]

ERRORS: Mapping[int, type[QueryError]] = MappingProxyType(
    {413: QueryLimitError, 424: ArchivedFileError, 400: QueryError}
)
"""The error of each status; the first that fits is that of an error."""


def status(error: QueryError) -> int:
    """Return the status of an error."""
    return next(number for number, kind in ERRORS.items() if isinstance(error, kind))
