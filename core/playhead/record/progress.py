"""What a recorder's health says about its copy of the server, as sentences."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from playhead.formatting import whole
from playhead.restate.rows import parse_time
from playhead.values import as_dict, as_int, as_text

__all__ = ["CATCHING_UP_SECONDS", "copies_nothing", "copy_problems"]

CATCHING_UP_SECONDS = 2.0
"""Time without a complete copy after which the recorder is said to be behind."""


def copies_nothing(health: Mapping[str, Any] | None) -> bool:
    """Return whether the recorder copies no journals at all.

    Args:
        health: Answer of `GET /health`; None without a recorder.
    """
    if health is None:
        return False
    journals = as_dict(health.get("journals"))
    return not journals or bool(as_text(journals.get("problem")))


def copy_problems(health: Mapping[str, Any] | None, now: datetime | None = None) -> list[str]:
    """Return what is missing from the recorder's copy of the server; empty when it is complete.

    Args:
        health: Answer of `GET /health`; None without a recorder.
        now: The time; by default the current one.
    """
    if health is None:
        return []
    journals = as_dict(health.get("journals"))
    if not journals:
        return ["The recorder copies no journals: it was started with --no-journal."]
    if problem := as_text(journals.get("problem")):
        return [f"The recorder copies no journals: {problem}."]
    behind = as_int(journals.get("behind"))
    last = parse_time(journals.get("last_copy"))
    late = last is None or ((now or datetime.now(UTC)) - last).total_seconds() > CATCHING_UP_SECONDS
    if not behind or not late:
        return []
    total = max(as_int(journals.get("total")), behind)
    done = whole(total - behind)
    return [f"The recorder is catching up: copied {done} of {whole(total)} invocations."]
