"""The sources of a read, and sentences about those that do not answer: a result's `missing`."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from playhead.errors import (
    PlayheadError,
    QueryError,
    RecorderError,
    RestateError,
    UnreachableError,
)
from playhead.record.client import StoreClient
from playhead.restate.client import RestateClient

__all__ = ["NO_NEW_DATA", "NO_RECORDER", "NO_SERVER", "UNREADABLE", "Sources", "try_read"]

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
            if not self.store.recording and not any(UNREADABLE in one for one in missing):
                missing = [*missing, NO_NEW_DATA]
        return tuple(dict.fromkeys(missing))

    async def unreachable(self, missing: list[str]) -> UnreachableError:
        """Return the error to raise when no source has answered."""
        return UnreachableError(
            "Neither a Restate server nor a store can be read",
            "\n".join(await self.all_missing(missing)),
        )


async def try_read(read: Awaitable[_T] | None, missing: list[str]) -> _T | None:
    """Return the result of `read`; after a failure None, with a sentence added to `missing`."""
    if read is None:
        return None
    try:
        return await read
    except RestateError as error:
        sentence = _sentence(error)
    except (RecorderError, QueryError) as error:
        sentence = f"{UNREADABLE} {_sentence(error)}"
    if sentence not in missing:
        missing.append(sentence)
    return None


def _sentence(error: PlayheadError) -> str:
    """Return what is wrong and what to do next, on one line."""
    parts = (error.title.rstrip(". "), " ".join(error.hint.split()).rstrip(". "))
    return " ".join(f"{part}." for part in parts if part)
