"""The bank with its loans, and the airline."""

from __future__ import annotations

import re

from playhead_samples.llm.conversation import Conversation
from playhead_samples.llm.rules._parsing import amount
from playhead_samples.llm.script import LlmAnswer, call, reply, rule


@rule("bank", "You are a bank agent")
def bank(conversation: Conversation) -> LlmAnswer:
    """Call one tool per question."""
    text = conversation.user.lower()
    if conversation.results:
        result = conversation.results[-1]
        match result.name:
            case "get_balance":
                return reply(f"Your balance is {result.text} USD.")
            case "get_transactions":
                lines = [f"{t['text']}: {t['amount']} USD" for t in result.value]
                return reply("Your transactions: " + "; ".join(lines) + ".")
            case _:
                return reply(f"Your loan: {result.text}.")
    if "loan" in text:
        return call("request_loan", amount=amount(text))
    if "transaction" in text:
        return call("get_transactions")
    if "balance" in text:
        return call("get_balance")
    return reply("I can help with your balance, your transactions and loans.")


@rule("risk", "You assess the risk of loans")
def risk(conversation: Conversation) -> LlmAnswer:
    """Rate loans of 10,000 USD and more as high risk."""
    high = amount(conversation.user) >= 10_000
    return reply("high: the sum is large" if high else "low: the sum is small")


@rule("triage", "You are the triage agent of an airline")
def triage(conversation: Conversation) -> LlmAnswer:
    """Hand over by topic."""
    text = conversation.user.lower()
    if "seat" in text:
        return call("transfer_to_seat_agent")
    if any(word in text for word in ("luggage", "bag", "wi-fi", "wifi")):
        return call("transfer_to_faq_agent")
    return reply("I can help with seats, luggage and Wi-Fi.")


@rule("faq", "You answer questions of passengers")
def faq(conversation: Conversation) -> LlmAnswer:
    """Look up the answer; hand questions about seats back to triage."""
    if "seat" in conversation.user.lower():
        return call("transfer_to_triage_agent")
    result = conversation.result("look_up_faq")
    return call("look_up_faq", question=conversation.user) if result is None else reply(result.text)


@rule("seat", "You change seats of passengers")
def seat(conversation: Conversation) -> LlmAnswer:
    """Ask for booking and seat; hand other topics back to triage."""
    if "seat" not in conversation.user.lower():
        return call("transfer_to_triage_agent")
    result = conversation.result("change_seat")
    if result is not None:
        return reply(result.text)
    booking = re.search(r"\b[A-Z]{2}\d{2}\b", conversation.user)
    wanted = re.search(r"\b\d{1,2}[A-F]\b", conversation.user)
    if booking is None or wanted is None:
        return reply("Please tell me your booking and the seat you would like.")
    return call("change_seat", booking=booking.group(0), seat=wanted.group(0))
