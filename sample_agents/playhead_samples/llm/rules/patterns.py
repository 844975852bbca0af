"""Reviewers, racers, the pipeline, the orchestrator, and the slogan studio."""

from __future__ import annotations

from playhead_samples.llm.conversation import Conversation
from playhead_samples.llm.rules._parsing import numbers
from playhead_samples.llm.script import LlmAnswer, call, reply, rule


@rule("reviewer", "You review texts for one aspect")
def reviewer(conversation: Conversation) -> LlmAnswer:
    """Answer with one sentence per aspect."""
    aspect = conversation.user.removeprefix("Aspect: ").split(".")[0]
    opinions = {
        "tone": "The tone is too loud.",
        "facts": "No fact supports the claim.",
        "grammar": "One preposition is wrong.",
    }
    return reply(opinions.get(aspect, f"I have no opinion on {aspect}."))


@rule("thorough", "You answer thoroughly")
def thorough(conversation: Conversation) -> LlmAnswer:
    """Answer at length."""
    return reply(f"In full detail on {conversation.user!r}: " + "there is much to consider. " * 5)


@rule("quick", "You answer quickly")
def quick(conversation: Conversation) -> LlmAnswer:
    """Answer briefly."""
    return reply("Start small, practise often.")


@rule("extractor", "You extract the figures")
def extractor(conversation: Conversation) -> LlmAnswer:
    """List all numbers."""
    return reply(", ".join(str(n) for n in numbers(conversation.user)) or "none")


@rule("sorter", "You sort figures")
def sorter(conversation: Conversation) -> LlmAnswer:
    """List the numbers, largest first."""
    return reply(", ".join(str(n) for n in sorted(numbers(conversation.user), reverse=True)))


@rule("writer", "You write a table in Markdown")
def writer(conversation: Conversation) -> LlmAnswer:
    """Write a table with one column."""
    rows = [f"| {n} |" for n in numbers(conversation.user)]
    return reply("\n".join(["| figure |", "| --- |", *rows]))


@rule("planner", "You plan work")
def planner(conversation: Conversation) -> LlmAnswer:
    """Plan three tasks for any goal."""
    goal = conversation.user.rstrip(".")
    steps = ("List the needs of", "Assign the people for", "Set the date of")
    return call("final_result", tasks=[{"title": f"{step} '{goal}'"} for step in steps])


@rule("worker", "You do one task and report")
def worker(conversation: Conversation) -> LlmAnswer:
    """Report that the task is done."""
    return reply(f"Done: {conversation.user}.")


@rule("editor", "You join the reports of workers")
def editor(conversation: Conversation) -> LlmAnswer:
    """Count and join the reports."""
    reports = conversation.user.splitlines()
    return reply(f"{len(reports)} reports. " + " ".join(reports))


@rule("author", "You write slogans")
def author(conversation: Conversation) -> LlmAnswer:
    """Add an exclamation mark after advice."""
    product = conversation.user.splitlines()[0].removeprefix("Product: ")
    mark = "!" if "Advice:" in conversation.user else "."
    return reply(f"You will love {product}{mark}")


@rule("judge", "You judge slogans")
def judge(conversation: Conversation) -> LlmAnswer:
    """Require an exclamation mark."""
    good = conversation.user.rstrip().endswith("!")
    return call("final_result", good=good, advice="" if good else "Make it livelier.")
