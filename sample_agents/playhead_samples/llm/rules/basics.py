"""Weather, chat, approval, and the insurance intake with its specialists."""

from __future__ import annotations

import re

from playhead_samples.llm.conversation import Conversation
from playhead_samples.llm.rules._read import CAR, MEDICAL, amount, mentions
from playhead_samples.llm.script import Answer, call, rule, say

NAME = re.compile(r"\b(?:my name is|i am|i'm)\s+([A-Z][a-z]+)", re.IGNORECASE)
CITY = re.compile(r"\bin ([A-Z][\w ]*?)(?=[?.,!]|$)")


@rule("weather", "You are a weather agent")
def weather(conversation: Conversation) -> Answer:
    """Looks the city up, then reports."""
    done = conversation.result("get_weather")
    if done is None:
        found = CITY.search(conversation.user)
        return call("get_weather", city=found.group(1) if found else "San Francisco")
    report = done.value
    return say(
        f"The weather in {report['city']}: {report['sky']}, {report['temperature_c']} °C."
        if isinstance(report, dict)
        else f"I could not find the weather: {report}"
    )


@rule("chat", "You are a friendly chat partner")
def chat(conversation: Conversation) -> Answer:
    """Remembers a name from earlier messages, which shows that history was given."""
    messages = conversation.user_messages
    names = [m.group(1) for text in messages if (m := NAME.search(text))]
    if "name" in conversation.user.lower() and "?" in conversation.user:
        return say(f"Your name is {names[-1]}." if names else "You have not told me your name.")
    greeting = f"Nice to talk to you, {names[-1]}." if names else "Nice to talk to you."
    return say(f"{greeting} This is message {len(messages)} of our conversation.")


@rule("approval", "You evaluate insurance claims and ask a person")
def approval(conversation: Conversation) -> Answer:
    """Small claims are approved at once; large ones go to a person."""
    asked = conversation.result("human_approval")
    if asked is None and amount(conversation.user) > 1000:
        return call(
            "human_approval", amount=amount(conversation.user), reason=conversation.user[:80]
        )
    if asked is None:
        return say("The claim is approved: it is small enough to decide without a person.")
    return say(f"A person decided on the claim: {asked.text}.")


@rule("intake", "You are the intake agent of an insurance")
def intake(conversation: Conversation) -> Answer:
    """Consults the specialists that the claim needs, one after the other."""
    needed = [
        tool
        for tool, words in {
            "consult_medical_specialist": MEDICAL,
            "consult_car_specialist": CAR,
        }.items()
        if mentions(conversation.user, words)
    ]
    for tool in needed:
        if conversation.result(tool) is None:
            return call(tool, amount=amount(conversation.user), text=conversation.user)
    if not needed:
        return say("I need to know whether this is a medical or a car claim.")
    return say(" ".join(str(r.value) for r in conversation.results))


@rule("medical", "You are a medical claims specialist")
def medical(conversation: Conversation) -> Answer:
    """Covers up to 50,000."""
    verdict = "covered" if amount(conversation.user) <= 50_000 else "not covered"
    return say(f"Medical review: the treatment is {verdict}.")


@rule("car", "You are a car claims specialist")
def car(conversation: Conversation) -> Answer:
    """Covers up to 25,000."""
    verdict = "covered" if amount(conversation.user) <= 25_000 else "not covered"
    return say(f"Car review: the damage is {verdict}.")
