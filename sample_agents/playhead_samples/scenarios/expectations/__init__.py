"""What must be true at the end of a scenario: what happened, and what Playhead shows of it."""

from playhead_samples.scenarios.expectations.display import ShownAnswers, ShownStatuses
from playhead_samples.scenarios.expectations.outcomes import (
    AnswerContains,
    CompletionOrder,
    EventContains,
    FailureContains,
    InjectedLlmFaults,
    JournalSteps,
    LlmRequests,
    SameInvocation,
    SideEffectOrder,
    SideEffects,
    StartedLater,
    StateContains,
    StatusIs,
)
from playhead_samples.scenarios.expectations.spans import AttemptSpans, ChatSpans, StepExecutions

__all__ = [
    "AnswerContains",
    "AttemptSpans",
    "ChatSpans",
    "CompletionOrder",
    "EventContains",
    "FailureContains",
    "InjectedLlmFaults",
    "JournalSteps",
    "LlmRequests",
    "SameInvocation",
    "ShownAnswers",
    "ShownStatuses",
    "SideEffectOrder",
    "SideEffects",
    "StartedLater",
    "StateContains",
    "StatusIs",
    "StepExecutions",
]
