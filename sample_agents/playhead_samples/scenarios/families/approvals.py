"""Human approval."""

from __future__ import annotations

from playhead.conventions import ATTEMPT_SPAN

from playhead_samples.scenarios.actions import (
    AnswerApproval,
    FindChild,
    KillServer,
    Send,
    SetTimeouts,
    StartAgents,
    StartServer,
    StopAgents,
    WaitForSideEffect,
    WaitForSpans,
    WaitForStatus,
    completed,
)
from playhead_samples.scenarios.expectations import (
    AnswerContains,
    AttemptSpans,
    ChatSpans,
    FailureContains,
    LlmRequests,
    SideEffects,
    StatusIs,
)
from playhead_samples.scenarios.scenario import Scenario

__all__ = ["SCENARIOS"]

CLAIM = "I claim 3000 USD for a roof."

SCENARIOS = (
    Scenario(
        name="approval-across-restarts",
        title="Human approval while every process restarts",
        failure="The agents and restate-server go down while a person decides.",
        behavior="Keeps the invocation suspended: no process waits, and no progress is lost. "
        "After the decision, the invocation resumes where it stopped, without another LLM call.",
        look_at="The awakeable step: one long bar with no attempt under it, from the request to "
        "the decision.",
        actions=(
            SetTimeouts("ApprovalAgent", inactivity="200 ms"),
            Send("ApprovalAgent/run", CLAIM),
            WaitForStatus("suspended"),
            WaitForSpans(1, ATTEMPT_SPAN),
            SetTimeouts("ApprovalAgent", inactivity="60 s"),
            StopAgents(),
            KillServer(),
            StartServer(),
            StartAgents(),
            AnswerApproval(True),
            *completed(),
        ),
        expectations=(
            StatusIs("succeeded"),
            AnswerContains("approved"),
            SideEffects("request_review"),
            LlmRequests(2),
            AttemptSpans(2),
            ChatSpans(),
        ),
    ),
    Scenario(
        name="approval-times-out",
        title="An approval that times out",
        failure="The reviewer does not answer within one second.",
        behavior="Runs a durable timer next to the awakeable. The first of the two to complete "
        "wins.",
        look_at="The awakeable and the timer side by side: the timer completes, and the "
        "awakeable gets no answer.",
        actions=(
            Send("TimedApprovalAgent/run", {"message": CLAIM, "within_seconds": 1.0}),
            *completed(),
        ),
        expectations=(
            StatusIs("succeeded"),
            AnswerContains("night team"),
            SideEffects("request_timed_review"),
            LlmRequests(2),
            ChatSpans(),
        ),
    ),
    Scenario(
        name="approval-in-time",
        title="An approval that arrives before the timeout",
        failure="Nothing. This is the counterpart of `approval-times-out`.",
        behavior="Completes the awakeable first and ignores the timer that is still running.",
        look_at="The same two bars; this time the awakeable completes first.",
        actions=(
            Send("TimedApprovalAgent/run", {"message": CLAIM, "within_seconds": 3600}),
            WaitForSideEffect("request_timed_review"),
            AnswerApproval(False, request="request_timed_review"),
            *completed(),
        ),
        expectations=(
            StatusIs("succeeded"),
            AnswerContains("rejected"),
            SideEffects("request_timed_review"),
            LlmRequests(2),
            ChatSpans(),
        ),
    ),
    Scenario(
        name="approval-refused",
        title="A reviewer rejects the awakeable",
        failure="The awakeable is rejected instead of resolved.",
        behavior="Delivers the rejection to the agent as a terminal error, which ends the run.",
        look_at="The awakeable as the failed step, with the reviewer's reason.",
        actions=(
            Send("ApprovalAgent/run", CLAIM),
            WaitForSideEffect("request_review"),
            AnswerApproval(reject="I know the claimant"),
            *completed(),
        ),
        expectations=(
            StatusIs("failed"),
            FailureContains("I know the claimant"),
            SideEffects("request_review"),
            LlmRequests(1),
            ChatSpans(),
        ),
    ),
    Scenario(
        name="approval-asked-twice",
        title="Two agents request a review of the same claim",
        failure="The same claim is submitted twice at the same time.",
        behavior="Runs a workflow once per key: the second call is rejected with 409, and the "
        "reviewer is notified once.",
        look_at="Two runs: one has the review as its child, the other has the rejection.",
        actions=(
            Send("WorkflowApprovalAgent/run", {"claim_id": "{key}", "message": CLAIM}),
            Send("WorkflowApprovalAgent/run", {"claim_id": "{key}", "message": CLAIM}, "again"),
            FindChild("ClaimReview", "review"),
            WaitForSideEffect("notify_reviewer"),
            Send("ClaimReview/{key}/decide", True, "decide"),
            *completed("decide", "review", "run", "again"),
        ),
        expectations=(
            StatusIs("succeeded"),
            AnswerContains("approved"),
            StatusIs("failed", "again"),
            FailureContains("already invoked", "again"),
            SideEffects("notify_reviewer", 1, {"claim_id": "{key}"}),
            LlmRequests(3, "workflow_approval"),
            ChatSpans(),
        ),
    ),
)
