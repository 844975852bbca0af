"""How a scenario went, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from playhead.text import clean

from playhead_samples.scenarios.engine import Outcome

__all__ = ["as_json", "summary", "table"]

MARKS = {True: "ok", False: "DIFFERS"}
HEADER = ("", "what", "expected", "observed")
GAPS = 2 + 3 * 2
"""Indentation, and what lies between the columns."""
NARROW = 24
"""A column is not squeezed below this many characters."""


def table(outcome: Outcome, width: int) -> Iterator[str]:
    """Expected and observed, a line each; what does not fit ends in `…`."""
    rows = [HEADER, *((MARKS[c.ok], c.what, c.expected, c.observed) for c in outcome.checks)]
    cells = [[clean(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(HEADER))]
    spare = max(NARROW, (width - widths[0] - widths[1] - GAPS) // 2)
    if widths[2] + widths[3] > 2 * spare:
        widths[2] = min(widths[2], max(spare, 2 * spare - widths[3]))
        widths[3] = min(widths[3], 2 * spare - widths[2])
    verdict = "as expected" if outcome.ok else "NOT as expected"
    yield f"{outcome.scenario.name}: {verdict}, {outcome.seconds:.1f} s"
    for row in cells:
        yield "  " + "  ".join(_fit(c, w) for c, w in zip(row, widths, strict=True)).rstrip()


def summary(outcomes: Sequence[Outcome]) -> str:
    """One line on all of them."""
    bad = [o.scenario.name for o in outcomes if not o.ok]
    seconds = sum(o.seconds for o in outcomes)
    text = f"{len(outcomes) - len(bad)} of {len(outcomes)} scenarios as expected, {seconds:.0f} s"
    return f"{text}; not so: {', '.join(bad)}" if bad else text


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Everything, nothing shortened."""
    return {
        "name": outcome.scenario.name,
        "title": outcome.scenario.title,
        "ok": outcome.ok,
        "seconds": round(outcome.seconds, 2),
        "invocation_id": outcome.invocation_id,
        "checks": [
            {"what": c.what, "expected": c.expected, "observed": c.observed, "ok": c.ok}
            for c in outcome.checks
        ],
    }


def _fit(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else text[: width - 1] + "…"
