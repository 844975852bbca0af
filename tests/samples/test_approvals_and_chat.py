"""Agents that wait for a decision, and the chat that queues messages."""

from __future__ import annotations

import concurrent.futures

import pytest
from lab import Lab
from waiting import until

CLAIM = {"message": "I claim 3000 USD for a roof."}


@pytest.mark.parametrize(("decision", "word"), [(True, "approved"), (False, "rejected")])
def test_approval_suspends_until_a_person_decides(lab: Lab, decision: bool, word: str) -> None:
    invocation = lab.send("/ApprovalAgent/run", CLAIM)
    request = lab.details("request_review")
    until(lambda: lab.invocation(invocation)["status"] == "suspended", "it is suspended")
    lab.resolve(request["awakeable_id"], decision)
    assert lab.output(invocation) == f"A person decided on the claim: {word}."
    assert request["amount"] == 3000
    assert lab.llm_counts()["approval"]["requests"] == 2


def test_small_claim_needs_no_approval(lab: Lab) -> None:
    assert "approved" in lab.call("/ApprovalAgent/run", {"message": "I claim 300 USD."})
    assert lab.effect_names() == []


@pytest.mark.parametrize(
    ("within", "decide", "answer"),
    [
        (0.3, False, "Nobody decided in time: the claim goes to the night team."),
        (60.0, True, "A person decided on the claim: approved."),
    ],
)
def test_decision_or_timeout_whichever_comes_first(
    lab: Lab, within: float, decide: bool, answer: str
) -> None:
    invocation = lab.send("/TimedApprovalAgent/run", {**CLAIM, "within_seconds": within})
    if decide:
        lab.resolve(lab.details("request_timed_review")["awakeable_id"], True)
    assert lab.output(invocation) == answer
    assert lab.effects("request_timed_review") == 1


def test_review_workflow_runs_once_per_key(lab: Lab) -> None:
    claim_id = lab.key("claim")
    invocation = lab.send("/WorkflowApprovalAgent/run", {**CLAIM, "claim_id": claim_id})
    assert lab.details("notify_reviewer") == {"claim_id": claim_id, "amount": 3000}
    lab.call(f"/ClaimReview/{claim_id}/decide", True)
    assert lab.output(invocation) == "The review team decided on the claim: approved."
    targets = lab.sql(f"SELECT target FROM sys_invocation WHERE invoked_by_id = '{invocation}'")
    assert [t["target"] for t in targets] == [f"ClaimReview/{claim_id}/run"]


def test_chat_remembers_and_conversations_are_separate(lab: Lab) -> None:
    ada, bob = lab.key("ada"), lab.key("bob")
    lab.call(f"/ChatAgent/{ada}/message", {"message": "My name is Ada."})
    lab.call(f"/ChatAgent/{bob}/message", {"message": "Hello."})
    question = {"message": "What is my name?"}
    assert lab.call(f"/ChatAgent/{ada}/message", question) == "Your name is Ada."
    assert lab.call(f"/ChatAgent/{bob}/message", question) == "You have not told me your name."
    history = lab.get(f"/ChatAgent/{ada}/get_history")
    assert [line["role"] for line in history] == ["user", "assistant"] * 2


def test_messages_to_one_key_are_queued_and_see_earlier_ones(lab: Lab) -> None:
    key = lab.key("hot")
    lab.set_llm_fault(do="slow", agent="chat", seconds=3)
    first = lab.send(f"/ChatAgent/{key}/message", {"message": "One."})
    until(lambda: bool(lab.llm_log("chat")), "the first message is being answered")
    rest = [lab.send(f"/ChatAgent/{key}/message", {"message": f"Number {n}."}) for n in (2, 3)]
    # The shared handler answers while the exclusive one is running.
    assert lab.get(f"/ChatAgent/{key}/get_history") == []
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answers = list(pool.map(lab.output, [first, *rest]))
    assert [f"message {n} of" in answer for n, answer in enumerate(answers, 1)] == [True] * 3
    assert lab.effects("deliver_answer", key=key) == 3
