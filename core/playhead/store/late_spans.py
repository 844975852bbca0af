"""Spans that end after their attempt, and the seconds that they executed.

The rule is that of `playhead.reader.invocation.executed_time`: without backoff, suspension and the
part of another attempt in which the span only waited for its result.
"""

from __future__ import annotations

from playhead.conventions import ATTEMPT_SPAN, ATTEMPT_SPAN_ID, INTERRUPTED, attribute_sql, name_sql

__all__ = ["LATE_SPANS_SQL", "SECONDS_SQL"]

SLACK_NANOSECONDS = 100_000_000
"""A span may end this much later than its attempt."""

_INTERRUPTED = f"coalesce({attribute_sql(INTERRUPTED, span='late')}, '') = 'true'"

LATE_SPANS_SQL = f"""
  SELECT late.trace_id AS trace_id, late.span_id AS span_id,
    any_value(CASE WHEN {_INTERRUPTED} THEN attempt.end_unix_nano END) AS stopped,
    any_value(attempt.end_unix_nano) AS over,
    max(child.end_unix_nano) FILTER (
      child.end_unix_nano <= attempt.end_unix_nano + {SLACK_NANOSECONDS}) AS worked_until,
    min(child.start_unix_nano) FILTER (
      child.start_unix_nano > attempt.end_unix_nano
      AND child.start_unix_nano < late.end_unix_nano) AS worked_again
  FROM spans late
  JOIN spans attempt ON attempt.span_id = {attribute_sql(ATTEMPT_SPAN_ID, span="late")}
    AND {name_sql(ATTEMPT_SPAN, span="attempt")}
  LEFT JOIN spans child ON child.parent_span_id = late.span_id AND child.trace_id = late.trace_id
  WHERE late.end_unix_nano > attempt.end_unix_nano + {SLACK_NANOSECONDS}
    AND late.start_unix_nano < attempt.end_unix_nano
  GROUP BY late.trace_id, late.span_id
"""
"""SELECT of the spans that end after their attempt; joins `spans` by trace_id and span_id."""

SECONDS_SQL = """(CASE
  WHEN over IS NULL THEN end_unix_nano::HUGEINT - start_unix_nano
  WHEN stopped IS NOT NULL THEN stopped::HUGEINT - start_unix_nano
  ELSE least(coalesce(worked_until, over), over)::HUGEINT - start_unix_nano
    + coalesce(end_unix_nano::HUGEINT - worked_again, 0)
  END) / 1e9"""
"""Seconds that a span executed; NULL while it is pending."""
