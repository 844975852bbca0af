"""The result of one check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Check", "failed", "passed", "skipped", "warning"]


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check, and what to do about it."""

    name: str
    state: Literal["passed", "warning", "failed", "skipped"]
    finding: str
    hint: str = ""


def passed(name: str, finding: str) -> Check:
    """Return the result of a check that found everything in order."""
    return Check(name, "passed", finding)


def warning(name: str, finding: str, hint: str = "") -> Check:
    """Return the result of a check that found something that will be missing or wrong."""
    return Check(name, "warning", finding, hint)


def failed(name: str, finding: str, hint: str = "") -> Check:
    """Return the result of a check that found something that does not work."""
    return Check(name, "failed", finding, hint)


def skipped(name: str, finding: str) -> Check:
    """Return the result of a check that could not be made."""
    return Check(name, "skipped", finding)
