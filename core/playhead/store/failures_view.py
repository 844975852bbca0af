r"""The view of failures: failed attempts and terminal errors, with the fingerprint of each.

A fingerprint stands for the type of the error, the step, the service and the place in the code, so
that equal failures of several invocations form a group. The type is the name of the exception, or
the code and the message without its numbers and quoted parts. The place is the last frame of the
stack trace that lies outside of installed packages: Python's `File "a.py", line 4, in f`, and
`at f (a.ts:4:1)` of JavaScript.
"""

from __future__ import annotations

from playhead.model.status import LOOKS_ENDED
from playhead.store.raised_errors import raised_errors

__all__ = ["FINGERPRINT_LENGTH", "failures_view"]

FINGERPRINT_LENGTH = 8
"""Hex digits of a fingerprint."""

_NAME = r"^(?:\[[0-9]+[^\]]*\] )?([A-Za-z_][A-Za-z0-9_.]*?([A-Z][A-Za-z0-9_]*))(?:\(|: )"
_CODE = r"^\[[0-9]+[^\]\n]*\] "
"""The code before the message of a terminal error, which is not one of its numbers."""
_LAST_LINE = r"\n([A-Za-z_][A-Za-z0-9_.]*?)(?:: [^\n]*(?:\n[^\n]*)*)?\n*$"
_PYTHON_FRAME = r'File "[^"\n]*", line [0-9]+, in [^\n]*'
_SCRIPT_FRAME = r"\n\s*at [^\n]*:[0-9]+:[0-9]+\)?"
_INSTALLED = r"site-packages|dist-packages|/lib/python3|node_modules|node:|<frozen "
_LIBRARIES = "/playhead_tracing/|/restate/"
_VARIABLE = (
    r"""'[^']*'|"[^"]*"|0x[0-9a-fA-F]+|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}"""
    r"|(inv|dp|sign|prom)_[0-9A-Za-z]+|[0-9]+"
)


def failures_view(ids: str = "") -> str:
    """Return the SELECT of the view `failures`.

    Args:
        ids: SELECT of the invocations whose failures are wanted; empty for all.
    """
    events = invocations = failed = ""
    if ids:
        # As in `SPANS_OF`: the long columns of other events are not read.
        events = f"rowid IN (SELECT rowid FROM journal_events WHERE id IN ({ids})) AND"
        failed = f"id IN ({ids}) AND"
        invocations = f"WHERE id IN ({ids})"

    def text(value: str) -> str:
        return "'" + value.replace("'", "''") + "'"

    def field(name: str) -> str:
        return f"event_json->>'$.{name}'"

    return f"""
WITH failed AS (
  SELECT id, appended_at AS failed_at, 'attempt' AS kind, {field("error_message")} AS message,
    {field("error_stacktrace")} AS trace, ({field("error_code")})::INTEGER AS code,
    coalesce({field("related_command_name")}, '') AS name,
    coalesce({field("related_command_type")}, '') AS type
  FROM journal_events WHERE {events} event_type = 'TransientError'
  UNION ALL
  SELECT id, completed_at, 'end', completion_failure, NULL,
    TRY_CAST(regexp_extract(completion_failure, '^\\[([0-9]+)', 1) AS INTEGER), '', ''
  FROM invocations
  WHERE {failed} completion_result = 'failure' AND status = 'completed'
    AND (NOT ({LOOKS_ENDED}) OR id IN ({raised_errors(ids)}))
),
framed AS (
  SELECT *,
    list_filter(regexp_extract_all(trace, {text(_PYTHON_FRAME)}),
      lambda frame: NOT regexp_matches(frame, {text(f"{_INSTALLED}|{_LIBRARIES}")})) AS python,
    list_filter(regexp_extract_all(trace, {text(_SCRIPT_FRAME)}),
      lambda frame: NOT regexp_matches(frame, {text(_INSTALLED)})) AS script
  FROM failed
),
named AS (
  SELECT *,
    regexp_extract(python[-1], 'File "(?:[^"]*/)?([^"]*)", line ([0-9]+), in (.*)',
      ['file', 'line', 'function']) AS frame,
    trim(replace(script[1], chr(10), '')) AS script_frame,
    coalesce(
      nullif(CASE WHEN contains(trace, 'Traceback (most recent call last)')
        THEN regexp_extract(trace, {text(_LAST_LINE)}, 1) END, ''),
      nullif(regexp_extract(message, {text(_NAME)}, 1), ''),
      CASE WHEN code <> 500 AND NOT starts_with(message, '[') THEN '[' || code || '] '
        ELSE regexp_extract(coalesce(message, ''), {text(_CODE)}, 0) END
        || regexp_replace(
          regexp_replace(split_part(coalesce(message, ''), chr(10), 1), {text(_CODE)}, ''),
          {text(_VARIABLE)}, '…', 'g')
    ) AS full_error
  FROM framed
),
placed AS (
  SELECT named.*, left(regexp_extract(full_error, '([^.]*)$|^.*\\s.*$', 0), 200) AS error,
    CASE WHEN name <> '' THEN name ELSE type END AS step,
    coalesce(target_service_name, '') AS service,
    coalesce(pinned_deployment_id, last_attempt_deployment_id) AS deployment_id,
    CASE WHEN frame.file <> '' THEN frame.file || ' in ' || frame.function
      ELSE regexp_replace(regexp_extract(script_frame, '^at (.*?):[0-9]+:[0-9]+\\)?$', 1),
        '^(?:(.*?) )?\\(?(?:.*/)?([^/]*)$', '\\2 in \\1') END AS place,
    CASE WHEN frame.file <> '' THEN TRY_CAST(frame.line AS INTEGER)
      ELSE TRY_CAST(regexp_extract(script_frame, ':([0-9]+):[0-9]+\\)?$', 1) AS INTEGER) END AS line
  FROM named LEFT JOIN (
    SELECT id, target_service_name, pinned_deployment_id, last_attempt_deployment_id
    FROM invocations {invocations}
  ) AS owner USING (id)
)
SELECT id AS invocation_id, failed_at, kind, error, coalesce(message, '') AS message, code, step,
  service,
  coalesce(place, '') AS place, line, deployment_id,
  left(md5(concat_ws('|', error, step, service, coalesce(place, ''))), {FINGERPRINT_LENGTH})
    AS fingerprint, trace AS stacktrace
FROM placed
"""
