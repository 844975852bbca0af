"""The tracing cases with parallel tools and steps."""

from __future__ import annotations

from tracing_bed import Bed
from tracing_outcome import Outcome, outcome


def parallel(bed: Bed, key: str) -> Outcome:
    bed.world.plan(key, [[["look", {"name": "a"}], ["look", {"name": "b"}]], "done"])
    return outcome(
        bed, bed.call("Agents/ask", key), [key], {"invoke_agent main": 1, "execute_tool look": 2}
    )


def gathered(bed: Bed, key: str) -> Outcome:
    bed.world.plan(key, [])
    invocation = bed.call("Agents/gather", key)
    counts = bed.world.counts(key)
    users = {f"user {n}": counts[f"step {n}"] for n in ("left", "right")}
    return outcome(bed, invocation, [key], {"user gather": 1, **users})


def parallel_suspended(bed: Bed, key: str) -> Outcome:
    bed.world.plan(key, [[["look", {"name": "a"}], ["approve", {}]], "done"])
    invocation = bed.start("Agents/ask", key)
    awakeable = bed.world.published(key)
    bed.until(invocation, "suspended")
    bed.resolve(awakeable)
    bed.result(invocation)
    return outcome(
        bed,
        invocation,
        [key],
        {"invoke_agent main": 2, "execute_tool look": 1, "execute_tool approve": 2},
    )


def one_of_two_fails(bed: Bed, key: str) -> Outcome:
    tools = [["look", {"name": "a"}], ["look", {"name": "b", "seconds": 0.1}]]
    bed.world.plan(key, [tools, "done"], step_b=2)
    counts = bed.world.counts
    invocation = bed.call("Agents/ask", key)
    return outcome(
        bed,
        invocation,
        [key],
        {
            "invoke_agent main": 3,
            "execute_tool look": counts(key)["step a"] + counts(key)["step b"],
        },
        {"invoke_agent main": 2, "execute_tool look": 2, "run b": 2},
    )


def first_of_two_fails(bed: Bed, key: str) -> Outcome:
    """The other order: the completed step was requested last."""
    tools = [["look", {"name": "b", "seconds": 0.1}], ["look", {"name": "a"}]]
    bed.world.plan(key, [tools, "done"], step_b=2)
    counts = bed.world.counts
    invocation = bed.call("Agents/ask", key)
    return outcome(
        bed,
        invocation,
        [key],
        {
            "invoke_agent main": 3,
            "execute_tool look": counts(key)["step a"] + counts(key)["step b"],
        },
        {"invoke_agent main": 2, "execute_tool look": 2, "run b": 2},
    )


def other_still_runs(bed: Bed, key: str) -> Outcome:
    tools = [["look", {"name": "a", "seconds": 0.3}], ["look", {"name": "b"}]]
    bed.world.plan(key, [tools, "done"], step_b=2)
    counts = bed.world.counts
    invocation = bed.call("Agents/ask", key)
    return outcome(
        bed,
        invocation,
        [key],
        {
            "invoke_agent main": 3,
            "execute_tool look": counts(key)["step a"] + counts(key)["step b"],
        },
        {"invoke_agent main": 2, "execute_tool look": 2, "run b": 2},
    )
