"""The result of one check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from playhead.text import without_password

__all__ = ["PROBLEMS", "Check", "Problem", "failed", "passed", "skipped", "warning"]

Problem = Literal[
    "server-unreachable",
    "not-a-restate-server",
    "server-version",
    "ingress-unreachable",
    "no-deployment",
    "deployment-unreachable",
    "server-clock",
    "no-recorder",
    "recorder-errors",
    "spans-rejected",
    "journals-not-copied",
    "recorder-copies-nothing",
    "recorder-other-server",
    "recorder-behind",
    "retention-close",
    "retention-zero",
    "ports-in-use",
    "disk-full",
    "server-tracing-off",
    "server-spans-elsewhere",
    "server-spans-missing",
    "attempt-spans-lost",
    "spans-late",
    "agent-spans-missing",
    "agents-without-bridge",
    "agent-clock-ahead",
    "agent-clock-behind",
    "isolation-incomplete",
    "collector-loses-spans",
    "collector-key-missing",
    "store-exposed",
]
"""What a check can find, as a name for programs. docs/troubleshooting.md explains each."""

PROBLEMS: tuple[Problem, ...] = Problem.__args__


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check, with a hint on what to do next."""

    name: str
    state: Literal["passed", "warning", "failed", "skipped"]
    finding: str
    hint: str = ""
    problem: Problem | None = None
    """What was found; None for a check that passed or could not run."""


def passed(name: str, finding: str) -> Check:
    """Return the result of a check that passed."""
    return Check(name, "passed", without_password(finding))


def warning(name: str, problem: Problem, finding: str, hint: str = "") -> Check:
    """Return the result of a check that found missing or wrong data."""
    return Check(name, "warning", without_password(finding), without_password(hint), problem)


def failed(name: str, problem: Problem, finding: str, hint: str = "") -> Check:
    """Return the result of a check that failed."""
    return Check(name, "failed", without_password(finding), without_password(hint), problem)


def skipped(name: str, finding: str) -> Check:
    """Return the result of a check that could not run."""
    return Check(name, "skipped", without_password(finding))
