"""A reader of the server and the store of the settings."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from playhead.reader.reader import Reader
from playhead.record.client import connect
from playhead.restate.client import RestateClient
from playhead.settings import Settings

__all__ = ["open_reader"]


@asynccontextmanager
async def open_reader(settings: Settings) -> AsyncGenerator[Reader]:
    """Open a reader, and close it at the end. Neither source has to answer."""
    server = RestateClient(
        settings.admin_url, ingress_url=settings.ingress_url, auth_token=settings.auth_token
    )
    reader = Reader(server, await connect(settings, complete=True))
    try:
        yield reader
    finally:
        await reader.close()
