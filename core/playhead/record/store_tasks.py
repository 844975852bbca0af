"""Tasks on a store: in its recorder while one runs, and in this process otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from playhead.errors import RecorderError, StoreError
from playhead.record.endpoint import read_endpoint, read_token
from playhead.record.log_recovery import commit_left_requests
from playhead.record.recorder_client import RecorderAuth
from playhead.settings import Settings
from playhead.store.database import DATABASE, Store
from playhead.store.retention import Keep, delete_expired
from playhead.store.upkeep import perform

__all__ = ["delete_expired_rows", "move_old_days", "run_task"]

INTERVAL_SECONDS = 3600.0


async def run_task(settings: Settings, task: Mapping[str, Any]) -> dict[str, Any]:
    """Perform a task; see `playhead.store.upkeep.perform`.

    Raises:
        StoreError: The task failed, or the store does not exist.
        RecorderError: The recorder does not answer any more.
    """
    endpoint, token = read_endpoint(settings.store), read_token(settings.store)
    if endpoint is not None and token is not None:
        auth = RecorderAuth(endpoint, token)
        try:
            async with httpx.AsyncClient(
                auth=auth, trust_env=False, timeout=None, verify=False
            ) as http:
                response = await http.post(f"{endpoint.api_url}/store", json=dict(task))
        except httpx.ConnectError:
            pass  # it was killed, and left its file
        except httpx.HTTPError as error:
            raise RecorderError(
                f"The recorder at {endpoint.api_url} does not answer: {error}",
                "See `playhead record --status`.",
            ) from error
        else:
            document: dict[str, Any] = response.json()
            if response.is_success:
                return document
            raise StoreError(str(document["error"]), str(document.get("hint") or ""))
    if not (settings.store / DATABASE).is_file():
        raise StoreError(
            f"No recorder is running, and {settings.store} has no store",
            "Start `playhead record`, or name another folder with --store.",
        )

    store = await asyncio.to_thread(Store, settings.store)
    try:
        await commit_left_requests(store)
        return await asyncio.to_thread(perform, store, task)
    finally:
        await asyncio.to_thread(store.close)


async def delete_expired_rows(
    store: Store, limits: Sequence[Keep], failed: Callable[[str], object]
) -> None:
    """Delete what exceeds the limits of tables, now and then every hour, until cancelled."""
    while True:
        try:
            await asyncio.to_thread(delete_expired, store, limits, datetime.now(UTC))
        except Exception as error:
            failed(f"rows that exceed --keep cannot be deleted: {error}")
        await asyncio.sleep(INTERVAL_SECONDS)


async def move_old_days(
    store: Store, name: str, days: int, failed: Callable[[str], object]
) -> None:
    """Archive or delete days of this age, now and then every hour, until cancelled.

    Args:
        store: The store.
        name: `archive` or `delete`.
        days: Number of days that stay.
        failed: Takes the reason when a run fails.
    """
    while True:
        before = (datetime.now(UTC) - timedelta(days=days)).date()
        try:
            await asyncio.to_thread(perform, store, {"task": name, "before": before.isoformat()})
        except Exception as error:
            failed(f"the task {name} failed: {error}")
        await asyncio.sleep(INTERVAL_SECONDS)
