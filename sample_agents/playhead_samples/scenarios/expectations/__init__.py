"""The expectations of scenarios: the outcome, and its display in Playhead."""

from playhead_samples.scenarios.expectations.agreement import EveryViewAgrees
from playhead_samples.scenarios.expectations.diagnosis import DoctorFinds
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
    "DoctorFinds",
    "EventContains",
    "EveryViewAgrees",
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
