"""Weather, chat, approval, and the insurance intake with its specialists."""

from __future__ import annotations

import re

from playhead_samples.llm.conversation import Conversation
from playhead_samples.llm.rules._parsing import CAR, MEDICAL, amount
from playhead_samples.llm.rules._specialists import consult
from playhead_samples.llm.script import LlmAnswer, call, reply, rule

NAME = re.compile(r"\b(?:my name is|i am|i'm)\s+([A-Z][a-z]+)", re.IGNORECASE)
CITY = re.compile(r"\bin ([A-Z][\w ]*?)(?=[?.,!]|$)")


@rule("weather", "You are a weather agent")
def weather(conversation: Conversation) -> LlmAnswer:
    """Look up the city, then report."""
    result = conversation.result("get_weather")
    if result is None:
        found = CITY.search(conversation.user)
        return call("get_weather", city=found.group(1) if found else "San Francisco")
    report = result.value
    return reply(
        f"The weather in {report['city']}: {report['sky']}, {report['temperature_c']} °C."
        if isinstance(report, dict)
        else f"I could not find the weather: {report}"
    )


@rule("chat", "You are a friendly chat partner")
def chat(conversation: Conversation) -> LlmAnswer:
    """Remember a name from earlier messages, which shows that the history was sent."""
    messages = conversation.user_messages
    names = [m.group(1) for text in messages if (m := NAME.search(text))]
    if "name" in conversation.user.lower() and "?" in conversation.user:
        return reply(f"Your name is {names[-1]}." if names else "You have not told me your name.")
    greeting = f"Nice to talk to you, {names[-1]}." if names else "Nice to talk to you."
    return reply(f"{greeting} This is message {len(messages)} of our conversation.")


@rule("approval", "You evaluate insurance claims and ask a person")
def approval(conversation: Conversation) -> LlmAnswer:
    """Approve small claims at once; request a review of large ones."""
    review = conversation.result("human_approval")
    if review is None and amount(conversation.user) > 1000:
        return call(
            "human_approval", amount=amount(conversation.user), reason=conversation.user[:80]
        )
    if review is None:
        return reply("The claim is approved: it is small enough to decide without a person.")
    return reply(f"A person decided on the claim: {review.text}.")


@rule("intake", "You are the intake agent of an insurance")
def intake(conversation: Conversation) -> LlmAnswer:
    """Consult the specialists that the claim needs, in sequence."""
    return consult(
        conversation,
        {"consult_medical_specialist": MEDICAL, "consult_car_specialist": CAR},
        question="I need to know whether this is a medical or a car claim.",
    )


@rule("medical", "You are a medical claims specialist")
def medical(conversation: Conversation) -> LlmAnswer:
    """Cover up to 50,000 USD."""
    verdict = "covered" if amount(conversation.user) <= 50_000 else "not covered"
    return reply(f"Medical review: the treatment is {verdict}.")


@rule("car", "You are a car claims specialist")
def car(conversation: Conversation) -> LlmAnswer:
    """Cover up to 25,000 USD."""
    verdict = "covered" if amount(conversation.user) <= 25_000 else "not covered"
    return reply(f"Car review: the damage is {verdict}.")
