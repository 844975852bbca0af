"""What is known of a run with changed results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from playhead.replay import WhatIfResult, WhatIfRow

from playhead_tui.drawing.document import Line, heading, pair, text_lines, value_lines
from playhead_tui.inspector.messages import unpacked

__all__ = ["ending", "row_lines", "unknown"]

SOURCES = {
    "recorded": "answered from the recording",
    "changed": "the result that you changed",
    "answered": "the answer that you gave",
    "live": "ran for real",
    "at once": "took no time and reached nobody",
    "none": "not known: the run waits for it",
}
LIMIT = 20_000


def unknown(outcome: WhatIfResult) -> list[str]:
    """Names of the steps whose result is missing, as `what_if` takes answers for them."""
    if outcome.stopped is None:
        return []
    titles = [row.new for row in outcome.rows if row.source == "none" and row.new]
    names = [title.partition(" ")[2] for title in titles]
    return list(dict.fromkeys(name for name in names if name))


def ending(outcome: WhatIfResult) -> Iterator[Line]:
    """How the new run ended, beside the original."""
    if outcome.failure is not None:
        yield Line("The new run fails", "bad")
        yield from text_lines(outcome.failure, tone="bad", indent=2, limit=LIMIT)
    elif outcome.raised is not None:
        yield Line("The code raises; Restate would try again", "bad")
        yield from text_lines(outcome.raised, tone="bad", indent=2, limit=LIMIT)
    elif outcome.ended:
        same = outcome.output == outcome.original_output and outcome.original_failure is None
        yield Line("The new run returns the same" if same else "The new run returns", "good")
        yield from value_lines(unpacked(outcome.output), indent=2, limit=LIMIT)
    else:
        yield Line("The new run stands still", "wait")
        yield from text_lines(outcome.stopped or "", indent=2, limit=LIMIT)
        if outcome.waiting_at:
            yield pair("where", outcome.waiting_at, "dim")
        names = unknown(outcome)
        if names:
            yield Line(f"a  gives an answer for {names[0]}", "llm", 2)
    yield from heading("the original")
    if outcome.original_failure is not None:
        yield from text_lines(outcome.original_failure, tone="bad", indent=2, limit=LIMIT)
    else:
        yield from value_lines(unpacked(outcome.original_output), indent=2, limit=LIMIT)
    if outcome.blocked:
        yield from heading("blocked: the code tried, nothing happened", "warn")
        for what in outcome.blocked:
            yield Line(what, "warn", 2)


def row_lines(row: WhatIfRow) -> Iterator[Line]:
    """Both sides of one step."""
    yield Line(row.new or row.original or "", "strong")
    if row.new is None:
        yield Line("The new run lacks it.", "warn")
    elif row.original is None:
        yield Line("The original had nothing like it.", "warn")
    if row.source:
        yield Line(SOURCES.get(row.source, row.source), "dim")
    if row.where:
        yield Line(row.where, "dim")
    if row.new is not None:
        yield from heading("new result")
        yield from _result(row.new_result)
    if row.original is not None:
        yield from heading("original result")
        yield from _result(row.original_result)


def _result(value: Any) -> Iterator[Line]:
    if value is None:
        yield Line("none", "dim", 2)
    else:
        yield from value_lines(unpacked(value), indent=2, limit=LIMIT)
