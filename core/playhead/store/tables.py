"""Tables of the store, each column with its type and a description.

`invocations`, `journal`, `journal_events` and `state` keep the column names and types of Restate's
sys_invocation, sys_journal, sys_journal_events and state. `journal` has no `entry_json`, which the
server computes from `raw` at great cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from playhead.store.views import FAILURES

__all__ = ["INVOCATION_COLUMNS", "JOURNAL_COLUMNS", "SPAN_COLUMNS", "TABLES", "Table"]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the store."""

    description: str
    columns: Mapping[str, tuple[str, str]]
    """Type and description of each column, by name."""

    @property
    def types(self) -> dict[str, str]:
        """Types of the columns, by name."""
        return {name: kind for name, (kind, _) in self.columns.items()}


SPANS = Table(
    "One row per span received over OTLP. (trace_id, span_id) is unique.",
    {
        "trace_id": ("VARCHAR", "Trace id, 32 lower-case hex digits."),
        "span_id": ("VARCHAR", "Span id, 16 lower-case hex digits."),
        "parent_span_id": ("VARCHAR", "Id of the parent span; NULL for a root span."),
        "name": ("VARCHAR", "Span name."),
        "kind": (
            "VARCHAR",
            "`internal`, `server`, `client`, `producer`, `consumer` or `unspecified`.",
        ),
        "service_name": ("VARCHAR", "`service.name` of the resource."),
        "scope_name": ("VARCHAR", "Name of the instrumentation scope."),
        "start_unix_nano": ("UBIGINT", "Start, in nanoseconds since 1970."),
        "end_unix_nano": (
            "UBIGINT",
            "End, in nanoseconds since 1970; NULL while the span is pending.",
        ),
        "status_code": ("VARCHAR", "`unset`, `ok` or `error`."),
        "status_message": ("VARCHAR", "Message of the status."),
        "attributes": ("JSON", "Attributes of the span, by name."),
        "resource": ("JSON", "Attributes of the resource, by name."),
        "events": (
            "JSON",
            "Span events: a list of {name, time_unix_nano, attributes}, and where they are set "
            "`dropped_attributes_count` and `attribute_types`.",
        ),
        "links": (
            "JSON",
            "Span links: a list of {trace_id, span_id, attributes}, and where they are set "
            "`trace_state`, `flags`, `dropped_attributes_count` and `attribute_types`.",
        ),
        "invocation_id": (
            "VARCHAR",
            "Invocation that the span belongs to: its own `restate.invocation.id`, or that of the "
            "nearest ancestor that has one.",
        ),
        "trace_state": ("VARCHAR", "W3C trace state; NULL when there is none."),
        "flags": (
            "UINTEGER",
            "W3C trace flags, and bits 8 and 9: whether the parent is remote. NULL when none is "
            "set.",
        ),
        "dropped_attributes_count": ("UINTEGER", "Attributes that the sender dropped, or NULL."),
        "dropped_events_count": ("UINTEGER", "Events that the sender dropped, or NULL."),
        "dropped_links_count": ("UINTEGER", "Links that the sender dropped, or NULL."),
        "attribute_types": (
            "JSON",
            "Types that JSON cannot express, by attribute: `bytes` (base64 in `attributes`) and "
            "`double` (`nan`, `inf` and `-inf`), in lists by place and in maps by key. NULL when "
            "there are none.",
        ),
        "scope": (
            "JSON",
            "Instrumentation scope: `version`, `attributes`, `schema_url`, "
            "`dropped_attributes_count` and `attribute_types`, those that are set; NULL if none "
            "is.",
        ),
        "resource_details": (
            "JSON",
            "What else the resource has: `schema_url`, `dropped_attributes_count`, "
            "`attribute_types` and `entity_refs`, those that are set; NULL if none is.",
        ),
    },
)

INVOCATIONS = Table(
    "Copy of Restate's sys_invocation: one row per invocation, kept after the server purges it.",
    {
        "id": ("VARCHAR", "Invocation id."),
        "vqueue_id": ("VARCHAR", "Id of the queue that the invocation waits in."),
        "target": ("VARCHAR", "`Service/handler` or `Service/key/handler`."),
        "target_service_name": ("VARCHAR", "Name of the service."),
        "target_service_key": ("VARCHAR", "Key of the virtual object or workflow."),
        "target_handler_name": ("VARCHAR", "Name of the handler."),
        "target_service_ty": ("VARCHAR", "`service`, `virtual_object` or `workflow`."),
        "scope": ("VARCHAR", "Scope of the invocation."),
        "limit_key": ("VARCHAR", "Key of the concurrency limit that applies."),
        "idempotency_key": ("VARCHAR", "Idempotency key of the request."),
        "invoked_by": ("VARCHAR", "Sender of the request: `ingress`, `service`, `subscription`."),
        "invoked_by_service_name": ("VARCHAR", "Service of the calling invocation."),
        "invoked_by_id": ("VARCHAR", "Id of the calling invocation."),
        "invoked_by_subscription_id": ("VARCHAR", "Id of the subscription."),
        "invoked_by_target": ("VARCHAR", "Target of the calling invocation."),
        "restarted_from": ("VARCHAR", "Id of the invocation that this one is a restart of."),
        "pinned_deployment_id": ("VARCHAR", "Deployment that the invocation is pinned to."),
        "pinned_service_protocol_version": ("UINTEGER", "Version of the service protocol."),
        "trace_id": ("VARCHAR", "Trace id; NULL when the server does not trace."),
        "journal_size": ("UINTEGER", "Number of journal entries."),
        "journal_commands_size": ("UINTEGER", "Number of commands in the journal."),
        "created_at": ("TIMESTAMPTZ", "When the server accepted the request."),
        "created_using_restate_version": ("VARCHAR", "Version of the server that accepted it."),
        "modified_at": ("TIMESTAMPTZ", "Last change of the row."),
        "inboxed_at": ("TIMESTAMPTZ", "When it was queued behind its virtual object's lock."),
        "scheduled_at": ("TIMESTAMPTZ", "When it was scheduled for later."),
        "scheduled_start_at": ("TIMESTAMPTZ", "When a scheduled invocation is due."),
        "running_at": ("TIMESTAMPTZ", "When it first ran."),
        "completed_at": ("TIMESTAMPTZ", "When it ended."),
        "completion_retention": ("INTERVAL", "How long the server keeps the result."),
        "journal_retention": ("INTERVAL", "How long the server keeps the journal."),
        "suspended_waiting_for_completions": ("UINTEGER[]", "Completion ids it is waiting for."),
        "suspended_waiting_for_signals": ("UINTEGER[]", "Signal ids it is waiting for."),
        "suspended_waiting_future_json": ("VARCHAR", "Results that it is waiting for, as JSON."),
        "retry_count": ("UBIGINT", "Attempts of the current series of retries."),
        "last_start_at": ("TIMESTAMPTZ", "Start of the latest attempt."),
        "next_retry_at": ("TIMESTAMPTZ", "When the next attempt is due."),
        "last_attempt_deployment_id": ("VARCHAR", "Deployment of the latest attempt."),
        "last_attempt_server": ("VARCHAR", "SDK and version of the latest attempt."),
        "last_failure": ("VARCHAR", "Error of the latest failed attempt."),
        "last_failure_error_code": ("VARCHAR", "Restate's code of that error."),
        "last_failure_related_entry_index": ("UBIGINT", "Journal index that the error relates to."),
        "last_failure_related_entry_name": ("VARCHAR", "Name of that entry."),
        "last_failure_related_entry_type": ("VARCHAR", "Type of that entry."),
        "last_failure_related_command_index": ("UBIGINT", "Ordinal of the command."),
        "last_failure_related_command_name": ("VARCHAR", "Name of that command."),
        "last_failure_related_command_type": ("VARCHAR", "Type of that command."),
        "last_awaiting_on_future_json": ("VARCHAR", "Results that the attempt awaited, as JSON."),
        "status": (
            "VARCHAR",
            "`pending`, `scheduled`, `inboxed`, `ready`, `running`, `backing-off`, `suspended`, "
            "`paused` or `completed`. The recorder sets `gone` when the server no longer has an "
            "invocation that had not ended.",
        ),
        "completion_result": ("VARCHAR", "`success` or `failure` once completed."),
        "completion_failure": ("VARCHAR", "Error that ended the invocation."),
        "cluster": (
            "VARCHAR",
            "Name of the cluster that it was copied from, with the server's address if the name is "
            "Restate's default; NULL if it was copied before this was kept.",
        ),
    },
)

JOURNAL = Table(
    "Copy of Restate's sys_journal: one row per journal entry. (id, index) is unique.",
    {
        "partition_key": ("UBIGINT", "Restate's partition key."),
        "id": ("VARCHAR", "Invocation id."),
        "index": ("UINTEGER", "Journal index, from 0."),
        "entry_type": ("VARCHAR", "`Command: Run`, `Notification: Run`, …"),
        "name": ("VARCHAR", "Name that the handler gave to the step."),
        "completed": ("BOOLEAN", "Whether it is completed; only in journals of version 1."),
        "invoked_id": ("VARCHAR", "Id of the invocation that a call or send started."),
        "invoked_target": ("VARCHAR", "Target of that invocation."),
        "sleep_wakeup_at": ("TIMESTAMPTZ", "When a sleep ends."),
        "promise_name": ("VARCHAR", "Name of a workflow's promise."),
        "raw": ("BLOB", "The entry as sent on the wire (protobuf), payloads included."),
        "raw_length": ("UBIGINT", "Length of `raw` in bytes."),
        "version": ("UINTEGER", "Version of the journal's format."),
        "entry_lite_json": ("VARCHAR", "The entry without payloads, as JSON."),
        "appended_at": ("TIMESTAMPTZ", "When the server appended it."),
    },
)

JOURNAL_EVENTS = Table(
    "Copy of Restate's sys_journal_events: failed attempts and pauses.",
    {
        "partition_key": ("UBIGINT", "Restate's partition key."),
        "id": ("VARCHAR", "Invocation id."),
        "after_journal_entry_index": ("UINTEGER", "Journal index of the entry before the event."),
        "appended_at": ("TIMESTAMPTZ", "When the event happened."),
        "event_type": ("VARCHAR", "`TransientError`, `Paused`, …"),
        "event_json": ("VARCHAR", "Message, code, stack trace and related command, as JSON."),
    },
)

STATE = Table(
    "Copy of Restate's state table: one row per key of a virtual object or workflow of a cluster.",
    {
        "partition_key": ("UBIGINT", "Restate's partition key."),
        "scope": ("VARCHAR", "Scope of the virtual object or workflow."),
        "service_name": ("VARCHAR", "Name of the service."),
        "service_key": ("VARCHAR", "Key of the virtual object or workflow."),
        "key": ("VARCHAR", "Key of the value."),
        "key_length": ("UBIGINT", "Length of the key in bytes."),
        "value_utf8": ("VARCHAR", "The value as text; NULL when it is not UTF-8."),
        "value": ("BLOB", "The value's bytes."),
        "value_length": ("UBIGINT", "Length of the value in bytes."),
        "cluster": ("VARCHAR", "Cluster that it was copied from; see `invocations`."),
    },
)

JOURNAL_COPIES = Table(
    "Progress of the recorder's journal copies, one row per invocation.",
    {
        "id": ("VARCHAR", "Invocation id."),
        "modified_ms": ("BIGINT", "`modified_at` of the copied row, in milliseconds since 1970."),
        "entries": ("UINTEGER", "Number of journal entries copied."),
        "final": ("BOOLEAN", "Whether the invocation had ended when it was copied, or is gone."),
        "cluster": ("VARCHAR", "Cluster that it was copied from; see `invocations`."),
    },
)

RECORDINGS = Table(
    "Periods in which the recorder ran and the server answered, without interruption.",
    {
        "started_at": ("TIMESTAMPTZ", "First answer of the server in this period, by its clock."),
        "last_seen_at": ("TIMESTAMPTZ", "Latest answer, by its clock; updated every 2 s."),
        "cluster": (
            "VARCHAR",
            "Cluster of the server; NULL if it was written before this was kept.",
        ),
    },
)

DUPLICATE_SPANS = Table(
    "Spans of LLM calls and tools that show a call which another row shows already.",
    {
        "invocation_id": ("VARCHAR", "Invocation that the span belongs to."),
        "trace_id": ("VARCHAR", "Trace id."),
        "span_id": ("VARCHAR", "Span id."),
        "reason": (
            "VARCHAR",
            "`nested`: a span above it, from another instrumentation, shows the same call. "
            "`repeated`: it was sent again by a replay, because its process has no tracing bridge.",
        ),
    },
)

JOURNAL_LLM_CALLS = Table(
    "Answers of models that are in a journal, and that no counted span shows.",
    {
        "invocation_id": ("VARCHAR", "Invocation id."),
        "index": ("UINTEGER", "Journal index of the step."),
        "answered_us": ("BIGINT", "When the answer was appended, in microseconds since 1970."),
        "provider": ("VARCHAR", "Provider of the model."),
        "model": ("VARCHAR", "Name of the model."),
        "input_tokens": ("BIGINT", "Input tokens; NULL when the answer has no usage."),
        "output_tokens": ("BIGINT", "Output tokens; NULL when the answer has no usage."),
        "output_messages": ("JSON", "The answer, in the form of `gen_ai.output.messages`."),
        "copied": (
            "BOOLEAN",
            "Whether a restart copied it from the journal of the original invocation, which counts "
            "it.",
        ),
        "cache_read_tokens": ("BIGINT", "Input tokens that were read from a cache."),
        "cache_write_tokens": ("BIGINT", "Input tokens that were written to a cache."),
    },
)

CALLS = Table(
    "Calls of models and tools that spans show, with what is counted in typed columns: `llm_calls` "
    "and `tool_calls` without contents, but including spans of `duplicate_spans`.",
    {
        "invocation_id": ("VARCHAR", "Invocation that the span belongs to."),
        "trace_id": ("VARCHAR", "Trace id."),
        "span_id": ("VARCHAR", "Span id."),
        "kind": ("VARCHAR", "`model` or `tool`."),
        "agent": ("VARCHAR", "Name of the agent."),
        "provider": ("VARCHAR", "Provider of the model."),
        "name": ("VARCHAR", "Name of the model or tool."),
        "started_us": ("BIGINT", "Start, in microseconds since 1970."),
        "duration": ("DOUBLE", "Seconds from start to end; NULL while the span is pending."),
        "succeeded": ("BOOLEAN", "Whether the model answered, or the tool returned."),
        "failed": ("BOOLEAN", "Whether the status of the span is `error`."),
        "logical_id": ("VARCHAR", "Equal for the repetitions of a call in several attempts."),
        "input_tokens": ("BIGINT", "Input tokens."),
        "output_tokens": ("BIGINT", "Output tokens."),
        "cache_read_tokens": ("BIGINT", "Input tokens that were read from a cache."),
        "cache_write_tokens": ("BIGINT", "Input tokens that were written to a cache."),
        "reasoning_tokens": ("BIGINT", "Output tokens that the model thought with."),
    },
)

INVOCATION_FIGURES = Table(
    "Sums of the calls and steps of each invocation, from `llm_calls`, `tool_calls` and `journal`. "
    "Those of invocations in `stale_figures` are outdated.",
    {
        "invocation_id": ("VARCHAR", "Invocation id."),
        "kind": ("VARCHAR", "`model`, `tool` or `step`."),
        "agent": ("VARCHAR", "Name of the agent; of a step, the service. Empty if not known."),
        "name": ("VARCHAR", "Name of the model, tool or step. Empty if not known."),
        "counted": ("BIGINT", "Calls, or steps in the journal."),
        "repeated": ("BIGINT", "Calls or executions of a step after the first one."),
        "succeeded": ("BIGINT", "Steps with a result."),
        "failed": ("BIGINT", "Steps whose result is a failure."),
        "tried": ("BIGINT", "Failed attempts that the server relates to the step."),
        "executed": ("BIGINT", "Executions of the step that failed, by their spans."),
        "durations": ("DOUBLE[]", "Seconds from each step to its result."),
    },
)

INVOCATION_FAILURES = Table(
    "Rows of the view `failures`, without messages and stack traces. Those of invocations in "
    "`stale_figures` are outdated.",
    {
        column.name: (column.type, column.description)
        for column in FAILURES.columns
        if column.name not in ("message", "stacktrace")
    },
)

STALE_FIGURES = Table(
    "Invocations that changed since the recorder computed their figures.",
    {
        "id": ("VARCHAR", "Invocation id."),
        "mark": ("BIGINT", "Number of the change, by chance."),
    },
)

DERIVED = Table(
    "Versions of what the recorder derives from the tables; it rebuilds what is older.",
    {
        "name": ("VARCHAR", "Name of the table."),
        "version": ("INTEGER", "Version of the rules that it was derived with."),
    },
)

INDEXED_TEXTS = Table(
    "Invocations whose texts are in the text index, a folder beside the database.",
    {
        "id": ("VARCHAR", "Invocation id."),
        "mark": ("UBIGINT", "Hash of what was indexed; it is indexed again when it changes."),
    },
)

VERSION = Table(
    "Version of the tables. Older stores are migrated, newer ones are not opened.",
    {"version": ("INTEGER", "The version.")},
)

ARCHIVES = Table(
    "Runs of the archive. The files of a run have its name; see `playhead archive`.",
    {
        "run": ("VARCHAR", "Name of the run."),
        "archived_at": ("TIMESTAMPTZ", "When its rows were moved."),
        "before": ("DATE", "First day that stayed in the tables."),
    },
)

TABLES: Mapping[str, Table] = {
    "spans": SPANS,
    "invocations": INVOCATIONS,
    "journal": JOURNAL,
    "journal_events": JOURNAL_EVENTS,
    "state": STATE,
    "journal_copies": JOURNAL_COPIES,
    "recordings": RECORDINGS,
    "duplicate_spans": DUPLICATE_SPANS,
    "journal_llm_calls": JOURNAL_LLM_CALLS,
    "calls": CALLS,
    "invocation_figures": INVOCATION_FIGURES,
    "invocation_failures": INVOCATION_FAILURES,
    "stale_figures": STALE_FIGURES,
    "derived": DERIVED,
    "indexed_texts": INDEXED_TEXTS,
    "schema_version": VERSION,
    "archives": ARCHIVES,
}

SPAN_COLUMNS = SPANS.types
INVOCATION_COLUMNS = {name: kind for name, kind in INVOCATIONS.types.items() if name != "cluster"}
"""Columns of `invocations` that the server has."""
JOURNAL_COLUMNS = JOURNAL.types
