"""Orders, research, arithmetic, travel, reports, stories, programs, and the clerk."""

from __future__ import annotations

import re

from playhead_samples.llm.conversation import Conversation
from playhead_samples.llm.rules._parsing import numbers
from playhead_samples.llm.script import LlmAnswer, call, calls, reply, rule


@rule("orders", "You answer questions about orders")
def orders(conversation: Conversation) -> LlmAnswer:
    """Use the number as the customer wrote it; after an error, in the valid form."""
    result = conversation.result("look_up_order")
    if result is not None:
        return reply(result.text)
    found = re.search(r"A-\d+|\d+", conversation.user)
    order = found.group(0) if found else "A-1"
    corrected = conversation.rejections and not order.startswith("A-")
    return call("look_up_order", order=f"A-{order}" if corrected else order)


@rule("researcher", "You research a topic")
def researcher(conversation: Conversation) -> LlmAnswer:
    """Stop after two searches, except for perpetual motion."""
    topic = conversation.user.removeprefix("Topic: ")
    searches = len(conversation.results)
    if "perpetual" in topic or searches < 2:
        return call("search", query=f"{topic}, part {searches + 1}")
    return reply(f"What I learned about {topic}: {' '.join(r.text for r in conversation.results)}")


@rule("calculator", "You are a calculator")
def calculator(conversation: Conversation) -> LlmAnswer:
    """Multiply the first two numbers."""
    result = conversation.result("multiply")
    if result is None:
        a, b = [*numbers(conversation.user), 1, 1][:2]
        return call("multiply", a=a, b=b)
    return reply(f"The result is {float(result.text):g}.")


@rule("travel", "You are a travel agent")
def travel(conversation: Conversation) -> LlmAnswer:
    """Book the hotel, the flight and the car, then confirm."""
    found = re.search(r"to ([A-Z]\w+)", conversation.user)
    city = found.group(1) if found else "Lisbon"
    for tool in ("book_hotel", "book_flight", "book_car"):
        if conversation.result(tool) is None:
            return call(tool, city=city)
    return reply(f"Your trip to {city} is booked: hotel, flight and car.")


@rule("concierge", "You are a concierge")
def concierge(conversation: Conversation) -> LlmAnswer:
    """Call both tools in one answer."""
    results = [conversation.result(tool) for tool in ("reserve_table", "order_cab")]
    if None in results:
        found = re.search(r"in ([A-Z]\w+)", conversation.user)
        city = found.group(1) if found else "Lisbon"
        return calls(("reserve_table", {"city": city}), ("order_cab", {"city": city}))
    return reply(f"Your evening: {' and '.join(r.text for r in results if r)}.")


@rule("watchman", "You are a watchman")
def watchman(conversation: Conversation) -> LlmAnswer:
    """Report that all is quiet."""
    return reply(f"All is quiet. {conversation.user}")


@rule("storyteller", "You are a storyteller")
def storyteller(conversation: Conversation) -> LlmAnswer:
    """Pick a setting, then write three sentences."""
    about = conversation.user.removeprefix("About: ")
    setting = conversation.result("pick_setting")
    if setting is None:
        return call("pick_setting", about=about)
    return reply(f"Once there was {about}. It lived near {setting.text}. It was content.")


@rule("coder", "You write programs in stages")
def coder(conversation: Conversation) -> LlmAnswer:
    """Name the stage and its input."""
    stage, _, work = conversation.user.removeprefix("Stage: ").partition("\n")
    return reply(f"{stage}({work})")


@rule("clerk", "You are a clerk")
def clerk(conversation: Conversation) -> LlmAnswer:
    """Confirm the order."""
    return reply(f"Thank you. {conversation.user} It will be shipped.")
