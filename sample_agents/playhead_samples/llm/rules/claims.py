"""Insurance claims: approvals, the claims desk with its remote specialists, the analyst."""

from __future__ import annotations

from playhead_samples.llm.conversation import Conversation
from playhead_samples.llm.rules._read import CAR, MEDICAL, amount, mentions
from playhead_samples.llm.script import Answer, call, rule, say

SMALL = 1000


@rule("timed_approval", "You decide insurance claims in time")
def timed_approval(conversation: Conversation) -> Answer:
    """As `approval`, and knows what to do when nobody answered."""
    asked = conversation.result("human_approval")
    if asked is None:
        if amount(conversation.user) > SMALL:
            return call("human_approval", amount=amount(conversation.user))
        return say("The claim is approved without a person.")
    if "in time" in asked.text:
        return say("Nobody decided in time: the claim goes to the night team.")
    return say(f"A person decided on the claim: {asked.text}.")


@rule("workflow_approval", "You hand large insurance claims to a review team")
def workflow_approval(conversation: Conversation) -> Answer:
    """As `approval`, through the review team."""
    asked = conversation.result("review_claim")
    if asked is None:
        if amount(conversation.user) > SMALL:
            return call("review_claim", amount=amount(conversation.user))
        return say("The claim is approved without a review.")
    return say(f"The review team decided on the claim: {asked.text}.")


@rule("claims_desk", "You run the claims desk")
def claims_desk(conversation: Conversation) -> Answer:
    """Calls the desks that the claim needs, one after the other."""
    needed = [
        tool
        for tool, words in {
            "call_health_desk": MEDICAL,
            "call_motor_desk": CAR,
        }.items()
        if mentions(conversation.user, words)
    ]
    for tool in needed:
        if conversation.result(tool) is None:
            return call(tool, amount=amount(conversation.user), text=conversation.user)
    if not needed:
        return say("I need to know whether this is a health or a motor claim.")
    return say(" ".join(str(r.value) for r in conversation.results))


@rule("health_desk", "You run the health desk")
def health_desk(conversation: Conversation) -> Answer:
    """Covers up to 50,000."""
    return say(f"Health: {'covered' if amount(conversation.user) <= 50_000 else 'not covered'}.")


@rule("motor_desk", "You run the motor desk")
def motor_desk(conversation: Conversation) -> Answer:
    """Covers up to 25,000."""
    return say(f"Motor: {'covered' if amount(conversation.user) <= 25_000 else 'not covered'}.")


@rule("analyst", "You are a claim analyst")
def analyst(conversation: Conversation) -> Answer:
    """Pays when every metric is good."""
    metrics = conversation.result("calculate_metrics")
    if metrics is None:
        return call("calculate_metrics", amount=amount(conversation.user))
    bad = [m for m in metrics.value if m not in ("eligible", "usual cost", "low fraud risk")]
    return say(f"Refuse: {', '.join(bad)}." if bad else "Pay: every metric is good.")
