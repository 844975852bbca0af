"""The types that screens and commands speak of: frozen, times in UTC, durations in seconds.

Not here: how any of it is read (`playhead.reader`).
"""

from playhead.model.attempt import Attempt, AttemptOutcome
from playhead.model.invocation import Invocation, InvocationDetail, InvocationPage, Origin, Status
from playhead.model.llm import LlmCall, Message, Tokens, ToolCall
from playhead.model.span import Span, SpanEvent
from playhead.model.step import Step, StepEvent, StepKind, StepState
from playhead.model.timeline import TimelineRow

__all__ = [
    "Attempt",
    "AttemptOutcome",
    "Invocation",
    "InvocationDetail",
    "InvocationPage",
    "LlmCall",
    "Message",
    "Origin",
    "Span",
    "SpanEvent",
    "Status",
    "Step",
    "StepEvent",
    "StepKind",
    "StepState",
    "TimelineRow",
    "Tokens",
    "ToolCall",
]
