"""One sample request per agent, as data for tests and documentation."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

__all__ = ["EXAMPLES", "Example", "example"]


@dataclass(frozen=True, slots=True)
class Example:
    """A request that shows what an agent does."""

    name: str
    module: str
    """The agent's module in `playhead_samples.agents`."""
    service: str
    handler: str
    body: Any
    key: str | None = None
    """Key of a virtual object or workflow, freely chosen; None for a service."""
    models: tuple[str, ...] = ()
    """Names of the agents that call the model, as the local LLM server logs them."""
    waits: bool = False
    """Whether it waits for a person or an event; send it without waiting for its answer."""

    @property
    def path(self) -> str:
        """Path of the ingress URL; append `/send` to return without waiting for the answer."""
        return "/" + "/".join(p for p in (self.service, self.key, self.handler) if p)

    @property
    def shows(self) -> str:
        """Summary of the agent, in one line."""
        module = importlib.import_module(f"playhead_samples.agents.{self.module}")
        return (module.__doc__ or "").splitlines()[0]


def example(name: str) -> Example:
    """Return the example with this name. Raises KeyError with all names."""
    examples = {e.name: e for e in EXAMPLES}
    if name not in examples:
        raise KeyError(f"no example is named {name!r}; choose from {', '.join(examples)}")
    return examples[name]


CLAIM = {"message": "I claim 3000 USD for a roof that the storm took."}
ACCIDENT = {
    "message": "Collision: my car needs 4000 USD of repairs and I had surgery for 9000 USD."
}

EXAMPLES = (
    Example(
        "weather",
        "weather",
        "WeatherAgent",
        "run",
        {"message": "What is the weather in Denver?"},
        models=("weather",),
    ),
    Example(
        "chat",
        "chat",
        "ChatAgent",
        "message",
        {"message": "Hello, my name is Ada."},
        key="ada",
        models=("chat",),
    ),
    Example(
        "approval", "approval", "ApprovalAgent", "run", CLAIM, models=("approval",), waits=True
    ),
    Example(
        "approval-timeout",
        "approval_timeout",
        "TimedApprovalAgent",
        "run",
        {**CLAIM, "within_seconds": 5},
        models=("timed_approval",),
        waits=True,
    ),
    Example(
        "approval-workflow",
        "approval_workflow",
        "WorkflowApprovalAgent",
        "run",
        {**CLAIM, "claim_id": "c-17"},
        models=("workflow_approval",),
        waits=True,
    ),
    Example(
        "intake",
        "intake",
        "ClaimIntake",
        "run",
        ACCIDENT,
        key="ada",
        models=("intake", "medical", "car"),
    ),
    Example(
        "remote-agents",
        "remote_agents",
        "ClaimsDesk",
        "run",
        ACCIDENT,
        models=("claims_desk", "health_desk", "motor_desk"),
    ),
    Example(
        "parallel-tools",
        "parallel_tools",
        "ClaimAnalyst",
        "run",
        {"message": "Assess a claim of 7000 USD."},
        models=("analyst",),
    ),
    Example(
        "wrapped-tools",
        "wrapped_tools",
        "Concierge",
        "run",
        {"message": "An evening in Lisbon, please."},
        models=("concierge",),
    ),
    Example(
        "parallel-agents",
        "parallel_agents",
        "ReviewBoard",
        "run",
        {"text": "Our product is the best of the world."},
        models=("reviewer",),
    ),
    Example(
        "racing",
        "racing",
        "Race",
        "run",
        {"question": "How do I learn to sail?"},
        models=("thorough", "quick"),
    ),
    Example(
        "pipeline",
        "pipeline",
        "Pipeline",
        "run",
        {"text": "Invoice 42 over 1200 USD, due in June."},
        models=("extractor", "sorter", "writer"),
    ),
    Example(
        "orchestrator",
        "orchestrator",
        "Orchestrator",
        "run",
        {"goal": "Plan a garden party"},
        models=("planner", "worker", "editor"),
    ),
    Example(
        "evaluator",
        "evaluator",
        "SloganStudio",
        "run",
        {"product": "a quiet vacuum cleaner"},
        models=("author", "judge"),
    ),
    Example(
        "errors",
        "error_handling",
        "OrderDesk",
        "run",
        {"message": "Where is order 17?"},
        models=("orders",),
    ),
    Example(
        "runaway",
        "runaway",
        "Researcher",
        "run",
        {"topic": "perpetual motion"},
        models=("researcher",),
    ),
    Example(
        "manual-loop",
        "manual_loop",
        "Calculator",
        "run",
        {"question": "What is 6 times 7?"},
        models=("calculator",),
    ),
    Example(
        "travel",
        "travel",
        "TravelAgent",
        "run",
        {"message": "A trip to Lisbon, please."},
        models=("travel",),
    ),
    Example(
        "scheduled",
        "scheduled",
        "Watchman",
        "start",
        {"every_seconds": 2, "ticks": 3},
        key="harbour",
        models=("watchman",),
    ),
    Example(
        "streaming",
        "streaming",
        "Storyteller",
        "run",
        {"topic": "t1", "about": "a fox"},
        models=("storyteller",),
    ),
    Example(
        "interruptible",
        "interruptible",
        "CodingAgent",
        "message",
        {"message": "Write a todo list."},
        key="ada",
        models=("coder",),
    ),
    Example(
        "airline",
        "airline",
        "AirlineAgent",
        "message",
        {"message": "Please change my seat to 12A, my booking is QX71."},
        key="ada",
        models=("triage", "seat"),
    ),
    Example(
        "bank",
        "bank",
        "BankAgent",
        "message",
        {"message": "I need a loan of 2000 USD."},
        key="ada",
        models=("bank", "risk"),
    ),
    Example(
        "changing-code",
        "changing",
        "OrderProcess",
        "run",
        {"order": "A-17"},
        models=("clerk",),
        waits=True,
    ),
)
