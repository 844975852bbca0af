"""Expectations on `playhead doctor`."""

from __future__ import annotations

from dataclasses import dataclass

from playhead_samples.scenarios.scenario import CheckResult
from playhead_samples.scenarios.testbed.scenario_run import ScenarioRun
from playhead_samples.scenarios.testbed.views import read_doctor

__all__ = ["DoctorFinds"]


@dataclass(frozen=True, slots=True, init=False)
class DoctorFinds:
    """The doctor finds these problems and no other one.

    It looks at all invocations of a stack, so the scenario needs a stack of its own.
    """

    problems: tuple[str, ...]

    def __init__(self, *problems: str) -> None:
        object.__setattr__(self, "problems", problems)

    def check(self, run: ScenarioRun) -> CheckResult:
        """Run `playhead doctor` on the run's servers."""
        while True:
            settled = run.settled
            found = set(read_doctor(run))
            if settled or not found < set(self.problems):
                break
        expected = ", ".join(sorted(self.problems)) or "nothing"
        observed = ", ".join(sorted(found)) or "nothing"
        return CheckResult.compare("doctor finds", expected, observed)
