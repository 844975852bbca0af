"""Tables and views of the recording.

`spans` has one row a span. `invocations`, `journal`, `journal_events` and `state` keep the
column names and types of Restate's sys_invocation, sys_journal, sys_journal_events and state;
`journal` leaves out `entry_json`, which the server derives from `raw` at great cost.
"""

from __future__ import annotations

SPAN_COLUMNS = {
    "trace_id": "VARCHAR",
    "span_id": "VARCHAR",
    "parent_span_id": "VARCHAR",
    "name": "VARCHAR",
    "kind": "VARCHAR",
    "service_name": "VARCHAR",
    "scope_name": "VARCHAR",
    "start_unix_nano": "UBIGINT",
    "end_unix_nano": "UBIGINT",
    "status_code": "VARCHAR",
    "status_message": "VARCHAR",
    "attributes": "JSON",
    "resource": "JSON",
    "events": "JSON",
    "links": "JSON",
    "invocation_id": "VARCHAR",
}
"""Columns of `spans`. A pending span has no `end_unix_nano`."""

INVOCATION_COLUMNS = {
    "id": "VARCHAR",
    "vqueue_id": "VARCHAR",
    "target": "VARCHAR",
    "target_service_name": "VARCHAR",
    "target_service_key": "VARCHAR",
    "target_handler_name": "VARCHAR",
    "target_service_ty": "VARCHAR",
    "scope": "VARCHAR",
    "limit_key": "VARCHAR",
    "idempotency_key": "VARCHAR",
    "invoked_by": "VARCHAR",
    "invoked_by_service_name": "VARCHAR",
    "invoked_by_id": "VARCHAR",
    "invoked_by_subscription_id": "VARCHAR",
    "invoked_by_target": "VARCHAR",
    "restarted_from": "VARCHAR",
    "pinned_deployment_id": "VARCHAR",
    "pinned_service_protocol_version": "UINTEGER",
    "trace_id": "VARCHAR",
    "journal_size": "UINTEGER",
    "journal_commands_size": "UINTEGER",
    "created_at": "TIMESTAMPTZ",
    "created_using_restate_version": "VARCHAR",
    "modified_at": "TIMESTAMPTZ",
    "inboxed_at": "TIMESTAMPTZ",
    "scheduled_at": "TIMESTAMPTZ",
    "scheduled_start_at": "TIMESTAMPTZ",
    "running_at": "TIMESTAMPTZ",
    "completed_at": "TIMESTAMPTZ",
    "completion_retention": "INTERVAL",
    "journal_retention": "INTERVAL",
    "suspended_waiting_for_completions": "UINTEGER[]",
    "suspended_waiting_for_signals": "UINTEGER[]",
    "suspended_waiting_future_json": "VARCHAR",
    "retry_count": "UBIGINT",
    "last_start_at": "TIMESTAMPTZ",
    "next_retry_at": "TIMESTAMPTZ",
    "last_attempt_deployment_id": "VARCHAR",
    "last_attempt_server": "VARCHAR",
    "last_failure": "VARCHAR",
    "last_failure_error_code": "VARCHAR",
    "last_failure_related_entry_index": "UBIGINT",
    "last_failure_related_entry_name": "VARCHAR",
    "last_failure_related_entry_type": "VARCHAR",
    "last_failure_related_command_index": "UBIGINT",
    "last_failure_related_command_name": "VARCHAR",
    "last_failure_related_command_type": "VARCHAR",
    "last_awaiting_on_future_json": "VARCHAR",
    "status": "VARCHAR",
    "completion_result": "VARCHAR",
    "completion_failure": "VARCHAR",
}

JOURNAL_COLUMNS = {
    "partition_key": "UBIGINT",
    "id": "VARCHAR",
    "index": "UINTEGER",
    "entry_type": "VARCHAR",
    "name": "VARCHAR",
    "completed": "BOOLEAN",
    "invoked_id": "VARCHAR",
    "invoked_target": "VARCHAR",
    "sleep_wakeup_at": "TIMESTAMPTZ",
    "promise_name": "VARCHAR",
    "raw": "BLOB",
    "raw_length": "UBIGINT",
    "version": "UINTEGER",
    "entry_lite_json": "VARCHAR",
    "appended_at": "TIMESTAMPTZ",
}

EVENT_COLUMNS = {
    "partition_key": "UBIGINT",
    "id": "VARCHAR",
    "after_journal_entry_index": "UINTEGER",
    "appended_at": "TIMESTAMPTZ",
    "event_type": "VARCHAR",
    "event_json": "VARCHAR",
}

STATE_COLUMNS = {
    "partition_key": "UBIGINT",
    "scope": "VARCHAR",
    "service_name": "VARCHAR",
    "service_key": "VARCHAR",
    "key": "VARCHAR",
    "key_length": "UBIGINT",
    "value_utf8": "VARCHAR",
    "value": "BLOB",
    "value_length": "UBIGINT",
}

TABLES = {
    "spans": SPAN_COLUMNS,
    "invocations": INVOCATION_COLUMNS,
    "journal": JOURNAL_COLUMNS,
    "journal_events": EVENT_COLUMNS,
    "state": STATE_COLUMNS,
}

_VIEWS = """
CREATE OR REPLACE VIEW llm_calls AS
SELECT trace_id, span_id, parent_span_id, invocation_id,
  to_timestamp(start_unix_nano / 1e9) AS started_at,
  (end_unix_nano::HUGEINT - start_unix_nano) / 1e9 AS seconds,
  coalesce(attributes->>'$."gen_ai.provider.name"', attributes->>'$."gen_ai.system"') AS provider,
  coalesce(attributes->>'$."gen_ai.response.model"',
           attributes->>'$."gen_ai.request.model"') AS model,
  TRY_CAST(attributes->>'$."gen_ai.usage.input_tokens"' AS BIGINT) AS input_tokens,
  TRY_CAST(attributes->>'$."gen_ai.usage.output_tokens"' AS BIGINT) AS output_tokens,
  attributes->'$."gen_ai.input.messages"' AS input_messages,
  attributes->'$."gen_ai.output.messages"' AS output_messages,
  end_unix_nano IS NOT NULL AND status_code <> 'error'
    AND coalesce(attributes->>'$."playhead.interrupted"', 'false') <> 'true' AS answered,
  status_code, status_message
FROM spans
WHERE attributes->>'$."gen_ai.operation.name"' IN ('chat', 'text_completion', 'generate_content')
  AND coalesce(attributes->>'$."playhead.replayed"', 'false') <> 'true';

CREATE OR REPLACE VIEW tool_calls AS
SELECT trace_id, span_id, parent_span_id, invocation_id,
  to_timestamp(start_unix_nano / 1e9) AS started_at,
  (end_unix_nano::HUGEINT - start_unix_nano) / 1e9 AS seconds,
  attributes->>'$."gen_ai.tool.name"' AS tool,
  attributes->>'$."gen_ai.tool.call.id"' AS call_id,
  attributes->'$."gen_ai.tool.call.arguments"' AS arguments,
  attributes->'$."gen_ai.tool.call.result"' AS result,
  status_code, status_message
FROM spans
WHERE attributes->>'$."gen_ai.operation.name"' = 'execute_tool'
  AND coalesce(attributes->>'$."playhead.replayed"', 'false') <> 'true';

CREATE OR REPLACE VIEW attempts AS
SELECT invocation_id,
  row_number() OVER (PARTITION BY invocation_id ORDER BY start_unix_nano, span_id) AS number,
  trace_id, span_id,
  to_timestamp(start_unix_nano / 1e9) AS started_at,
  to_timestamp(end_unix_nano / 1e9) AS ended_at,
  status_code, status_message,
  list_transform(json_extract_string(events, '$[*].name'),
    lambda name: replace(name, 'restate.invocation.lifecycle.', '')) AS lifecycle
FROM spans
WHERE starts_with(name, 'invocation-attempt') AND invocation_id IS NOT NULL;
"""


def create_statements() -> str:
    """SQL that makes every table and view that is not there yet."""
    tables = [
        f"CREATE TABLE IF NOT EXISTS {table} ({_columns(columns)});"
        for table, columns in TABLES.items()
    ]
    copies = (
        "CREATE TABLE IF NOT EXISTS journal_copies "
        "(id VARCHAR, modified_ms BIGINT, entries UINTEGER, final BOOLEAN);"
    )
    return "\n".join([*tables, copies, _VIEWS])


def _columns(columns: dict[str, str]) -> str:
    return ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
