"""SQL over the attempts of invocations: the facts about each one, and the view of their numbers.

`playhead.reader.listing.attempt_counts.count_attempts` states the rules, and applies them to a live
row. The view applies the same rules to the store's copies; tests compare the two.
"""

from __future__ import annotations

from playhead import conventions as names
from playhead.conventions import attribute_sql, name_sql, number_sql
from playhead.store.span_selection import SPANS_OF

__all__ = [
    "ATTEMPTS_OF",
    "COARSE_MICROS",
    "EXPORT_MICROS",
    "FIRST_MICROS",
    "FULL_EVENTS",
    "PERIODS",
    "SAME_MICROS",
    "TICK_MICROS",
    "attempt_facts",
    "counts_view",
]

FIRST_MICROS = 250_000
"""Longest time from `running_at` to an attempt that is taken for the first one."""
EXPORT_MICROS = 10_000_000
"""Longest time from the end of an attempt to the arrival of its span; the server waits 5 s."""
SAME_MICROS = 20_000
"""Longest time between a change on the server and the attempt's start or end that made it."""
TICK_MICROS = 1_000
"""Resolution of the server's times."""
COARSE_MICROS = 10_000
"""Time by which the server may report a failure before the start of its attempt: it takes it from
a coarse clock, which is behind by some milliseconds."""
FULL_EVENTS = 128
"""Events of a span that OpenTelemetry keeps; with as many, some may have been dropped."""
CURRENT_SECONDS = 10
"""Age of the last sign of a recorder up to which its copies are taken for the present state."""

_EVENT_NAMES = "json_extract_string(events, '$[*].name')"
PERIODS = (
    "SELECT epoch_us(started_at) AS started, epoch_us(last_seen_at) AS seen, cluster"
    " FROM recordings ORDER BY started_at"
)


def attempt_facts(ids: str, spans: str = "", *, times: bool = False) -> str:
    """Return the SELECT of the facts about attempts, one row per invocation.

    Columns: id, attempts (a list of {started, ended, status, suspended, commands, events, number,
    server}, times in microseconds; `server` is whether it has a span of the server), failures,
    first_failure.

    Args:
        ids: Condition on `invocation_id`, with `{id}` in its place.
        spans: Another condition for the spans of the same invocations.
        times: Also return `first_start` and `last_start`, in nanoseconds, between which all spans
            of the invocation start.
    """
    bounds = "min(first_start) AS first_start, max(last_start) AS last_start, " if times else ""
    with_attempt = "" if times else "WHERE span_id IS NOT NULL"
    ours = spans or ids.format(id="invocation_id")
    return f"""
SELECT coalesce(spanned.id, failed.id) AS id, attempts, coalesce(failures, 0) AS failures,
  first_failure{", first_start, last_start" if times else ""}
FROM (
  SELECT id, {bounds}list({{
    'started': coalesce(server_started, agent_started), 'ended': server_ended,
    'status': coalesce(status, 'unset'), 'suspended': coalesce(suspended, false),
    'commands': coalesce(commands, 0), 'events': coalesce(events, 0), 'number': number,
    'server': server_started IS NOT NULL
  }} ORDER BY server_ended IS NULL, coalesce(server_started, agent_started), span_id)
    FILTER (span_id IS NOT NULL) AS attempts
  FROM (
    SELECT id, span_id,
      max(start_unix_nano // 1000) FILTER (server)::BIGINT AS server_started,
      max(end_unix_nano // 1000) FILTER (server)::BIGINT AS server_ended,
      max(status_code) FILTER (server) AS status,
      bool_or(list_contains(event_names, '{names.SUSPENDED_EVENT}')) FILTER (server) AS suspended,
      max(len(list_filter(event_names, lambda name: name = '{names.COMMAND_EVENT}')))
        FILTER (server) AS commands,
      max(len(event_names)) FILTER (server) AS events,
      min(start_unix_nano // 1000)::BIGINT AS agent_started,
      max(number) FILTER (NOT server) AS number,
      min(start_unix_nano) AS first_start, max(start_unix_nano) AS last_start
    FROM (
      SELECT invocation_id AS id, {name_sql(names.ATTEMPT_SPAN)} AS server,
        CASE WHEN server THEN span_id ELSE {attribute_sql(names.ATTEMPT_SPAN_ID)} END AS span_id,
        start_unix_nano, end_unix_nano, status_code,
        CASE WHEN server THEN {_EVENT_NAMES} END AS event_names,
        CASE WHEN NOT server THEN {number_sql(names.ATTEMPT_NUMBER)} END AS number
      FROM spans WHERE {ours} AND start_unix_nano IS NOT NULL
    ) {with_attempt}
    GROUP BY id, span_id
  ) GROUP BY id HAVING count(span_id) > 0
) spanned FULL JOIN (
  SELECT id, count(*) AS failures, epoch_us(min(appended_at)) AS first_failure
  FROM journal_events WHERE event_type = 'TransientError' AND {ids.format(id="id")}
  GROUP BY id
) failed ON failed.id = spanned.id
"""


ATTEMPTS_OF = attempt_facts("{id} IN (SELECT unnest(?::VARCHAR[]))", SPANS_OF, times=True)
"""The facts about a few invocations, with a list of their ids as parameter, twice."""


def counts_view() -> str:
    """Return the SELECT of the view `invocation_attempts`."""

    def covers(since: str, until: str) -> str:
        return (
            f"coalesce(len(list_filter(watched, lambda period: period.started <= {since}"
            f" AND {until} <= period.seen)) > 0, false)"
        )

    def arrived(attempt: str) -> str:
        return f"least({attempt}.started + {EXPORT_MICROS}, {attempt}.ended)"

    def same(one: str, other: str) -> str:
        return f"coalesce(abs({one} - {other}) <= {SAME_MICROS}, false)"

    def first(started: str, until: str) -> str:
        return (
            f"coalesce(first_failure > {started} - {COARSE_MICROS}, {started} IS NOT NULL)"
            " AND coalesce("
            f"{started} - running_at <= {FIRST_MICROS} OR {covers('running_at', until)}, false)"
        )

    ended = "status = 'completed'"
    changed_at = (
        "CASE status WHEN 'running' THEN last_start_at WHEN 'completed' THEN completed_at"
        " WHEN 'suspended' THEN modified_at WHEN 'paused' THEN modified_at"
        " WHEN 'ready' THEN modified_at END"
    )
    return f"""
WITH facts AS ({attempt_facts("{id} IS NOT NULL")}),
periods AS (SELECT list(period ORDER BY period.started) AS watched FROM ({PERIODS}) period),
heads AS (
  SELECT invocations.id, status, coalesce(completion_result, '') <> 'failure' AS succeeded,
    epoch_us(running_at) AS running_at, epoch_us(completed_at) AS completed_at,
    epoch_us(modified_at) AS modified_at, epoch_us(last_start_at) AS last_start_at,
    coalesce(retry_count, 0)::BIGINT AS retry_count,
    coalesce(journal_commands_size, 0)::BIGINT AS commands,
    coalesce(restarted_from, '') <> '' AS restarted,
    coalesce(failures, 0) AS failures, first_failure,
    coalesce(list_filter(watched, lambda period:
      coalesce(period.cluster = invocations.cluster, true)), []) AS watched,
    coalesce(list_filter(attempts, lambda a: a.ended IS NOT NULL), []) AS known,
    coalesce(list_filter(attempts, lambda a: a.ended IS NULL), []) AS others
  FROM invocations LEFT JOIN facts ON facts.id = invocations.id CROSS JOIN periods
),
numbers AS (
  SELECT *, known[-1] AS last,
    {ended} OR coalesce(watched[-1].seen >= epoch_us(now()) - {CURRENT_SECONDS * 1_000_000}, false)
      AS current,
    status = 'running' AND (len(known) = 0 OR (known[-1].status <> 'ok' AND (
      last_start_at IS NULL OR known[-1].started < last_start_at - {TICK_MICROS}))) AS running,
    list_filter(list_concat(known, others), lambda a: a.number IS NOT NULL) AS numbered,
    list_transform(list_filter(known, lambda a: a.number IS NOT NULL), lambda a: a.number)
      AS ordered
  FROM heads
),
trusted AS (
  SELECT *,
    running_at IS NOT NULL
      AND len(list_filter(numbered, lambda a:
        a.number = 1 AND abs(a.started - running_at) <= {FIRST_MICROS})) > 0
      AND len(list_distinct(list_transform(numbered, lambda a: a.number))) = len(numbered)
      AND ordered = list_sort(ordered)
      AND len(list_filter(known, lambda a, i: a.number < i)) = 0 AS trusted
  FROM numbers
),
anchored AS (
  SELECT *,
    CASE WHEN trusted THEN list_max(list_transform(known, lambda a, i:
      CASE WHEN a.number IS NOT NULL THEN i END)) END AS anchor
  FROM trusted
),
bounds AS (
  SELECT *, coalesce(known[anchor].number - anchor, 0) AS before,
    greatest(len(others),
      failures - len(list_filter(known, lambda a: a.status = 'error')) + running::BIGINT,
      running::BIGINT,
      (NOT restarted AND len(list_filter(known, lambda a: a.events >= {FULL_EVENTS})) = 0
        AND commands - 1 > coalesce(list_sum(list_transform(known, lambda a: a.commands)), 0)
      )::BIGINT) AS unseen
  FROM anchored
),
lower AS (
  SELECT *,
    greatest(len(known) + greatest(unseen, before),
      CASE WHEN trusted THEN coalesce(list_max(list_transform(others, lambda a: a.number)), 0)
        ELSE 0 END,
      CASE WHEN status IN ('running', 'backing-off') THEN retry_count ELSE 0 END,
      (status IN ('running', 'suspended', 'backing-off') OR ({ended} AND succeeded))::BIGINT
    ) AS at_least,
    CASE
      WHEN NOT current THEN NULL
      WHEN running_at IS NULL THEN
        CASE WHEN (status IN ('scheduled', 'pending', 'inboxed') OR completed_at IS NOT NULL)
          AND len(known) = 0 AND unseen = 0 THEN 0 END
      WHEN unseen > before + running::BIGINT THEN NULL
      WHEN len(known) = 0 THEN
        CASE WHEN running
          AND CASE WHEN len(others) > 0
            THEN coalesce(list_bool_and(list_transform(others, lambda a:
              coalesce(a.number = 1, false) AND a.started >= last_start_at - {TICK_MICROS})), false)
            ELSE commands = 1 OR {covers("running_at", f"last_start_at + {EXPORT_MICROS}")} END
          AND {first("last_start_at", f"last_start_at + {EXPORT_MICROS}")} THEN 1
        END
      WHEN anchor IS NULL AND NOT ({first("known[1].started", arrived("known[1]"))}) THEN NULL
      WHEN coalesce(list_bool_and(list_transform(
          range(coalesce(anchor, 1)::BIGINT, len(known)::BIGINT),
          lambda i: {covers("known[i].ended", arrived("known[i + 1]"))})), true)
        AND (last.status = 'ok'
          OR (status = 'backing-off' AND {same("last_start_at", "last.started")})
          OR (status = 'suspended' AND last.suspended AND {same("modified_at", "last.ended")})
          OR (status = 'paused' AND last.status = 'error' AND {same("modified_at", "last.ended")})
          OR ({ended} AND last.status = 'unset' AND NOT last.suspended
            AND {same("completed_at", "last.ended")})
          OR {covers("last.ended", f"{changed_at} + {EXPORT_MICROS}")})
        THEN len(known) + before + running::BIGINT
    END AS exact
  FROM bounds
)
SELECT id AS invocation_id, exact::BIGINT AS attempts, coalesce(exact, at_least)::BIGINT
    AS attempts_at_least,
  CASE WHEN exact IS NOT NULL AND before = 0
    AND NOT coalesce(last.status = 'unset' AND NOT last.suspended
      AND last.events >= {FULL_EVENTS} AND status <> 'suspended', false)
    THEN len(list_filter(known, lambda a:
      a.suspended OR (a.status = 'unset' AND a.events >= {FULL_EVENTS})))
  END::BIGINT AS suspensions
FROM (SELECT * REPLACE (CASE WHEN exact >= at_least THEN exact END AS exact) FROM lower)
"""
