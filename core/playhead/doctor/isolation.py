"""The check of what isolates a replay on this system."""

from __future__ import annotations

from collections.abc import Mapping

from playhead.doctor.check import Check, passed, warning

__all__ = ["isolation"]

_NAME = "isolation"


def isolation(finding: str, *, complete: bool, unavailable: Mapping[str, str]) -> Check:
    """Return the check of a measured isolation.

    Args:
        finding: The isolation in one line.
        complete: Whether the operating system holds every boundary.
        unavailable: Mechanisms that the system does not offer, each with the reason.
    """
    if complete:
        return passed(_NAME, f"a replay has {finding}")
    reasons = "; ".join(f"{name}: {reason}" for name, reason in unavailable.items())
    return warning(
        _NAME,
        "isolation-incomplete",
        f"a replay has {finding}" if finding.startswith("no ") else finding,
        f"Install bubblewrap and libseccomp, or allow user namespaces ({reasons}).",
    )
