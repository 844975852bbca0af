"""Names of the span attributes that the bridge sets, and of the spans that it opens."""

from __future__ import annotations

INVOCATION_ID = "restate.invocation.id"
INVOCATION_TARGET = "restate.invocation.target"
"""Service, key and handler: `Service/key/handler`."""
COMMAND_TYPE = "restate.journal.command.type"
COMMAND_NAME = "restate.journal.command.name"

COMMAND_INDEX = "playhead.journal.command_index"
"""Ordinal of the step among the journal's commands; Input is 0."""
COMPLETION_ID = "playhead.journal.completion_id"
ATTEMPT_SPAN_ID = "playhead.attempt.span_id"
"""Id of the server's span of the attempt, 16 hex digits."""
ATTEMPT_NUMBER = "playhead.attempt.number"
"""Number of the attempt from 1; only set when it is certain."""
LOGICAL_SPAN_ID = "playhead.logical_span_id"
"""Equal for the same span in every attempt, 16 hex digits."""
REPLAYED = "playhead.replayed"
INTERRUPTED = "playhead.interrupted"
"""True if the attempt ended before the span did."""
PENDING = "playhead.pending"
"""True while the span is open."""
REDACTED = "playhead.redacted"
"""Names of the attributes that `redact` changed or left out."""

TOOL_CALL_ID = "gen_ai.tool.call.id"
"""Set by agent frameworks, read by the bridge."""

STEP_SPAN = "run {name}"
"""Name of the span of one execution of a durable step."""
