"""Both sources of the reading commands, opened from the settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from playhead.cli.errors import CliError, Exit

if TYPE_CHECKING:
    from playhead.model import InvocationDetail
    from playhead.reader.reader import Reader
    from playhead.settings import Settings

__all__ = ["find", "open_reader", "read", "run"]

_T = TypeVar("_T")


@asynccontextmanager
async def open_reader(settings: Settings) -> AsyncGenerator[Reader]:
    """A reader over the Restate server and the recording of these settings."""
    from playhead.reader.reader import Reader
    from playhead.record.client import connect
    from playhead.restate.client import RestateClient

    client = RestateClient(
        settings.admin_url, ingress_url=settings.ingress_url, auth_token=settings.auth_token
    )
    reader = Reader(client, await connect(settings))
    try:
        yield reader
    finally:
        await reader.close()


def read(settings: Settings, question: Callable[[Reader], Awaitable[_T]]) -> _T:
    """Ask a reader one question and close it."""

    async def ask() -> _T:
        async with open_reader(settings) as reader:
            return await question(reader)

    return run(ask())


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """Run it to its end; errors of the sources become errors for people."""
    from playhead.errors import QueryError, RecorderError, RestateError

    try:
        return asyncio.run(work)
    except RestateError as error:
        raise CliError(error.title, error.hint) from error
    except (RecorderError, QueryError) as error:
        raise CliError(f"the recording cannot be read: {error}") from error


async def find(reader: Reader, wanted: str) -> InvocationDetail:
    """The invocation of this id, or the only one whose id begins like this.

    Raises:
        CliError: there is none, or several.
    """
    from playhead.restate.ids import is_invocation_id

    id_ = wanted
    if not is_invocation_id(wanted):
        page = await reader.invocations(id_prefix=wanted, limit=6)
        if len(page.rows) > 1:
            few = [f"{row.id}  {row.target}  {row.status}" for row in page.rows[:5]]
            raise CliError(
                f"{wanted!r} is the beginning of several ids",
                "\n".join([*few, *(["…"] if len(page.rows) > 5 else [])]),
                Exit.USAGE,
            )
        id_ = page.rows[0].id if page.rows else ""
    detail = await reader.invocation(id_) if id_ else None
    if detail is None:
        missing = (await reader.invocations(limit=1)).missing
        nothing = len(missing) > 1  # neither source
        raise CliError(
            f"no invocation {wanted!r}",
            "\n".join([*missing, *([] if nothing else ["`playhead ls` lists what there is."])]),
            Exit.UNREACHABLE if nothing else Exit.USAGE,
        )
    return detail
