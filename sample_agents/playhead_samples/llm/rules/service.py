"""The bank with its loans, and the airline."""

from __future__ import annotations

import re

from playhead_samples.llm.conversation import Conversation
from playhead_samples.llm.rules._read import amount
from playhead_samples.llm.script import Answer, call, rule, say


@rule("bank", "You are a bank agent")
def bank(conversation: Conversation) -> Answer:
    """One tool a question."""
    text = conversation.user.lower()
    if conversation.results:
        done = conversation.results[-1]
        match done.name:
            case "get_balance":
                return say(f"Your balance is {done.text} USD.")
            case "get_transactions":
                lines = [f"{t['text']}: {t['amount']} USD" for t in done.value]
                return say("Your transactions: " + "; ".join(lines) + ".")
            case _:
                return say(f"Your loan: {done.text}.")
    if "loan" in text:
        return call("request_loan", amount=amount(text))
    if "transaction" in text:
        return call("get_transactions")
    if "balance" in text:
        return call("get_balance")
    return say("I can help with your balance, your transactions and loans.")


@rule("risk", "You assess the risk of loans")
def risk(conversation: Conversation) -> Answer:
    """High from 10,000 on."""
    high = amount(conversation.user) >= 10_000
    return say("high: the sum is large" if high else "low: the sum is small")


@rule("triage", "You are the triage agent of an airline")
def triage(conversation: Conversation) -> Answer:
    """Hands over by topic."""
    text = conversation.user.lower()
    if "seat" in text:
        return call("transfer_to_seat_agent")
    if any(word in text for word in ("luggage", "bag", "wi-fi", "wifi")):
        return call("transfer_to_faq_agent")
    return say("I can help with seats, luggage and Wi-Fi.")


@rule("faq", "You answer questions of passengers")
def faq(conversation: Conversation) -> Answer:
    """Looks it up; what is about seats goes back to triage."""
    if "seat" in conversation.user.lower():
        return call("transfer_to_triage_agent")
    done = conversation.result("look_up_faq")
    return call("look_up_faq", question=conversation.user) if done is None else say(done.text)


@rule("seat", "You change seats of passengers")
def seat(conversation: Conversation) -> Answer:
    """Needs a booking and a seat; everything else goes back to triage."""
    if "seat" not in conversation.user.lower():
        return call("transfer_to_triage_agent")
    done = conversation.result("change_seat")
    if done is not None:
        return say(done.text)
    booking = re.search(r"\b[A-Z]{2}\d{2}\b", conversation.user)
    wanted = re.search(r"\b\d{1,2}[A-F]\b", conversation.user)
    if booking is None or wanted is None:
        return say("Please tell me your booking and the seat you would like.")
    return call("change_seat", booking=booking.group(0), seat=wanted.group(0))
