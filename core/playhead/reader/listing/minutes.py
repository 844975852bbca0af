"""Invocations that were started and that failed in each of the last minutes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from playhead.filters.language import Filter
from playhead.model import Activity
from playhead.model.status import stored_status_name
from playhead.reader.listing.live import LiveInvocations
from playhead.reader.listing.matching import matching
from playhead.record.client import StoreClient
from playhead.store.raised_errors import raised_errors
from playhead.values import as_int

__all__ = ["first_minute", "live_activity", "stored_activity"]


async def stored_activity(
    client: StoreClient,
    wanted: Filter,
    now: datetime,
    minutes: int,
    more: Sequence[Mapping[str, Any]] = (),
) -> Activity:
    """Return the activity of the store's invocations that match.

    Args:
        client: The store.
        wanted: Only invocations that match.
        now: The end of the last minute at the latest.
        minutes: Number of minutes.
        more: Numbers of invocations that the store does not have; see `LiveInvocations.by_minute`.

    Raises:
        FilterError: The filter has conditions that are not stored.
        RecorderError: The store cannot be read.
        QueryError: The store was written by an older recorder.
    """
    since = first_minute(now, minutes)
    made = await matching(client, wanted, now)
    ended = f"SELECT id FROM invocations WHERE completed_at >= '{since.isoformat()}'::TIMESTAMPTZ"
    made.condition.add_cte(f"recent_errors AS MATERIALIZED ({raised_errors(ended)})")
    recent = "(i.created_at >= ?::TIMESTAMPTZ OR i.completed_at >= ?::TIMESTAMPTZ)"
    selected, params = made.condition.select(
        f"i.created_at AS created_at, i.completed_at AS completed_at,"
        f" {stored_status_name('i.id IN (SELECT id FROM recent_errors)')} AS state",
        more=(recent, [since.isoformat()] * 2),
    )
    rows = await client.rows(
        f"""
WITH found AS MATERIALIZED ({selected})
SELECT epoch_us(created_at) // 60000000 AS minute, count(*) AS started, 0 AS failed
FROM found GROUP BY minute
UNION ALL
SELECT epoch_us(completed_at) // 60000000, 0, count(*)
FROM found WHERE state = 'failed' AND completed_at IS NOT NULL GROUP BY 1
""",
        params,
    )
    return _activity(since, minutes, [*rows, *more])


async def live_activity(
    live: LiveInvocations, wanted: Filter, now: datetime, minutes: int
) -> Activity:
    """Return the activity of the server's invocations that match.

    Raises:
        RestateError: The server does not answer.
    """
    since = first_minute(now, minutes)
    rows, missing = await live.by_minute(wanted, now, since)
    return replace(_activity(since, minutes, rows), missing=missing)


def first_minute(now: datetime, minutes: int) -> datetime:
    """Return the start of the first minute; the last one has not ended."""
    return now.replace(second=0, microsecond=0) - timedelta(minutes=minutes - 1)


def _activity(since: datetime, minutes: int, rows: Iterable[Mapping[str, Any]]) -> Activity:
    first = int(since.astimezone(UTC).timestamp()) // 60
    started, failed = [0] * minutes, [0] * minutes
    for row in rows:
        place = as_int(row["minute"]) - first
        if 0 <= place < minutes:
            started[place] += as_int(row["started"])
            failed[place] += as_int(row["failed"])
    return Activity(since, tuple(started), tuple(failed))
