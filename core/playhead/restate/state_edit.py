"""Edits of the state of a virtual object through the admin API.

The API replaces the whole state, and answers before the change is applied: the server applies it
when no invocation holds the lock, and silently drops it if the state is no longer the expected
version.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Literal
from urllib.parse import quote

from playhead.errors import RefusedError
from playhead.restate import object_queries as queries
from playhead.restate.client import RestateClient
from playhead.restate.queries import object_state
from playhead.restate.rows import parse_bytes

__all__ = ["StateEdit", "encode_json", "replace_state", "state_version"]

StateEdit = Literal["applied", "waiting"]
"""`waiting`: the server applies it when the invocation that holds the lock has ended."""

_CHECKS = 40
_PAUSE = 0.1
"""Seconds between two checks whether the change was applied."""


def encode_json(text: str) -> bytes:
    """Return the bytes of a value that is written as JSON: numbers and texts stay, spaces do not.

    Raises:
        ValueError: The text is not JSON.
    """
    document = json.loads(text, parse_constant=_refuse)
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def state_version(state: Mapping[str, bytes]) -> str:
    """Return the version that the server computes for a state, by key.

    It is the SHA-256 of all keys and values in the order of the keys' bytes, with their positions
    as 8 bytes big-endian, and separators, in Base64 for URLs without padding (restate-server 1.7).
    """
    digest = hashlib.sha256()
    pairs = sorted((key.encode(), value) for key, value in state.items())
    for place, (key, value) in enumerate(pairs):
        digest.update(place.to_bytes(8, "big") + b"\x01" + key + b"\x02" + value + b"\x03")
    return base64.urlsafe_b64encode(digest.digest()).decode().rstrip("=")


async def replace_state(
    client: RestateClient,
    service: str,
    key: str,
    before: Mapping[str, bytes],
    after: Mapping[str, bytes],
) -> StateEdit:
    """Replace the state of a virtual object, unless it has changed since it was read.

    Args:
        client: The server.
        service: Name of the service.
        key: Key of the object.
        before: The whole state as it was read.
        after: The whole state as it should become.

    Raises:
        RefusedError: The state has changed since it was read, or the service has no state.
        RestateError: The server does not answer.
    """
    if await _state(client, service, key) != before:
        raise RefusedError(
            f"The state of {service}/{key} has changed since it was read: nothing was changed",
            "Look at the new values, and edit them again.",
        )
    await client.change(
        "POST",
        f"/services/{quote(service, safe='')}/state",
        {
            "object_key": key,
            "version": state_version(before),
            "new_state": {name: list(value) for name, value in after.items()},
        },
    )
    for _ in range(_CHECKS):
        found = await _state(client, service, key)
        if found == after:
            return "applied"
        if found != before:
            raise RefusedError(
                f"The state of {service}/{key} changed at the same time: the edit was dropped, or "
                "it was overwritten",
                "Look at the new values, and edit them again.",
            )
        if await client.query(queries.holder(service, key)):
            return "waiting"
        await asyncio.sleep(_PAUSE)
    raise RefusedError(
        f"The server accepted the edit of {service}/{key}, but has not applied it yet",
        "Look at the values again in a moment.",
    )


async def _state(client: RestateClient, service: str, key: str) -> dict[str, bytes]:
    rows = await client.query(object_state(service, key))
    return {str(row.get("key") or ""): parse_bytes(row.get("value")) for row in rows}
