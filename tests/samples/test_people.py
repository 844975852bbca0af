"""Agents that wait for people, and the chat that queues them."""

from __future__ import annotations

import concurrent.futures

import pytest
from lab import Lab

CLAIM = {"message": "I claim 3000 USD for a roof."}


@pytest.mark.parametrize(("decision", "word"), [(True, "approved"), (False, "rejected")])
def test_approval_suspends_until_a_person_decides(lab: Lab, decision: bool, word: str) -> None:
    invocation = lab.send("/ApprovalAgent/run", CLAIM)
    asked = lab.details("request_review")
    lab.until(lambda: lab.invocation(invocation)["status"] == "suspended", "it is suspended")
    lab.resolve(asked["awakeable_id"], decision)
    assert lab.output(invocation) == f"A person decided on the claim: {word}."
    assert asked["amount"] == 3000
    assert lab.llm_counts()["approval"]["requests"] == 2


def test_small_claims_need_no_person(lab: Lab) -> None:
    assert "approved" in lab.call("/ApprovalAgent/run", {"message": "I claim 300 USD."})
    assert lab.effect_names() == []


@pytest.mark.parametrize(
    ("within", "decide", "answer"),
    [
        (0.3, False, "Nobody decided in time: the claim goes to the night team."),
        (60.0, True, "A person decided on the claim: approved."),
    ],
)
def test_the_person_or_the_clock(lab: Lab, within: float, decide: bool, answer: str) -> None:
    invocation = lab.send("/TimedApprovalAgent/run", {**CLAIM, "within_seconds": within})
    if decide:
        lab.resolve(lab.details("request_timed_review")["awakeable_id"], True)
    assert lab.output(invocation) == answer
    assert lab.effects("request_timed_review") == 1


def test_review_workflow_runs_once_for_its_key(lab: Lab) -> None:
    claim_id = lab.key("claim")
    invocation = lab.send("/WorkflowApprovalAgent/run", {**CLAIM, "claim_id": claim_id})
    assert lab.details("notify_reviewer") == {"claim_id": claim_id, "amount": 3000}
    lab.call(f"/ClaimReview/{claim_id}/decide", True)
    assert lab.output(invocation) == "The review team decided on the claim: approved."
    targets = lab.sql(f"SELECT target FROM sys_invocation WHERE invoked_by_id = '{invocation}'")
    assert [t["target"] for t in targets] == [f"ClaimReview/{claim_id}/run"]


def test_chat_remembers_and_each_conversation_stands_alone(lab: Lab) -> None:
    ada, bob = lab.key("ada"), lab.key("bob")
    lab.call(f"/ChatAgent/{ada}/message", {"message": "My name is Ada."})
    lab.call(f"/ChatAgent/{bob}/message", {"message": "Hello."})
    question = {"message": "What is my name?"}
    assert lab.call(f"/ChatAgent/{ada}/message", question) == "Your name is Ada."
    assert lab.call(f"/ChatAgent/{bob}/message", question) == "You have not told me your name."
    history = lab.get(f"/ChatAgent/{ada}/get_history")
    assert [line["role"] for line in history] == ["user", "assistant"] * 2


def test_messages_to_one_key_queue_and_each_sees_the_one_before(lab: Lab) -> None:
    key = lab.key("hot")
    lab.arm(do="slow", agent="chat", seconds=0.5)
    first = lab.send(f"/ChatAgent/{key}/message", {"message": "One."})
    lab.until(lambda: bool(lab.llm_log("chat")), "the first message is being answered")
    rest = [lab.send(f"/ChatAgent/{key}/message", {"message": f"Number {n}."}) for n in (2, 3)]
    # the shared handler answers while the exclusive one works
    assert lab.get(f"/ChatAgent/{key}/get_history") == []
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answers = list(pool.map(lab.output, [first, *rest]))
    assert [f"message {n} of" in answer for n, answer in enumerate(answers, 1)] == [True] * 3
    assert lab.effects("deliver_answer", key=key) == 3
