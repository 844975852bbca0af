"""Archived invocations: the queries of the reader on the views that span tables and archive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from playhead.errors import QueryError, RecorderError
from playhead.record.change_feed import Changes
from playhead.record.client import StoreClient
from playhead.store.archive import with_archive
from playhead.store.calls.call_table import IS_BUILT
from playhead.store.figures import FIGURES_BUILT
from playhead.store.kept_queries import params_of

if TYPE_CHECKING:
    from playhead.store.arrow import ArrowTable
    from playhead.store.texts.index import Found

__all__ = ["ARCHIVED", "ArchiveClient", "archive_note"]

ARCHIVED = (
    "Invocations that ended before {day} are archived: `playhead ls --archived` lists them, and "
    "`playhead show ID` shows one."
)

_BEFORE = "SELECT max(before)::VARCHAR AS day FROM archives"


class ArchiveClient:
    """A client whose queries also read the archive, which takes longer."""

    def __init__(self, client: StoreClient) -> None:
        """Take a client of the store; `close` closes it."""
        self.client = client

    @property
    def recording(self) -> bool:
        """Whether a recorder answered last."""
        return self.client.recording

    @property
    def keeps_rows(self) -> bool:
        """Return False: the views that span the archive are read each time."""
        return False

    async def rows(self, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Return the rows of one SELECT."""
        return await self.client.rows(_with_archive(sql), params)

    async def rows_of(
        self, sql: str, params: Sequence[Any], *of_ids: str
    ) -> tuple[list[dict[str, Any]], ...]:
        """Return the rows of a SELECT, and those of others for the ids in them."""
        heads = await self.rows(sql, params)
        ids = [head["id"] for head in heads]
        return heads, *[await self.rows(one, params_of(one, ids)) for one in of_ids]

    async def arrow(self, sql: str, params: Sequence[Any] = ()) -> ArrowTable:
        """Return the rows of one SELECT as an Arrow table."""
        return await self.client.arrow(_with_archive(sql), params)

    async def health(self) -> dict[str, Any] | None:
        """Return the recorder's counts."""
        return await self.client.health()

    async def changes(self, since: str | None, wait: float) -> Changes | None:
        """Return what changed in the store."""
        return await self.client.changes(since, wait)

    async def search(self, texts: Sequence[str], until_us: int | None, limit: int) -> Found | None:
        """Return None: the text index does not have archived invocations."""

    def describe(self) -> str:
        """Return a description of the source."""
        return f"{self.client.describe()}, with its archive"

    async def close(self) -> None:
        """Close the connection."""
        await self.client.close()


async def archive_note(client: StoreClient) -> tuple[str, ...]:
    """Return a sentence about the invocations that are in the archive only, if there are any."""
    if isinstance(client, ArchiveClient):
        return ()
    try:
        rows = await client.rows(_BEFORE)
    except (RecorderError, QueryError):  # others say that the store cannot be read
        return ()
    day = rows[0]["day"] if rows else None
    return (ARCHIVED.format(day=day),) if day else ()


def _with_archive(sql: str) -> str:
    """Return a query on the tables as a query on the views that span the archive, too.

    The table `calls` and the figures of invocations have no archived rows, so that these are read
    from the spans, journals and events.
    """
    sql = sql.replace("FROM invocation_attempts", "FROM all_invocation_attempts")
    for built in (IS_BUILT, FIGURES_BUILT):
        sql = sql.replace(built, "SELECT 1 WHERE false")
    return with_archive(sql)
