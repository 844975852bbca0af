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
    return outcome(
        bed,
        bed.call_and_approve("Agents/ask", key),
        [key],
        {"invoke_agent main": 2, "execute_tool look": 1, "execute_tool approve": 2},
    )


def one_of_two_fails(bed: Bed, key: str) -> Outcome:
    return _step_b_fails(bed, key, {"name": "a"}, {"name": "b", "seconds": 0.1})


def first_of_two_fails(bed: Bed, key: str) -> Outcome:
    """The other order: the completed step was requested last."""
    return _step_b_fails(bed, key, {"name": "b", "seconds": 0.1}, {"name": "a"})


def other_still_runs(bed: Bed, key: str) -> Outcome:
    return _step_b_fails(bed, key, {"name": "a", "seconds": 0.3}, {"name": "b"})


def _step_b_fails(bed: Bed, key: str, *arguments: dict[str, object]) -> Outcome:
    """Call a tool with each of these arguments at once; the step `b` fails twice."""
    bed.world.plan(key, [[["look", one] for one in arguments], "done"], step_b=2)
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
