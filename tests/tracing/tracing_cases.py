"""The tracing cases, with the expected contents of their traces."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from tracing_bed import Bed
from tracing_outcome import LOOK, Case, Outcome, outcome
from tracing_parallel import (
    first_of_two_fails,
    gathered,
    one_of_two_fails,
    other_still_runs,
    parallel,
    parallel_suspended,
)


def happy(bed: Bed, key: str) -> Outcome:
    bed.world.plan(key, [LOOK, "done"])
    return outcome(
        bed, bed.call("Agents/ask", key), [key], {"invoke_agent main": 1, "execute_tool look": 1}
    )


def step_fails(bed: Bed, key: str) -> Outcome:
    bed.world.plan(key, [LOOK, "done"], step_a=2)
    return outcome(
        bed,
        bed.call("Agents/ask", key),
        [key],
        {"invoke_agent main": 3, "execute_tool look": bed.world.counts(key)["step a"]},
        {"invoke_agent main": 2, "execute_tool look": 2, "run a": 2},
    )


def model_fails(bed: Bed, key: str) -> Outcome:
    bed.world.plan(key, [LOOK, "done"], chat_2=2)
    return outcome(
        bed,
        bed.call("Agents/ask", key),
        [key],
        {"invoke_agent main": 3, "execute_tool look": 1},
        {"invoke_agent main": 2, "chat scripted": 2, "run Model call": 2},
    )


def suspended(bed: Bed, key: str) -> Outcome:
    bed.world.plan(key, [[["approve", {}]], "done"])
    invocation = bed.call_and_approve("Agents/ask", key)
    return outcome(bed, invocation, [key], {"invoke_agent main": 2, "execute_tool approve": 2})


def suspended_after_step(bed: Bed, key: str) -> Outcome:
    """The same with a step in the tool, and a model that fails after the wait."""
    bed.world.plan(key, [[["notify_then_approve", {}]], "done"], chat_2=1)
    invocation = bed.call_and_approve("Agents/ask", key)
    return outcome(
        bed,
        invocation,
        [key],
        {"invoke_agent main": 3, "execute_tool notify_then_approve": 2},
        {"invoke_agent main": 1, "chat scripted": 1, "run Model call": 1},
    )


def killed(bed: Bed, key: str) -> Outcome:
    """kill -9 in the second model call; the open spans are lost with the process."""
    bed.world.plan(key, [LOOK, "slow once"])
    with bed.process() as (own, child):
        invocation = own.start("Agents/ask", key)
        bed.world.wait(key, "chat 2")
        bed.settled()
        child.kill()
        child.start()
        own.result(invocation)
        result = outcome(own, invocation, [key], {"invoke_agent main": 1, "execute_tool look": 1})
        result.spans["chat scripted"] -= 1
        result.spans["run Model call"] -= 1
        own.trace(invocation)
        return replace(result, journal=own.journal(invocation), orphans=2)


def nested(bed: Bed, key: str) -> Outcome:
    bed.world.plan(key, [[["delegate", {}]], [["third", {}]], "done"])
    bed.world.plan(f"{key}-sub", ["from the sub-agent"])
    bed.world.plan(f"{key}-third", ["from the third"])
    return outcome(
        bed,
        bed.call("Agents/ask", key),
        [key, f"{key}-sub", f"{key}-third"],
        {
            "invoke_agent main": 1,
            "invoke_agent sub": 2,
            "execute_tool delegate": 1,
            "execute_tool third": 1,
        },
    )


def object_state(bed: Bed, key: str) -> Outcome:
    """State before and after the agent; then the handler fails once."""
    bed.world.plan(key, [LOOK, "done"], handler=1)
    return outcome(
        bed,
        bed.call(f"Session/{key}/talk", key),
        [key],
        {"invoke_agent main": 1, "execute_tool look": 1},
    )


def terminal(bed: Bed, key: str) -> Outcome:
    bed.world.plan(key, [[["refuse", {}]]])
    return outcome(
        bed,
        bed.call("Agents/ask", key),
        [key],
        {"invoke_agent main": 1, "execute_tool refuse": 1},
        {"invoke_agent main": 1, "execute_tool refuse": 1},
    )


def cancelled(bed: Bed, key: str) -> Outcome:
    bed.world.plan(key, [[["approve", {}]], "done"])
    invocation = bed.start("Agents/ask", key)
    bed.world.published(key)
    bed.cancel(invocation)
    bed.result(invocation)
    return outcome(bed, invocation, [key], {"invoke_agent main": 1, "execute_tool approve": 1})


def cancelled_suspended(bed: Bed, key: str) -> Outcome:
    bed.world.plan(key, [[["approve", {}]], "done"])
    invocation = bed.start("Agents/ask", key)
    bed.world.published(key)
    bed.until(invocation, "suspended")
    bed.cancel(invocation)
    bed.result(invocation)
    return outcome(bed, invocation, [key], {"invoke_agent main": 2, "execute_tool approve": 2})


def handler_raises(bed: Bed, key: str) -> Outcome:
    bed.world.plan(key, [LOOK, "done"], handler=2)
    return outcome(
        bed,
        bed.call("Agents/ask_then_raise", key),
        [key],
        {"invoke_agent main": 1, "execute_tool look": 1},
    )


def tool_raises(bed: Bed, key: str) -> Outcome:
    """A tool fails after its completed step, and runs again at each attempt."""
    bed.world.plan(key, [[["bad", {"name": "a"}]], "done"], after_a=2)
    return outcome(
        bed,
        bed.call("Agents/ask", key),
        [key],
        {"invoke_agent main": 3, "execute_tool bad": bed.world.counts(key)["after a"]},
        {"invoke_agent main": 2, "execute_tool bad": 2},
    )


def plain_tools(bed: Bed, key: str) -> Outcome:
    """A tool without a step runs again at every attempt, and its span is marked."""
    bed.world.plan(key, [[["plain", {"name": "a"}]], "done"], chat_2=1)
    return outcome(
        bed,
        bed.call("Agents/ask", key),
        [key],
        {"invoke_agent main": 2},
        {"invoke_agent main": 1, "chat scripted": 1, "run Model call": 1},
    )


def wrapped_tools(bed: Bed, key: str) -> Outcome:
    tools = [["work", {"name": "a"}], ["work", {"name": "b"}]]
    bed.world.plan(key, [tools, "done"], work_a=1)
    invocation = bed.call("Agents/ask_auto", key)
    return outcome(
        bed,
        invocation,
        [key],
        {"invoke_agent auto": 2, "execute_tool work": bed.world.total(key, "work")},
        {"invoke_agent auto": 1, "execute_tool work": 1, "run Calling work": 1},
    )


def synchronous(bed: Bed, key: str) -> Outcome:
    bed.world.plan(key, [], step_sync=1)
    invocation = bed.call("Agents/sync_step", key)
    return outcome(bed, invocation, [key], {"user in thread": 1}, {"run sync": 1})


def workflow(bed: Bed, key: str) -> Outcome:
    bed.world.plan(key, [LOOK, "done"])
    for name in ("now", "later"):
        bed.world.plan(f"{key}-{name}", [])
    invocation = bed.start(f"Flow/{key}/main", key)
    bed.world.published(key)
    bed.call(f"Flow/{key}/decide", "yes")
    bed.result(invocation)
    for name in ("now", "later"):
        bed.world.wait(f"{key}-{name}", "step note")
    main = outcome(bed, invocation, [key], {"invoke_agent main": 1, "execute_tool look": 1})
    return replace(main, sent=Counter({"run note": 2}))


def mcp(bed: Bed, key: str) -> Outcome:
    bed.world.plan(key, [[["remote", {"key": key, "name": "a"}]], "done"], remote_a=0)
    invocation = bed.call("Agents/ask_mcp", key)
    calls = bed.world.total(key, "remote")
    listings = bed.sql(
        f"SELECT name FROM sys_journal WHERE id = '{invocation}' AND name = 'get mcp tools'"
    )
    return outcome(
        bed,
        invocation,
        [key],
        {
            "invoke_agent mcp": 1,
            "execute_tool remote": calls,
            "run Calling mcp tool remote": calls,
            "run get mcp tools": len(listings),
        },
    )


def streaming(bed: Bed, key: str) -> Outcome:
    bed.world.plan(key, [[["look_streaming", {"name": "a"}]], "all is done"], chat_2=1)
    invocation = bed.call("Agents/ask_streaming", key)
    result = outcome(
        bed,
        invocation,
        [key],
        {"invoke_agent streaming": 2, "execute_tool look_streaming": 1},
        {"invoke_agent streaming": 1, "chat scripted": 1, "run Model stream call": 1},
    )
    result.spans["run Model stream call"] = result.spans.pop("run Model call")
    return result


def openai_agents(bed: Bed, key: str) -> Outcome:
    bed.world.plan(key, [LOOK, "done"], llm_2=1)
    invocation = bed.call("OpenAI/ask", key)
    calls = bed.world.total(key, "llm")
    # OpenInference opens a span "Agent workflow" for the trace and one for the task in it.
    return outcome(
        bed,
        invocation,
        [key],
        {
            "Agent workflow": 4,
            "openai": 2,
            "turn": calls,
            "generation": calls,
            "run call LLM": calls,
            "look": bed.world.total(key, "step"),
        },
        {"Agent workflow": 2, "openai": 1, "turn": 1, "generation": 1, "run call LLM": 1},
    )


CASES = [
    Case("E1", "two model calls, one tool", happy, 1),
    Case("E2", "a durable step fails twice", step_fails, 3),
    Case("E3", "the model fails twice", model_fails, 3),
    Case("E4", "suspended on an awakeable, resumed", suspended, 2),
    Case("E4s", "a step, suspended, resumed, the model fails once", suspended_after_step, 3),
    Case("E5", "kill -9 in the second model call, restarted", killed),
    Case("E6", "a tool runs another agent; a call to a third", nested, 1),
    Case("E7", "parallel tools", parallel, 1),
    Case("E7g", "restate.gather of two steps", gathered, 1),
    Case("E7r", "parallel tools, one suspends", parallel_suspended, 2),
    Case("E8", "virtual object with state", object_state, 2),
    Case("E8t", "terminal error", terminal, 1),
    Case("E8c", "cancelled", cancelled, 1),
    Case("E8cs", "cancelled while suspended", cancelled_suspended, 2),
    Case("E9", "the handler raises after the agent", handler_raises, 3),
    Case("E9t", "a tool raises after its step", tool_raises, 3),
    Case("E10", "auto_wrap_tools, the first tool fails once", wrapped_tools, 2),
    Case("E10p", "a tool without a step; the model fails once", plain_tools, 2),
    Case("E12", "parallel tools: one fails twice, the other is done", one_of_two_fails, 3),
    Case("E12o", "the same, requested in the other order", first_of_two_fails, 3),
    Case("E12r", "parallel tools: one fails twice, the other still runs", other_still_runs, 3),
    Case("E13", "a synchronous step fails once", synchronous, 2),
    Case("E14", "workflow: promise, one-way and delayed sends", workflow),
    Case("E15", "MCP toolset", mcp, 1),
    Case("E16", "streaming with an event handler, the model fails once", streaming, 2),
    Case("E17", "OpenAI Agents SDK, the model fails once", openai_agents, 2),
]

FORTY = [
    case
    for case in CASES
    if case.id
    in ("E1", "E2", "E3", "E4", "E6", "E7", "E7g", "E8", "E9", "E10", "E12", "E13", "E16")
]
"""The cases that E18 runs at once."""
