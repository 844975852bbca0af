"""One check's result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Check", "fault", "fine", "skipped", "warning"]


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, what was found, and what to do about it."""

    name: str
    state: Literal["fine", "warning", "fault", "skipped"]
    says: str
    hint: str = ""


def fine(name: str, says: str) -> Check:
    """As it should be."""
    return Check(name, "fine", says)


def warning(name: str, says: str, hint: str = "") -> Check:
    """Works, but something will be missing or wrong."""
    return Check(name, "warning", says, hint)


def fault(name: str, says: str, hint: str = "") -> Check:
    """Does not work."""
    return Check(name, "fault", says, hint)


def skipped(name: str, says: str) -> Check:
    """Could not be looked at, because of another fault or because there is nothing yet."""
    return Check(name, "skipped", says)
