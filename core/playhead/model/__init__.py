"""The frozen types that commands and screens show. Times are UTC, durations in seconds.

`playhead.reader` reads them from a server and the store.
"""

from playhead.model.agent_call import (
    AgentCall,
    AgentCallPage,
    CallChoice,
    CallKind,
    CallOrder,
    CallOutcome,
)
from playhead.model.attempt import Attempt, AttemptOutcome
from playhead.model.clock_offset import ClockOffset
from playhead.model.groups import AgentFigures, AgentReport, FailureGroup, FailureGroups, FigureKind
from playhead.model.invocation import Invocation, InvocationDetail, InvocationPage, Origin
from playhead.model.listing import (
    GROUP_KEYS,
    SORTS,
    Activity,
    GroupKey,
    InvocationGroup,
    InvocationGroups,
    Order,
    SortKey,
    Totals,
)
from playhead.model.llm import Cost, LlmCall, Message, Tokens, ToolCall
from playhead.model.objects import (
    ObjectPage,
    ObjectState,
    ObjectSummary,
    Promise,
    QueuedInvocation,
    StateValue,
)
from playhead.model.services import (
    DeploymentInfo,
    HandlerInfo,
    PinnedCount,
    ServiceInfo,
    ServiceReport,
)
from playhead.model.span import Span, SpanEvent
from playhead.model.state import StateAction, StateChange, StateHistory
from playhead.model.status import ENDED, FAILING, STATUSES, Status, status_of
from playhead.model.step import Step, StepEvent, StepKind, StepState, Try, TryState, Wait
from playhead.model.timeline import TimelineRow
from playhead.model.times import Phase, PhaseKind, Times
from playhead.model.waiting import Waiting, WaitingKind

__all__ = [
    "ENDED",
    "FAILING",
    "GROUP_KEYS",
    "SORTS",
    "STATUSES",
    "Activity",
    "AgentCall",
    "AgentCallPage",
    "AgentFigures",
    "AgentReport",
    "Attempt",
    "AttemptOutcome",
    "CallChoice",
    "CallKind",
    "CallOrder",
    "CallOutcome",
    "ClockOffset",
    "Cost",
    "DeploymentInfo",
    "FailureGroup",
    "FailureGroups",
    "FigureKind",
    "GroupKey",
    "HandlerInfo",
    "Invocation",
    "InvocationDetail",
    "InvocationGroup",
    "InvocationGroups",
    "InvocationPage",
    "LlmCall",
    "Message",
    "ObjectPage",
    "ObjectState",
    "ObjectSummary",
    "Order",
    "Origin",
    "Phase",
    "PhaseKind",
    "PinnedCount",
    "Promise",
    "QueuedInvocation",
    "ServiceInfo",
    "ServiceReport",
    "SortKey",
    "Span",
    "SpanEvent",
    "StateAction",
    "StateChange",
    "StateHistory",
    "StateValue",
    "Status",
    "Step",
    "StepEvent",
    "StepKind",
    "StepState",
    "TimelineRow",
    "Times",
    "Tokens",
    "ToolCall",
    "Totals",
    "Try",
    "TryState",
    "Wait",
    "Waiting",
    "WaitingKind",
    "status_of",
]
