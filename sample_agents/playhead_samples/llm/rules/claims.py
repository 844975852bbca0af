"""Insurance claims: approvals, the claims desk with its remote specialists, the analyst."""

from __future__ import annotations

from playhead_samples.llm.conversation import Conversation
from playhead_samples.llm.rules._parsing import CAR, MEDICAL, amount
from playhead_samples.llm.rules._specialists import consult
from playhead_samples.llm.script import LlmAnswer, call, reply, rule

SMALL = 1000


@rule("timed_approval", "You decide insurance claims in time")
def timed_approval(conversation: Conversation) -> LlmAnswer:
    """Decide like `approval`; after a timeout, refer the claim to the night team."""
    review = conversation.result("human_approval")
    if review is None:
        if amount(conversation.user) > SMALL:
            return call("human_approval", amount=amount(conversation.user))
        return reply("The claim is approved without a person.")
    if "in time" in review.text:
        return reply("Nobody decided in time: the claim goes to the night team.")
    return reply(f"A person decided on the claim: {review.text}.")


@rule("workflow_approval", "You hand large insurance claims to a review team")
def workflow_approval(conversation: Conversation) -> LlmAnswer:
    """Decide like `approval`, through the review team."""
    review = conversation.result("review_claim")
    if review is None:
        if amount(conversation.user) > SMALL:
            return call("review_claim", amount=amount(conversation.user))
        return reply("The claim is approved without a review.")
    return reply(f"The review team decided on the claim: {review.text}.")


@rule("claims_desk", "You run the claims desk")
def claims_desk(conversation: Conversation) -> LlmAnswer:
    """Call the desks that the claim needs, in sequence."""
    return consult(
        conversation,
        {"call_health_desk": MEDICAL, "call_motor_desk": CAR},
        question="I need to know whether this is a health or a motor claim.",
    )


@rule("health_desk", "You run the health desk")
def health_desk(conversation: Conversation) -> LlmAnswer:
    """Cover up to 50,000 USD."""
    return reply(f"Health: {'covered' if amount(conversation.user) <= 50_000 else 'not covered'}.")


@rule("motor_desk", "You run the motor desk")
def motor_desk(conversation: Conversation) -> LlmAnswer:
    """Cover up to 25,000 USD."""
    return reply(f"Motor: {'covered' if amount(conversation.user) <= 25_000 else 'not covered'}.")


@rule("analyst", "You are a claim analyst")
def analyst(conversation: Conversation) -> LlmAnswer:
    """Pay if every metric is good."""
    metrics = conversation.result("calculate_metrics")
    if metrics is None:
        return call("calculate_metrics", amount=amount(conversation.user))
    bad = [m for m in metrics.value if m not in ("eligible", "usual cost", "low fraud risk")]
    return reply(f"Refuse: {', '.join(bad)}." if bad else "Pay: every metric is good.")
