"""Differences between the clocks of agents and the server."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ClockOffset"]


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """The clock of one process compared with the server's; its spans are shown shifted by it."""

    service: str
    """`service.name` of the process."""
    instance: str | None
    """`service.instance.id` of the process."""
    seconds: float
    """Seconds that the process is ahead of the server; negative when it is behind."""
    within: float
    """Largest error of `seconds`; 0 when only one bound is known."""
