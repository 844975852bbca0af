"""Waiting for a person."""

from __future__ import annotations

from playhead_samples.scenarios.expectations import Acted, Answer, Asked, Fails, Status
from playhead_samples.scenarios.outages import (
    CrashServer,
    StartAgents,
    StartServer,
    StopAgents,
    Timeouts,
)
from playhead_samples.scenarios.requests import Child, Decide, Send
from playhead_samples.scenarios.scenario import Scenario
from playhead_samples.scenarios.span_expectations import Attempts, ModelSpans
from playhead_samples.scenarios.waits import Happened, Is, Recorded, ended

__all__ = ["SCENARIOS"]

CLAIM = "I claim 3000 USD for a roof."

SCENARIOS = (
    Scenario(
        name="approval-across-restarts",
        title="Human approval while everything is restarted",
        breaks="Agents and restate-server go down while a person thinks.",
        restate="The invocation is suspended: no process waits, nothing is lost. When the person "
        "decides, it goes on where it was, without asking the LLM again.",
        look="The awakeable: one long bar without any attempt under it, from asking to deciding.",
        actions=(
            Timeouts("ApprovalAgent", inactivity="200 ms"),
            Send("ApprovalAgent/run", CLAIM),
            Is("suspended"),
            Recorded(1, "invocation-attempt"),
            Timeouts("ApprovalAgent", inactivity="60 s"),
            StopAgents(),
            CrashServer(),
            StartServer(),
            StartAgents(),
            Decide(True),
            *ended(),
        ),
        expect=(
            Status("succeeded"),
            Answer("approved"),
            Acted("request_review"),
            Asked(2),
            Attempts(2),
            ModelSpans(),
        ),
    ),
    Scenario(
        name="approval-times-out",
        title="Nobody decides in time",
        breaks="The person who was asked does not answer within a second.",
        restate="A durable timer runs beside the awakeable; whichever comes first wins.",
        look="Awakeable and timer side by side; the timer ends, the awakeable stays open.",
        actions=(
            Send("TimedApprovalAgent/run", {"message": CLAIM, "within_seconds": 1.0}),
            *ended(),
        ),
        expect=(
            Status("succeeded"),
            Answer("night team"),
            Acted("request_timed_review"),
            Asked(2),
            ModelSpans(),
        ),
    ),
    Scenario(
        name="approval-in-time",
        title="A decision that beats the clock",
        breaks="Nothing: the counterpart of `approval-times-out`.",
        restate="The awakeable ends first; the timer that is left does nothing.",
        look="The same two bars, of which the awakeable ends first.",
        actions=(
            Send("TimedApprovalAgent/run", {"message": CLAIM, "within_seconds": 3600}),
            Happened("request_timed_review"),
            Decide(False, asked="request_timed_review"),
            *ended(),
        ),
        expect=(
            Status("succeeded"),
            Answer("rejected"),
            Acted("request_timed_review"),
            Asked(2),
            ModelSpans(),
        ),
    ),
    Scenario(
        name="approval-refused",
        title="A person refuses to decide",
        breaks="The awakeable is rejected instead of resolved.",
        restate="Hands the rejection to the agent as a terminal error, which ends the run.",
        look="The awakeable as the failed step, with the person's words.",
        actions=(
            Send("ApprovalAgent/run", CLAIM),
            Happened("request_review"),
            Decide(reject="I know the claimant"),
            *ended(),
        ),
        expect=(
            Status("failed"),
            Fails("I know the claimant"),
            Acted("request_review"),
            Asked(1),
            ModelSpans(),
        ),
    ),
    Scenario(
        name="approval-asked-twice",
        title="Two agents ask for a review of one claim",
        breaks="The same claim is submitted twice at the same time.",
        restate="A workflow runs once for its key: the second call is refused with 409, and the "
        "reviewer is notified once.",
        look="Two runs, of which one has the review as its child and the other the refusal.",
        actions=(
            Send("WorkflowApprovalAgent/run", {"claim_id": "{key}", "message": CLAIM}),
            Send("WorkflowApprovalAgent/run", {"claim_id": "{key}", "message": CLAIM}, "again"),
            Child("ClaimReview", "review"),
            Happened("notify_reviewer"),
            Send("ClaimReview/{key}/decide", True, "decide"),
            *ended("decide", "review", "run", "again"),
        ),
        expect=(
            Status("succeeded"),
            Answer("approved"),
            Status("failed", "again"),
            Fails("already invoked", "again"),
            Acted("notify_reviewer", 1, {"claim_id": "{key}"}),
            Asked(3, "workflow_approval"),
            ModelSpans(),
        ),
    ),
)
