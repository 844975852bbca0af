"""The result of one check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Check", "failed", "passed", "skipped", "warning"]


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check, with a hint on what to do next."""

    name: str
    state: Literal["passed", "warning", "failed", "skipped"]
    finding: str
    hint: str = ""


def passed(name: str, finding: str) -> Check:
    """Return the result of a check that passed."""
    return Check(name, "passed", finding)


def warning(name: str, finding: str, hint: str = "") -> Check:
    """Return the result of a check that found missing or wrong data."""
    return Check(name, "warning", finding, hint)


def failed(name: str, finding: str, hint: str = "") -> Check:
    """Return the result of a check that failed."""
    return Check(name, "failed", finding, hint)


def skipped(name: str, finding: str) -> Check:
    """Return the result of a check that could not run."""
    return Check(name, "skipped", finding)
