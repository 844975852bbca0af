"""Views of the store: LLM calls, tool calls and attempts, selected from `spans`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from playhead import conventions as names
from playhead.conventions import attribute_sql, number_sql
from playhead.store.attempt_counts import counts_view
from playhead.store.late_spans import LATE_SPANS_SQL, SECONDS_SQL

__all__ = ["VIEWS", "Column", "View"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a view."""

    name: str
    type: str
    description: str
    expression: str = ""
    """SQL expression; if empty, the column of `spans` with the same name."""


@dataclass(frozen=True, slots=True)
class View:
    """A selection from `spans`, or any other SELECT."""

    description: str
    columns: tuple[Column, ...]
    where: str = ""
    select: str = ""
    """The whole SELECT, if it is not a selection from `source`."""
    source: str = "spans"

    def sql(self) -> str:
        """Return the view's SELECT."""
        if self.select:
            return self.select
        selected = ", ".join(
            f'{column.expression or column.name} AS "{column.name}"' for column in self.columns
        )
        return f"SELECT {selected} FROM {self.source} WHERE {self.where}"


_TRACE = Column("trace_id", "VARCHAR", "Trace id.")
_SPAN = Column("span_id", "VARCHAR", "Span id.")
_PARENT = Column("parent_span_id", "VARCHAR", "Id of the parent span.")
_INVOCATION = Column("invocation_id", "VARCHAR", "Invocation that the span belongs to.")
_STARTED = Column(
    "started_at", "TIMESTAMPTZ", "Start of the span.", "to_timestamp(start_unix_nano / 1e9)"
)
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

LLM_CALLS = View(
    "Requests that were sent to models. Replayed ones are left out.",
    (
        *_COMMON,
        Column(
            "provider",
            "VARCHAR",
            f"`{names.PROVIDER}`, or the older `{names.PROVIDER_DEPRECATED}`.",
            f"coalesce({attribute_sql(names.PROVIDER)}, "
            f"{attribute_sql(names.PROVIDER_DEPRECATED)})",
        ),
        Column(
            "model",
            "VARCHAR",
            f"`{names.RESPONSE_MODEL}`, or `{names.REQUEST_MODEL}`.",
            f"coalesce({attribute_sql(names.RESPONSE_MODEL)}, "
            f"{attribute_sql(names.REQUEST_MODEL)})",
        ),
        Column(
            "input_tokens", "BIGINT", f"`{names.INPUT_TOKENS}`.", number_sql(names.INPUT_TOKENS)
        ),
        Column(
            "output_tokens", "BIGINT", f"`{names.OUTPUT_TOKENS}`.", number_sql(names.OUTPUT_TOKENS)
        ),
        Column(
            "input_messages",
            "JSON",
            f"`{names.INPUT_MESSAGES}`: the prompt; NULL when content capture is off.",
            attribute_sql(names.INPUT_MESSAGES, as_json=True),
        ),
        Column(
            "output_messages",
            "JSON",
            f"`{names.OUTPUT_MESSAGES}`: the answer; NULL when content capture is off.",
            attribute_sql(names.OUTPUT_MESSAGES, as_json=True),
        ),
        Column(
            "answered",
            "BOOLEAN",
            "Whether the model answered: the request ended, did not fail, and was not interrupted.",
            names.ANSWERED_LLM_CALL.sql(),
        ),
        _STATUS,
        _MESSAGE,
    ),
    names.EXECUTED_LLM_CALL.sql(),
    source=_WITH_LATE,
)

TOOL_CALLS = View(
    "Tools that were executed. Replayed ones are left out.",
    (
        *_COMMON,
        Column("tool", "VARCHAR", f"`{names.TOOL_NAME}`.", attribute_sql(names.TOOL_NAME)),
        Column("call_id", "VARCHAR", f"`{names.TOOL_CALL_ID}`.", attribute_sql(names.TOOL_CALL_ID)),
        Column(
            "arguments",
            "JSON",
            f"`{names.TOOL_ARGUMENTS}`.",
            attribute_sql(names.TOOL_ARGUMENTS, as_json=True),
        ),
        Column(
            "result",
            "JSON",
            f"`{names.TOOL_RESULT}`.",
            attribute_sql(names.TOOL_RESULT, as_json=True),
        ),
        _STATUS,
        _MESSAGE,
    ),
    names.EXECUTED_TOOL_CALL.sql(),
    source=_WITH_LATE,
)

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
    ),
    f"{names.name_sql(names.ATTEMPT_SPAN)} AND invocation_id IS NOT NULL",
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

VIEWS: Mapping[str, View] = {
    "llm_calls": LLM_CALLS,
    "tool_calls": TOOL_CALLS,
    "attempts": ATTEMPTS,
    "invocation_attempts": INVOCATION_ATTEMPTS,
}
