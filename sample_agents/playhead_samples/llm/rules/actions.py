"""Agents that act: orders, research, arithmetic, travel, watch, stories, code, the clerk."""

from __future__ import annotations

import re

from playhead_samples.llm.conversation import Conversation
from playhead_samples.llm.rules._read import numbers
from playhead_samples.llm.script import Answer, call, calls, rule, say


@rule("orders", "You answer questions about orders")
def orders(conversation: Conversation) -> Answer:
    """Tries the number as the customer wrote it, and in the right form when told so."""
    done = conversation.result("look_up_order")
    if done is not None:
        return say(done.text)
    found = re.search(r"A-\d+|\d+", conversation.user)
    order = found.group(0) if found else "A-1"
    told = conversation.refusals and not order.startswith("A-")
    return call("look_up_order", order=f"A-{order}" if told else order)


@rule("researcher", "You research a topic")
def researcher(conversation: Conversation) -> Answer:
    """Knows enough after two searches, but never about perpetual motion."""
    topic = conversation.user.removeprefix("Topic: ")
    found = len(conversation.results)
    if "perpetual" in topic or found < 2:
        return call("search", query=f"{topic}, part {found + 1}")
    return say(f"What I learned about {topic}: {' '.join(r.text for r in conversation.results)}")


@rule("calculator", "You are a calculator")
def calculator(conversation: Conversation) -> Answer:
    """Multiplies the first two numbers."""
    done = conversation.result("multiply")
    if done is None:
        a, b = [*numbers(conversation.user), 1, 1][:2]
        return call("multiply", a=a, b=b)
    return say(f"The result is {float(done.text):g}.")


@rule("travel", "You are a travel agent")
def travel(conversation: Conversation) -> Answer:
    """Hotel, flight, car, then the confirmation."""
    found = re.search(r"to ([A-Z]\w+)", conversation.user)
    city = found.group(1) if found else "Lisbon"
    for tool in ("book_hotel", "book_flight", "book_car"):
        if conversation.result(tool) is None:
            return call(tool, city=city)
    return say(f"Your trip to {city} is booked: hotel, flight and car.")


@rule("concierge", "You are a concierge")
def concierge(conversation: Conversation) -> Answer:
    """Both tools in one answer."""
    done = [conversation.result(tool) for tool in ("reserve_table", "order_cab")]
    if None in done:
        found = re.search(r"in ([A-Z]\w+)", conversation.user)
        city = found.group(1) if found else "Lisbon"
        return calls(("reserve_table", {"city": city}), ("order_cab", {"city": city}))
    return say(f"Your evening: {' and '.join(r.text for r in done if r)}.")


@rule("watchman", "You are a watchman")
def watchman(conversation: Conversation) -> Answer:
    """All is quiet."""
    return say(f"All is quiet. {conversation.user}")


@rule("storyteller", "You are a storyteller")
def storyteller(conversation: Conversation) -> Answer:
    """A setting first, then three sentences."""
    about = conversation.user.removeprefix("About: ")
    setting = conversation.result("pick_setting")
    if setting is None:
        return call("pick_setting", about=about)
    return say(f"Once there was {about}. It lived near {setting.text}. It was content.")


@rule("coder", "You write programs in stages")
def coder(conversation: Conversation) -> Answer:
    """Names the stage and what it worked on."""
    stage, _, work = conversation.user.removeprefix("Stage: ").partition("\n")
    return say(f"{stage}({work})")


@rule("clerk", "You are a clerk")
def clerk(conversation: Conversation) -> Answer:
    """Confirms."""
    return say(f"Thank you. {conversation.user} It will be shipped.")
