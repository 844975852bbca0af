"""Groups of equal failures, from the store."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from playhead.filters.language import Filter
from playhead.model import FailureGroup, FailureGroups
from playhead.reader.listing.matching import figures_built, matching
from playhead.record.client import StoreClient
from playhead.restate.rows import parse_time
from playhead.store.failures_view import failures_view
from playhead.store.figures import failure_rows
from playhead.values import as_int, as_json, as_list, as_text

__all__ = ["PERIODS", "read_failures"]

PERIODS = 12
"""Periods of a trend."""


async def read_failures(
    client: StoreClient, wanted: Filter, now: datetime, *, limit: int, fingerprint: str = ""
) -> FailureGroups:
    """Return the most frequent groups of failures.

    Args:
        client: The store.
        wanted: Only failures of invocations that match.
        now: The time from which ages are counted.
        limit: Maximum number of groups.
        fingerprint: Only groups whose fingerprint begins with this.

    Raises:
        FilterError: The filter has conditions that are not stored.
        RecorderError: The store cannot be read.
        QueryError: The store was written by an older recorder.
    """
    found = await matching(client, wanted, now)
    selected, params = found.condition.select("i.id AS id, i.status")
    trend = ", ".join(f"count(*) FILTER (period = {number})" for number in range(PERIODS))
    span = "greatest(until_us - since_us, 1)"
    ids = "SELECT id FROM matching" if wanted else ""
    failures = failure_rows(built=await figures_built(client), ids=ids)
    latest = "failed_us, invocation_id"
    rows = await client.rows(
        f"""
WITH matching AS ({selected}),
chosen AS MATERIALIZED (
  SELECT failures.*, matching.status, epoch_us(failed_at) AS failed_us
  FROM ({failures}) AS failures JOIN matching ON matching.id = failures.invocation_id
),
bounds AS (SELECT min(failed_us) AS since_us, max(failed_us) AS until_us FROM chosen),
placed AS (
  SELECT *, least((failed_us - since_us) * {PERIODS} // {span}, {PERIODS - 1}) AS period
  FROM chosen CROSS JOIN bounds WHERE starts_with(fingerprint, ?)
),
groups AS MATERIALIZED (
SELECT fingerprint, any_value(error) AS error, any_value(step) AS step,
  any_value(service) AS service, any_value(place) AS place,
  count(*) AS failures, count(*) FILTER (kind = 'end') AS terminal,
  count(DISTINCT invocation_id) AS invocations,
  count(DISTINCT invocation_id) FILTER (status IN ('paused', 'backing-off')) AS stuck,
  min(failed_at) AS first_at, max(failed_at) AS last_at, [{trend}] AS trend,
  list(DISTINCT deployment_id) FILTER (deployment_id IS NOT NULL) AS deployments,
  arg_max(invocation_id, ({latest})) AS example,
  (count(*) OVER ())::BIGINT AS total, (sum(count(*)) OVER ())::BIGINT AS all_failures,
  any_value(since_us) AS since_us, any_value(until_us) AS until_us
FROM placed GROUP BY fingerprint
ORDER BY failures DESC, last_at DESC, fingerprint LIMIT {int(limit)}
),
examples AS (
  SELECT fingerprint, invocation_id AS example, arg_max((line, message, stacktrace), failed_at)
    AS latest
  FROM ({failures_view("SELECT example FROM groups")})
  WHERE (fingerprint, invocation_id) IN (SELECT (fingerprint, example) FROM groups)
  GROUP BY fingerprint, invocation_id
)
SELECT groups.*, latest[1] AS line, latest[2] AS message, latest[3] AS stacktrace
FROM groups LEFT JOIN examples USING (fingerprint, example)
ORDER BY failures DESC, last_at DESC, fingerprint
""",
        [*params, fingerprint],
    )
    first: Mapping[str, Any] = rows[0] if rows else {}
    return FailureGroups(
        groups=tuple(map(_group, rows)),
        total=as_int(first.get("total")),
        failures=as_int(first.get("all_failures")),
        since=_time(first.get("since_us")),
        until=_time(first.get("until_us")),
    )


def _group(row: Mapping[str, Any]) -> FailureGroup:
    first, last = parse_time(row["first_at"]), parse_time(row["last_at"])
    assert first is not None
    assert last is not None
    return FailureGroup(
        fingerprint=str(row["fingerprint"]),
        error=str(row["error"] or ""),
        step=str(row["step"] or ""),
        service=str(row["service"] or ""),
        place=str(row["place"] or ""),
        line=row["line"],
        count=as_int(row["failures"]),
        terminal=as_int(row["terminal"]),
        invocations=as_int(row["invocations"]),
        stuck=as_int(row["stuck"]),
        first_at=first,
        last_at=last,
        trend=tuple(map(as_int, as_list(as_json(row["trend"])))),
        deployments=tuple(sorted(map(str, as_list(as_json(row["deployments"]))))),
        message=str(row["message"] or ""),
        example=str(row["example"]),
        stacktrace=as_text(row["stacktrace"]),
    )


def _time(microseconds: object) -> datetime | None:
    if microseconds is None:
        return None
    return datetime.fromtimestamp(as_int(microseconds) / 1e6, UTC)
