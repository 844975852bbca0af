"""The data of a scenario, and the protocols of its actions and expectations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from playhead_samples.llm.faults import LlmFault
from playhead_samples.scenarios.testbed.scenario_run import ScenarioRun
from playhead_samples.tool_faults import ToolFault

__all__ = [
    "CLOCK_AHEAD",
    "CLOCK_BEHIND",
    "DEFAULT_STACK",
    "FEW_RETRIES",
    "LATE_SERVER_SPANS",
    "NO_BRIDGE",
    "NO_BRIDGE_IN_TRACE",
    "RECORDER_AWAY",
    "WRONG_ADDRESS",
    "Action",
    "AtLeast",
    "CheckResult",
    "Expectation",
    "Scenario",
    "StackOptions",
]


@dataclass(frozen=True, slots=True)
class AtLeast:
    """A lower limit, for counts that depend on timing."""

    number: int

    def __str__(self) -> str:
        return f"at least {self.number}"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Result of one expectation: one row of the final table."""

    subject: str
    expected: str
    observed: str
    ok: bool

    @classmethod
    def compare(cls, subject: str, expected: Any, observed: Any) -> CheckResult:
        """Return a check, ok if the values are equal, or `observed` reaches an `AtLeast`."""
        ok = observed >= expected.number if isinstance(expected, AtLeast) else observed == expected
        return cls(subject, str(expected), str(observed), bool(ok))


class Action(Protocol):
    """One step of a scenario, or a wait. Its text is shown as progress and in the docs."""

    def __str__(self) -> str: ...

    def play(self, run: ScenarioRun) -> None:
        """Perform it. Raises ScenarioError when it fails or its condition is not met in time."""
        ...


class Expectation(Protocol):
    """A condition that must be true at the end of a scenario."""

    def check(self, run: ScenarioRun) -> CheckResult:
        """Compare the expected value with the observed one."""
        ...


@dataclass(frozen=True, slots=True)
class StackOptions:
    """Configuration of a scenario's processes; scenarios with equal options share them."""

    name: str
    agent_env: dict[str, str] = field(default_factory=dict[str, str], hash=False)
    """Additional environment variables of the agents' process."""
    server_env: dict[str, str] = field(default_factory=dict[str, str], hash=False)
    """Additional environment variables of restate-server."""
    recorder_admin_url: str | None = None
    """The server that the recorder copies from; None: the stack's own."""
    bridge: bool = True
    """Whether the agents use the tracing bridge."""


DEFAULT_STACK = StackOptions("default")
FEW_RETRIES = StackOptions("few-retries", {"PLAYHEAD_RETRY_ATTEMPTS": "4"})
"""Agents whose invocations are paused after 4 failed attempts in a row instead of 20."""
RECORDER_AWAY = StackOptions("recorder-away")
"""A stack whose recorder is killed."""
LATE_SERVER_SPANS = StackOptions("late-spans", server_env={"OTEL_BSP_SCHEDULE_DELAY": "5000"})
"""A server that sends its spans every five seconds, as it does by default."""
CLOCK_AHEAD = StackOptions("clock-ahead", {"PLAYHEAD_CLOCK_OFFSET": "5"})
"""Agents whose clock is five seconds fast."""
CLOCK_BEHIND = StackOptions("clock-behind", {"PLAYHEAD_CLOCK_OFFSET": "-5"})
"""Agents whose clock is five seconds slow."""
NO_BRIDGE = StackOptions("no-bridge", {"PLAYHEAD_BRIDGE": "off"}, bridge=False)
"""Agents traced by Pydantic AI's own instrumentation."""
NO_BRIDGE_IN_TRACE = StackOptions(
    "no-bridge-in-trace", {"PLAYHEAD_BRIDGE": "context"}, bridge=False
)
"""The same; their spans are below the server's span of the attempt."""
WRONG_ADDRESS = StackOptions("wrong-address", recorder_admin_url="http://127.0.0.1:9")
"""A recorder that looks for the server where no server is."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A failure, the actions that cause it, and the expected outcome."""

    name: str
    title: str
    failure: str
    """The failure, as a sentence."""
    behavior: str
    """Restate's reaction; starts with a verb."""
    look_at: str
    """Where Playhead shows it."""
    actions: tuple[Action, ...]
    expectations: tuple[Expectation, ...]
    tool_faults: tuple[ToolFault, ...] = ()
    """Set before the first action."""
    llm_faults: tuple[LlmFault, ...] = ()
    """Set before the first action."""
    stack: StackOptions = DEFAULT_STACK
    main_invocation: str = "run"
    """Name of the request of the main invocation."""
