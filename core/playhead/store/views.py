"""Views of the store: LLM calls, tool calls and attempts, selected from `spans`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from playhead import conventions as names
from playhead.model.status import stored_status_sql
from playhead.store.attempt_counts import counts_view
from playhead.store.failures_view import failures_view
from playhead.store.late_spans import LATE_SPANS_SQL, SECONDS_SQL
from playhead.store.raised_errors import raised_errors
from playhead.store.times_view import times_view

__all__ = ["FAILURES", "LLM_CALLS", "TOOL_CALLS", "VIEWS", "Column", "View"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a view."""

    name: str
    type: str
    description: str
    expression: str = ""
    """SQL expression; if empty, the column of `spans` with the same name."""
    journal: str = "NULL"
    """SQL expression over `journal_llm_calls`, in a view that adds its rows."""


@dataclass(frozen=True, slots=True)
class View:
    """A selection from `spans`, or any other SELECT."""

    description: str
    columns: tuple[Column, ...]
    where: str = ""
    select: str = ""
    """The whole SELECT, if it is not a selection from `source`."""
    source: str = "spans"
    journal_where: str | None = None
    """Condition on the rows of `journal_llm_calls` that the view adds; None to add none."""

    def sql(self) -> str:
        """Return the view's SELECT."""
        return self.select or self.rows_sql([column.name for column in self.columns])

    def rows_sql(self, columns: Sequence[str], *, source: str = "") -> str:
        """Return a SELECT of some columns, the same rows.

        Args:
            columns: Names of the columns.
            source: Another source of the spans, such as one without the joins of other columns.
        """
        chosen = [column for column in self.columns if column.name in columns]
        selected = ", ".join(
            f'{column.expression or column.name} AS "{column.name}"' for column in chosen
        )
        query = f"SELECT {selected} FROM {source or self.source} WHERE {self.where}"
        if self.journal_where is None:
            return query
        added = ", ".join(f"{column.journal}::{column.type}" for column in chosen)
        return f"{query} UNION ALL SELECT {added} FROM journal_llm_calls WHERE {self.journal_where}"


_TRACE = Column("trace_id", "VARCHAR", "Trace id.")
_SPAN = Column("span_id", "VARCHAR", "Span id.")
_PARENT = Column("parent_span_id", "VARCHAR", "Id of the parent span.")
_INVOCATION = Column(
    "invocation_id", "VARCHAR", "Invocation that the span belongs to.", journal="invocation_id"
)
_STARTED = Column(
    "started_at", "TIMESTAMPTZ", "Start of the span; of an answer without a span, its time.",
    "to_timestamp(start_unix_nano / 1e9)", "to_timestamp(answered_us / 1e6)",
)  # fmt: skip
_ENDED = Column(
    "ended_at",
    "TIMESTAMPTZ",
    "End of the span; NULL while it is pending.",
    "to_timestamp(end_unix_nano / 1e9)",
)
_SECONDS = Column(
    "seconds",
    "DOUBLE",
    "Seconds that it executed, without backoff, suspension and the waiting part of another "
    "attempt; NULL while the span is pending.",
    SECONDS_SQL,
)
_STATUS = Column("status_code", "VARCHAR", "`unset`, `ok` or `error`.")
_MESSAGE = Column("status_message", "VARCHAR", "Message of the status.")
_WITH_LATE = f"spans LEFT JOIN ({LATE_SPANS_SQL}) AS late USING (trace_id, span_id)"
_COMMON = (_TRACE, _SPAN, _PARENT, _INVOCATION, _STARTED, _SECONDS)

_COUNTED = "(trace_id, span_id) NOT IN (SELECT (trace_id, span_id) FROM duplicate_spans)"

LLM_CALLS = View(
    "Requests that were sent to models, each once. Replayed ones are left out. Answers that are "
    "only in the journal, because the process sent no span or was killed, have no span id.",
    (
        *_COMMON,
        Column(
            "provider",
            "VARCHAR",
            f"`{names.PROVIDER}`, or its name in another convention.",
            names.PROVIDER_NAME.sql(),
            "provider",
        ),
        Column(
            "model",
            "VARCHAR",
            f"`{names.RESPONSE_MODEL}`, or `{names.REQUEST_MODEL}`, or its name in another "
            "convention.",
            names.MODEL.sql(),
            "model",
        ),
        Column(
            "input_tokens",
            "BIGINT",
            f"`{names.INPUT_TOKENS}`, or its name in another convention.",
            names.TOKENS_IN.number_sql(),
            "input_tokens",
        ),
        Column(
            "output_tokens",
            "BIGINT",
            f"`{names.OUTPUT_TOKENS}`, or its name in another convention.",
            names.TOKENS_OUT.number_sql(),
            "output_tokens",
        ),
        Column(
            "cache_read_tokens",
            "BIGINT",
            f"`{names.CACHE_READ_TOKENS}`, or its name in another convention: the part of the "
            "input tokens that was read from a cache.",
            names.CACHE_READ.number_sql(),
            "cache_read_tokens",
        ),
        Column(
            "cache_write_tokens",
            "BIGINT",
            f"`{names.CACHE_WRITE_TOKENS}`, or its name in another convention: the part of the "
            "input tokens that was written to a cache.",
            names.CACHE_WRITE.number_sql(),
            "cache_write_tokens",
        ),
        Column(
            "reasoning_tokens",
            "BIGINT",
            f"`{names.REASONING.names[0]}`, or its name in another convention: the part of the "
            "output tokens that the model thought with.",
            names.REASONING.number_sql(),
        ),
        Column(
            "agent",
            "VARCHAR",
            f"`{names.AGENT_NAME}`, or its name in another convention.",
            names.AGENT_NAMES.sql(),
        ),
        Column(
            "input_messages",
            "JSON",
            f"`{names.INPUT_MESSAGES}`, or its name in another convention: the prompt; NULL when "
            "content capture is off.",
            names.PROMPT.sql(as_json=True),
        ),
        Column(
            "output_messages",
            "JSON",
            f"`{names.OUTPUT_MESSAGES}`, or its name in another convention: the answer; NULL when "
            "content capture is off.",
            names.RESPONSE.sql(as_json=True),
            "output_messages",
        ),
        Column(
            "answered",
            "BOOLEAN",
            "Whether the model answered: the request ended, did not fail, and was not interrupted.",
            names.ANSWERED_LLM_CALL.sql(),
            "true",
        ),
        replace(_STATUS, journal="'unset'"),
        _MESSAGE,
        Column(
            "journal_index",
            "UINTEGER",
            "Journal index of the step, for an answer without a span.",
            "NULL::UINTEGER",
            '"index"',
        ),
    ),
    f"{names.EXECUTED_LLM_CALL.sql()} AND {_COUNTED}",
    source=_WITH_LATE,
    journal_where="NOT copied",
)

TOOL_CALLS = View(
    "Tools that were executed, each execution once. Replayed ones are left out.",
    (
        *_COMMON,
        Column(
            "tool",
            "VARCHAR",
            f"`{names.TOOL_NAME}`, or its name in another convention.",
            names.TOOL_CALL_NAME.sql(),
        ),
        Column(
            "call_id",
            "VARCHAR",
            f"`{names.TOOL_CALL_ID}`, or its name in another convention.",
            names.TOOL_CALL_IDS.sql(),
        ),
        Column(
            "arguments",
            "JSON",
            f"`{names.TOOL_ARGUMENTS}`, or its name in another convention.",
            names.TOOL_CALL_ARGUMENTS.sql(as_json=True),
        ),
        Column(
            "result",
            "JSON",
            f"`{names.TOOL_RESULT}`, or its name in another convention.",
            names.TOOL_CALL_RESULT.sql(as_json=True),
        ),
        _STATUS,
        _MESSAGE,
    ),
    f"{names.EXECUTED_TOOL_CALL.sql()} AND {_COUNTED}",
    source=_WITH_LATE,
)

_IS_LAST = (
    "row_number() OVER (PARTITION BY invocation_id ORDER BY start_unix_nano DESC, span_id DESC) = 1"
)
_ENDINGS = " ".join(
    f"WHEN {stored_status_sql([status], 'raised_id IS NOT NULL')} THEN '{status}'"
    for status in ("killed", "cancelled", "succeeded", "failed")
)
_OUTCOME = f"""
CASE WHEN end_unix_nano IS NULL THEN 'end not recorded'
  WHEN status_code = 'error' THEN 'failed'
  WHEN list_contains(json_extract_string(events, '$[*].name'), '{names.SUSPENDED_EVENT}')
    THEN 'suspended'
  WHEN {_IS_LAST} AND ending = 'failed' THEN 'terminal error'
  WHEN {_IS_LAST} AND ending = 'cancelled' THEN 'cancelled'
  WHEN status_code = 'ok' OR ({_IS_LAST} AND ending = 'succeeded') THEN 'completed'
  WHEN {_IS_LAST} AND ending = 'killed' THEN 'killed'
  ELSE 'interrupted' END
"""
"""The rules of `playhead.reader.invocation.attempts`; a test compares the two."""

ATTEMPTS = View(
    "Attempts of invocations, from the server's `invocation-attempt` spans.",
    (
        _INVOCATION,
        Column(
            "number",
            "BIGINT",
            "Number of the attempt within its invocation, from 1.",
            "row_number() OVER (PARTITION BY invocation_id ORDER BY start_unix_nano, span_id)",
        ),
        _TRACE,
        _SPAN,
        _STARTED,
        _ENDED,
        _STATUS,
        _MESSAGE,
        Column(
            "lifecycle",
            "VARCHAR[]",
            "Names of the server's events, in order: `new_command`, `run_ended`, `suspended`.",
            "list_transform(json_extract_string(events, '$[*].name'), "
            f"lambda event: replace(event, '{names.LIFECYCLE}', ''))",
        ),
        Column(
            "outcome",
            "VARCHAR",
            "`completed`, `suspended`, `failed` (and retried), `terminal error`, `cancelled`, "
            "`killed`, `interrupted`, or `end not recorded`.",
            _OUTCOME,
        ),
    ),
    f"{names.name_sql(names.ATTEMPT_SPAN)} AND invocation_id IS NOT NULL",
    source=f"spans LEFT JOIN (SELECT id AS ended_id, CASE {_ENDINGS} END AS ending"
    f" FROM invocations LEFT JOIN (SELECT id AS raised_id FROM ({raised_errors()})) AS raised"
    " ON raised_id = id) AS ends ON ended_id = invocation_id",
)

INVOCATION_ATTEMPTS = View(
    "Number of attempts of each invocation, from all sources: spans, events and Restate's tables.",
    (
        Column("invocation_id", "VARCHAR", "Invocation."),
        Column("attempts", "BIGINT", "Number of attempts; NULL when it is not certain."),
        Column("attempts_at_least", "BIGINT", "Number of attempts that are known."),
        Column(
            "suspensions",
            "BIGINT",
            "Attempts that ended with a suspension; NULL when the number is not certain.",
        ),
    ),
    select=counts_view(),
)

INVOCATION_TIMES = View(
    "Parts of the duration of each invocation, in seconds. They do not overlap; NULL is not known. "
    "Of invocations that have not ended, only the parts that are over are known.",
    (
        Column("invocation_id", "VARCHAR", "Invocation."),
        Column("duration", "DOUBLE", "From creation to completion: the sum of the parts."),
        Column("scheduled", "DOUBLE", "Until the time for which it was scheduled."),
        Column("queued", "DOUBLE", "From then to its first attempt, or to `running_at`."),
        Column("running", "DOUBLE", "In attempts."),
        Column("suspended", "DOUBLE", "After suspended attempts, until the next one."),
        Column(
            "backoff", "DOUBLE", "After failed attempts, until the next one; also while paused."
        ),
    ),
    select=times_view(),
)

FAILURES = View(
    "Failed attempts and terminal errors, with a fingerprint that equal failures share. Restate "
    "does not record a failed attempt whose error equals the previous one.",
    (
        Column("invocation_id", "VARCHAR", "Invocation."),
        Column("failed_at", "TIMESTAMPTZ", "When the attempt failed, or the invocation ended."),
        Column("kind", "VARCHAR", "`attempt`: it is retried; `end`: a terminal error."),
        Column("error", "VARCHAR", "Type of the error, or its message without variable parts."),
        Column("message", "VARCHAR", "Message of the error."),
        Column("code", "INTEGER", "Code of the error."),
        Column("step", "VARCHAR", "Name of the step, or type of the command; empty outside."),
        Column("service", "VARCHAR", "Name of the service."),
        Column("place", "VARCHAR", "File and function outside of installed packages."),
        Column("line", "INTEGER", "Line in that file."),
        Column("deployment_id", "VARCHAR", "Deployment of the invocation."),
        Column("fingerprint", "VARCHAR", "Hash of error, step, service and place."),
        Column("stacktrace", "VARCHAR", "Stack trace."),
    ),
    select=failures_view(),
)

VIEWS: Mapping[str, View] = {
    "llm_calls": LLM_CALLS,
    "tool_calls": TOOL_CALLS,
    "attempts": ATTEMPTS,
    "invocation_attempts": INVOCATION_ATTEMPTS,
    "invocation_times": INVOCATION_TIMES,
    "failures": FAILURES,
}
