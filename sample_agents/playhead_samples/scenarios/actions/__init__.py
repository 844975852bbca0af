"""The actions of scenarios: requests, process crashes, deployments, and waits."""

from playhead_samples.scenarios.actions.conditions import (
    WaitForAttempts,
    WaitForEvent,
    WaitForLlmRequest,
    WaitForSideEffect,
    WaitForSpans,
    WaitForStatus,
    WaitForStep,
    completed,
)
from playhead_samples.scenarios.actions.deployments import (
    ChangeCode,
    CutNetwork,
    Deploy,
    SlowNetwork,
)
from playhead_samples.scenarios.actions.invocations import (
    AnswerApproval,
    Cancel,
    FindChild,
    Kill,
    Resume,
    Send,
)
from playhead_samples.scenarios.actions.processes import (
    KillAgents,
    KillServer,
    RemoveFaults,
    SetTimeouts,
    StartAgents,
    StartServer,
    StopAgents,
)

__all__ = [
    "AnswerApproval",
    "Cancel",
    "ChangeCode",
    "CutNetwork",
    "Deploy",
    "FindChild",
    "Kill",
    "KillAgents",
    "KillServer",
    "RemoveFaults",
    "Resume",
    "Send",
    "SetTimeouts",
    "SlowNetwork",
    "StartAgents",
    "StartServer",
    "StopAgents",
    "WaitForAttempts",
    "WaitForEvent",
    "WaitForLlmRequest",
    "WaitForSideEffect",
    "WaitForSpans",
    "WaitForStatus",
    "WaitForStep",
    "completed",
]
