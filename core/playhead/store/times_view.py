"""The view of the parts of each invocation's time.

`playhead.reader.invocation.times.times_of` states the rules; tests compare the two.
"""

from __future__ import annotations

from playhead.model.status import stored_status_sql
from playhead.store.raised_errors import raised_errors

__all__ = ["times_view"]


def times_view() -> str:
    """Return the SELECT of the view `invocation_times`."""

    def seconds(since: str, until: str) -> str:
        return f"(epoch_us({until}) - epoch_us({since})) / 1e6"

    def within(at: str, least: str, most: str) -> str:
        return f"least(greatest({at}, {least}), {most})"

    return f"""
WITH spells AS (
  SELECT invocation_id AS id, started_at, ended_at, status_code,
    list_contains(lifecycle, 'suspended') AS suspended,
    lead(started_at) OVER (PARTITION BY invocation_id ORDER BY started_at, span_id) AS next_at,
    row_number() OVER (PARTITION BY invocation_id ORDER BY started_at DESC, span_id DESC) = 1
      AS last
  FROM attempts
),
heads AS (
  SELECT id, created_at, running_at, completed_at, status,
    {stored_status_sql(["killed", "cancelled"], f"id IN ({raised_errors()})")} AS outside,
    CASE WHEN completed_at IS NULL THEN greatest(coalesce(scheduled_start_at, created_at),
      created_at) ELSE {
        within("coalesce(scheduled_start_at, created_at)", "created_at", "completed_at")
    } END AS due
  FROM invocations
),
counted AS (
  SELECT heads.*, counts.attempts IS NOT NULL AND counts.attempts = coalesce(spans, 0) AS complete,
    coalesce(spans, 0) AS spans, first
  FROM heads
  LEFT JOIN invocation_attempts AS counts ON counts.invocation_id = heads.id
  LEFT JOIN (SELECT id, count(*) AS spans, min(started_at) AS first FROM spells GROUP BY id) AS own
    ON own.id = heads.id
),
parts AS (
  SELECT counted.id, last, outside, suspended, status_code = 'error' AS failed,
    {within("started_at", "due", "completed_at")} AS since,
    {within("CASE WHEN last THEN completed_at ELSE next_at END", "due", "completed_at")} AS until,
    coalesce(ended_at, CASE WHEN last THEN completed_at END) AS stopped
  FROM counted JOIN spells ON spells.id = counted.id
  WHERE complete AND completed_at IS NOT NULL
),
gaps AS (
  SELECT id, stopped IS NULL AS lost, {
        seconds("since", within("stopped", "since", "until"))
    } AS ran,
    {seconds(within("stopped", "since", "until"), "until")} AS gap,
    CASE WHEN last AND NOT (outside AND (suspended OR failed)) THEN 'run'
      WHEN suspended THEN 'suspended' WHEN failed THEN 'backoff' ELSE 'unknown' END AS kind
  FROM parts
),
sums AS (
  SELECT id, bool_or(lost) AS lost, sum(ran) + sum(CASE WHEN kind = 'run' THEN gap ELSE 0 END)
      AS running,
    sum(CASE WHEN kind = 'suspended' THEN gap ELSE 0 END) AS suspended,
    sum(CASE WHEN kind = 'backoff' THEN gap ELSE 0 END) AS backoff,
    bool_or(kind = 'unknown' AND gap > 0) AS unknown
  FROM gaps GROUP BY id
)
SELECT counted.id AS invocation_id, {seconds("created_at", "completed_at")} AS duration,
  CASE WHEN status <> 'scheduled' THEN {seconds("created_at", "due")} END AS scheduled,
  CASE WHEN completed_at IS NULL THEN
      CASE WHEN running_at IS NOT NULL THEN greatest(0, {
        seconds("due", "CASE WHEN complete AND spans > 0 THEN first ELSE running_at END")
    }) END
    WHEN running_at IS NULL OR (complete AND spans = 0) THEN {seconds("due", "completed_at")}
    ELSE {
        seconds(
            "due",
            within("CASE WHEN complete THEN first ELSE running_at END", "due", "completed_at"),
        )
    } END AS queued,
  CASE WHEN never THEN 0 WHEN NOT lost THEN sums.running END AS running,
  CASE WHEN never THEN 0 WHEN NOT lost AND NOT unknown THEN sums.suspended END AS suspended,
  CASE WHEN never THEN 0 WHEN NOT lost AND NOT unknown THEN sums.backoff END AS backoff
FROM (
  SELECT *, completed_at IS NOT NULL AND (running_at IS NULL OR (complete AND spans = 0)) AS never
  FROM counted
) AS counted LEFT JOIN sums ON sums.id = counted.id
"""
