"""The sources of a read, and sentences about those that do not answer: a result's `missing`."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Awaitable, Generator
from typing import Any, Generic, TypeVar

from playhead.errors import (
    PlayheadError,
    QueryError,
    QueryLimitError,
    RecorderError,
    RestateError,
    UnreachableError,
)
from playhead.reader.archived import archive_note
from playhead.record.client import StoreClient
from playhead.record.progress import copies_nothing, copy_problems
from playhead.restate.client import RestateClient

__all__ = [
    "NO_NEW_DATA",
    "NO_RECORDER",
    "NO_SERVER",
    "UNREADABLE",
    "Sources",
    "readable",
    "try_read",
]

_T = TypeVar("_T")

NO_RECORDER = (
    "No recorder is running: attempts, prompts and spans are unavailable. "
    "Start one with `playhead record`."
)
NO_NEW_DATA = "No recorder is running: nothing new is stored. Start one with `playhead record`."
UNREADABLE = "The store cannot be read:"
NO_SERVER = "No Restate server answers: only stored invocations are shown."


class Sources:
    """A server and a store, each of which may be absent or may not answer."""

    def __init__(self, server: RestateClient | None, store: StoreClient | None) -> None:
        """Take the clients; their owner closes them."""
        self.server = server
        self.store = store

    def absent(self) -> list[str]:
        """Return sentences about sources that were not given."""
        missing: list[str] = []
        if self.server is None:
            missing.append(NO_SERVER)
        if self.store is None:
            missing.append(NO_RECORDER)
        return missing

    async def all_missing(self, missing: list[str]) -> tuple[str, ...]:
        """Return the sentences after a read, with one about a store without recorder."""
        if self.store:
            await try_read(self.store.health(), missing)
        return self.after_read(missing)

    def after_read(self, missing: list[str]) -> tuple[str, ...]:
        """Return the sentences after a read, when it is known whether a recorder answered."""
        store = self.store
        if store and not store.recording and not any(UNREADABLE in one for one in missing):
            missing = [*missing, NO_NEW_DATA]
        return tuple(dict.fromkeys(missing))

    async def copy_problems(self) -> tuple[str, ...]:
        """Return what the recorder has not copied from the server, as sentences.

        Empty when its copy is complete, and without a recorder that answers.
        """
        try:
            health = await self.store.health() if self.store else None
        except RecorderError:
            return ()
        return tuple(copy_problems(health))

    async def copies_nothing(self) -> bool:
        """Return whether a recorder answers that copies no invocations from the server."""
        try:
            return copies_nothing(await self.store.health() if self.store else None)
        except RecorderError:
            return False

    async def archive_note(self) -> tuple[str, ...]:
        """Return a sentence about invocations that are in the archive only, if there are any."""
        return await archive_note(self.store) if self.store else ()

    async def store_missing(self) -> tuple[str, ...]:
        """Return the sentences after a read of the store alone."""
        return self.after_read([*await self.copy_problems(), *await self.archive_note()])

    def required_store(self) -> StoreClient:
        """Return the store.

        Raises:
            RecorderError: There is none.
        """
        if self.store is None:
            raise RecorderError(
                "No recorder is running, and there is no store",
                "Start `playhead record`, or name another folder with --store.",
            )
        return self.store

    async def unreachable(self, missing: list[str]) -> UnreachableError:
        """Return the error to raise when no source has answered."""
        return UnreachableError(
            "Neither a Restate server nor a store can be read",
            "\n".join(await self.all_missing(missing)),
        )


def try_read(read: Awaitable[_T] | None, missing: list[str]) -> Awaitable[_T | None]:
    """Return the result of `read`; after a failure None, with a sentence added to `missing`."""
    return _Attempt(read, missing)


class _Attempt(Generic[_T]):
    """A read that may fail.

    If its task is cancelled before it has begun, because the dashboard ends, Python would warn of a
    coroutine that was never awaited, on the user's terminal.
    """

    def __init__(self, read: Awaitable[_T] | None, missing: list[str]) -> None:
        self._read = read
        self._missing = missing
        # In a cycle of garbage, `__del__` of the coroutine, which warns, could be called first.
        self._end = weakref.finalize(self, read.close) if inspect.iscoroutine(read) else None

    def __await__(self) -> Generator[Any, None, _T | None]:
        read, self._read = self._read, None
        if self._end:
            self._end.detach()
        return self._result(read).__await__()

    async def _result(self, read: Awaitable[_T] | None) -> _T | None:
        if read is None:
            return None
        try:
            return await read
        except RestateError as error:
            sentence = _sentence(error)
        except (RecorderError, QueryError) as error:
            sentence = f"{UNREADABLE} {_sentence(error)}"
        if sentence not in self._missing:
            self._missing.append(sentence)
        return None


async def readable(read: Awaitable[_T]) -> _T:
    """Return the result of a read; a store that an older recorder wrote cannot be read."""
    try:
        return await read
    except QueryLimitError:
        raise
    except QueryError as error:
        raise RecorderError(
            f"The store cannot be read: {error.title}",
            "If an older Playhead wrote it, start `playhead record` on it once.",
        ) from error


def _sentence(error: PlayheadError) -> str:
    """Return what is wrong and what to do next, on one line."""
    parts = (error.title.rstrip(". "), " ".join(error.hint.split()).rstrip(". "))
    return " ".join(part if part.endswith("?") else f"{part}." for part in parts if part)
