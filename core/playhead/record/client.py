"""Clients of the store, through its recorder or else directly on the file."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from playhead.errors import RecorderError
from playhead.prices import keep_prices
from playhead.record.change_feed import Changes
from playhead.record.endpoint import read_endpoint, read_token
from playhead.record.file_client import FileClient, FileInUseError
from playhead.record.recorder_client import RecorderClient
from playhead.settings import Settings

if TYPE_CHECKING:
    from playhead.store.arrow import ArrowTable
    from playhead.store.texts.index import Found

__all__ = ["StoreClient", "connect"]

_T = TypeVar("_T")
STARTING_SECONDS = 3.0
"""Seconds to wait for a recorder that has opened the file, but does not answer yet."""


class StoreClient(Protocol):
    """A client of the store."""

    @property
    def recording(self) -> bool:
        """Whether a recorder answered last; else the file is read, and nothing new is stored."""
        ...

    @property
    def keeps_rows(self) -> bool:
        """Whether rows of invocations are kept in memory; see `playhead.store.kept_rows`."""
        ...

    async def rows(self, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Return the rows of one SELECT, as JSON-compatible values.

        Times are ISO 8601 text in UTC with `Z`, intervals `PT…S` text, blobs base64 text, JSON
        columns JSON text, integers of any size int.

        Raises:
            QueryError: The SQL is invalid, or is not read-only.
            QueryLimitError: The query exceeds a limit.
            RecorderError: The recorder does not answer, or the file cannot be opened.
        """
        ...

    async def rows_of(
        self, sql: str, params: Sequence[Any], *of_ids: str
    ) -> tuple[list[dict[str, Any]], ...]:
        """Return the rows of a SELECT, and those of others for the ids in them.

        Args:
            sql: A SELECT with the column `id`.
            params: Its parameters.
            *of_ids: SELECTs with a list of ids as their only parameter; see `params_of`.

        Raises:
            QueryError, QueryLimitError, RecorderError: As `rows` does.
        """
        ...

    async def arrow(self, sql: str, params: Sequence[Any] = ()) -> ArrowTable:
        """Return the rows of one SELECT as an Arrow table. Raises the same errors as `rows`."""
        ...

    async def health(self) -> dict[str, Any] | None:
        """Return the recorder's counts (see docs/recorder.md); None without a recorder."""
        ...

    async def changes(self, since: str | None, wait: float) -> Changes | None:
        """Return what changed in the store since a position; None without a recorder.

        Args:
            since: Position of the last answer; None to start with the current one.
            wait: Seconds to wait for a change, up to 30.

        Raises:
            RecorderError: The recorder does not answer.
        """
        ...

    async def search(self, texts: Sequence[str], until_us: int | None, limit: int) -> Found | None:
        """Return the invocations that may have all these texts, newest first.

        None if the text index cannot tell: every invocation may have them then. Invocations that
        are not indexed yet are among them, of any time.

        Args:
            texts: Texts of what was recorded, in any case.
            until_us: Latest creation time, in microseconds since 1970.
            limit: Number of invocations that is enough, up to 10,000.

        Raises:
            RecorderError: The recorder does not answer.
        """
        ...

    def describe(self) -> str:
        """Return a description of the source: a recorder with its URL, or a file with its path."""
        ...

    async def close(self) -> None:
        """Close the connection."""
        ...


async def connect(settings: Settings, *, complete: bool = False) -> StoreClient | None:
    """Return a client of the store at `settings.store`; None if it has no recorder and no file.

    The client stays usable when the recorder ends, or when one starts: it reads through the
    recorder while one answers, and from the file otherwise.

    Args:
        settings: The settings.
        complete: Whether to commit first what a killed recorder has left in its log.
    """
    found = await _find(settings.store)
    if complete and isinstance(found, FileClient):
        from playhead.record.log_recovery import complete_store

        await complete_store(settings.store)
    if found is None:
        return None
    keep_prices(settings.store)
    return _FollowingClient(settings.store, found)


async def _find(store: Path) -> RecorderClient | FileClient | None:
    """Return a client of the store's recorder if it answers, else of its file."""
    endpoint, token = read_endpoint(store), read_token(store)
    if endpoint is not None and token is not None:
        source = RecorderClient(endpoint, token)
        try:
            await source.health()
            return source
        except RecorderError:
            await source.close()
        except BaseException:  # a cancellation must not leave the connection open
            await source.close()
            raise
    from playhead.store.database import DATABASE

    path = store / DATABASE
    return FileClient(path) if path.is_file() else None


class _FollowingClient:
    """A client of the recorder or of the file, whichever can be read."""

    def __init__(self, store: Path, source: RecorderClient | FileClient) -> None:
        self._store = store
        self._source: RecorderClient | FileClient = source
        self._switching = asyncio.Lock()
        self._closed = False

    @property
    def recording(self) -> bool:
        return isinstance(self._source, RecorderClient)

    @property
    def keeps_rows(self) -> bool:
        return self.recording

    async def rows(self, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        return await self._ask(lambda source: source.rows(sql, params))

    async def rows_of(
        self, sql: str, params: Sequence[Any], *of_ids: str
    ) -> tuple[list[dict[str, Any]], ...]:
        return await self._ask(lambda source: source.rows_of(sql, params, *of_ids))

    async def arrow(self, sql: str, params: Sequence[Any] = ()) -> ArrowTable:
        return await self._ask(lambda source: source.arrow(sql, params))

    async def health(self) -> dict[str, Any] | None:
        if not self.recording:
            await self._switch(self._source)
        return await self._ask(lambda source: source.health())

    async def changes(self, since: str | None, wait: float) -> Changes | None:
        return await self._ask(lambda source: source.changes(since, wait))

    async def search(self, texts: Sequence[str], until_us: int | None, limit: int) -> Found | None:
        return await self._ask(lambda source: source.search(texts, until_us, limit))

    def describe(self) -> str:
        return self._source.describe()

    async def close(self) -> None:
        self._closed = True
        async with self._switching:
            await self._source.close()

    async def _ask(self, query: Callable[[RecorderClient | FileClient], Awaitable[_T]]) -> _T:
        deadline = time.monotonic() + STARTING_SECONDS
        switches = 2
        while not self._closed:
            source = self._source
            try:
                return await query(source)
            except FileInUseError:
                # A recorder has the file open some moments before it answers.
                if not await self._switch(source):
                    if time.monotonic() > deadline:
                        raise
                    await asyncio.sleep(0.1)
            except RecorderError:
                switches -= 1
                if not switches or not await self._switch(source):
                    raise
        raise RecorderError("The connection to the store was closed")

    async def _switch(self, failed: RecorderClient | FileClient) -> bool:
        """Replace a client that cannot read; return whether there is another one to try."""
        async with self._switching:
            if self._closed:  # a query under way fails with the connection, and opens no other
                return False
            if self._source is not failed:
                return True
            found = await _find(self._store)
            if found is None or (isinstance(found, FileClient) and isinstance(failed, FileClient)):
                return False
            self._source = found
            await failed.close()
            return True
