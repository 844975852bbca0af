"""The outcome of a scenario as a table, as one line, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from playhead.text import clean

from playhead_samples.scenarios.player import ScenarioResult

__all__ = ["as_json", "summary", "table"]

MARKS = {True: "ok", False: "FAILED"}
HEADER = ("", "check", "expected", "observed")
GAPS = 2 + 3 * 2
"""Characters of the indentation and between the columns."""
NARROWEST = 24
"""Least width of a column, in characters."""


def table(outcome: ScenarioResult, width: int) -> Iterator[str]:
    """Yield expected and observed values, one line per check; text that is cut ends in `…`."""
    rows = [HEADER, *((MARKS[c.ok], c.subject, c.expected, c.observed) for c in outcome.checks)]
    cells = [[clean(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(HEADER))]
    spare = max(NARROWEST, (width - widths[0] - widths[1] - GAPS) // 2)
    if widths[2] + widths[3] > 2 * spare:
        widths[2] = min(widths[2], max(spare, 2 * spare - widths[3]))
        widths[3] = min(widths[3], 2 * spare - widths[2])
    verdict = "passed" if outcome.ok else "FAILED"
    yield f"{outcome.scenario.name}: {verdict} in {outcome.seconds:.1f} s"
    for row in cells:
        yield "  " + "  ".join(_fit(c, w) for c, w in zip(row, widths, strict=True)).rstrip()


def summary(outcomes: Sequence[ScenarioResult]) -> str:
    """Summarize several scenarios in one line."""
    failed = [o.scenario.name for o in outcomes if not o.ok]
    seconds = sum(o.seconds for o in outcomes)
    passed = f"{len(outcomes) - len(failed)} of {len(outcomes)} scenarios passed in {seconds:.0f} s"
    return f"{passed}; failed: {', '.join(failed)}" if failed else passed


def as_json(outcome: ScenarioResult) -> dict[str, Any]:
    """Return every check as JSON, with no text cut."""
    return {
        "name": outcome.scenario.name,
        "title": outcome.scenario.title,
        "ok": outcome.ok,
        "seconds": round(outcome.seconds, 2),
        "invocation_id": outcome.invocation_id,
        "checks": [
            {"what": c.subject, "expected": c.expected, "observed": c.observed, "ok": c.ok}
            for c in outcome.checks
        ],
    }


def _fit(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else text[: width - 1] + "…"
