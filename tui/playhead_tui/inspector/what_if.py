"""Lines for a run with changed results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from playhead.replay import WhatIfResult, WhatIfRow

from playhead_tui.drawing.document import Line, heading, pair, text_lines, value_lines
from playhead_tui.inspector.messages import parsed
from playhead_tui.inspector.stop import isolation_lines

__all__ = ["ending", "row_lines", "unanswered"]

SOURCES = {
    "recorded": "answered from the recording",
    "changed": "the result that you changed",
    "answered": "the answer that you gave",
    "live": "ran for real",
    "at once": "simulated: took no time, had no effect outside",
    "none": "no result: the new run waits for it",
}
LIMIT = 20_000


def unanswered(result: WhatIfResult) -> list[str]:
    """Return the keys of `what_if` answers that the run waits for; empty unless it is blocked."""
    return list(result.missing)


def ending(result: WhatIfResult) -> Iterator[Line]:
    """Yield the endings of the new run and the original run."""
    if result.failure is not None:
        yield Line("The new run fails", "bad")
        yield from text_lines(result.failure, style="bad", indent=2, limit=LIMIT)
    elif result.raised is not None:
        yield Line("The code raises an exception; Restate would retry", "bad")
        yield from text_lines(result.raised, style="bad", indent=2, limit=LIMIT)
    elif result.ended:
        same = (
            result.original_ended
            and result.output == result.original_output
            and result.original_failure is None
        )
        yield Line("The new run returns the same" if same else "The new run returns", "good")
        yield from value_lines(parsed(result.output), indent=2, limit=LIMIT)
    else:
        yield Line("The new run is blocked", "wait")
        yield from text_lines(result.stopped or "", indent=2, limit=LIMIT)
        if result.waiting_at:
            yield pair("Where", result.waiting_at, "dim")
        names = unanswered(result)
        if names:
            yield Line(f"a  Answer {names[0]}", "llm", 2)
            yield Line("e  Change the result again, or run steps for real", "llm", 2)
    yield from heading("Original run")
    if result.original_failure is not None:
        yield from text_lines(result.original_failure, style="bad", indent=2, limit=LIMIT)
    elif not result.original_ended:
        yield Line("had not ended", "dim", 2)
    else:
        yield from value_lines(parsed(result.original_output), indent=2, limit=LIMIT)
    if result.blocked:
        yield from heading("Blocked, without effect", "warn")
        for operation in result.blocked:
            yield Line(operation, "warn", 2)
    yield from isolation_lines(result.isolation)


def row_lines(row: WhatIfRow) -> Iterator[Line]:
    """Yield both sides of one step."""
    yield Line(row.new or row.original or "", "strong")
    if row.new is None:
        yield Line("Missing in the new run.", "warn")
    elif row.original is None:
        yield Line("Missing in the original run.", "warn")
    if row.source:
        yield Line(SOURCES.get(row.source, row.source), "dim")
    if row.where:
        yield Line(row.where, "dim")
    if row.new is not None:
        yield from heading("New result")
        yield from _result(row.new_result)
    if row.original is not None:
        yield from heading("Original result")
        yield from _result(row.original_result)


def _result(value: Any) -> Iterator[Line]:
    if value is None:
        yield Line("none", "dim", 2)
    else:
        yield from value_lines(parsed(value), indent=2, limit=LIMIT)
