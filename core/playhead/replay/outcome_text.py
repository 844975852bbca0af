"""The outcome of a what-if as lines of plain text: both runs side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from playhead.replay.report import as_text
from playhead.replay.whatif import Outcome, Row
from playhead.text import clean

__all__ = ["lines"]

_CUT = 60


def lines(outcome: Outcome) -> Iterator[str]:
    """The comparison, a line a command, and how both ended."""
    left = [_side(row.original, row.original_result) for row in outcome.rows]
    width = max((len(text) for text in (*left, "recorded")), default=0)
    yield f"   {'recorded':<{width}}   what if"
    for row, text in zip(outcome.rows, left, strict=True):
        mark = (
            "=" if row.same else ("+" if row.original is None else "-" if row.new is None else "~")
        )
        yield f" {mark} {text:<{width}}   {_side(row.new, row.new_result)}{_source(row)}".rstrip()
    yield f"recorded: {_end(outcome.original_output, outcome.original_failure)}"
    if outcome.ended:
        yield f"what if:  {_end(outcome.output, outcome.failure)}"
    elif outcome.raised is not None:
        yield f"what if:  raised {clean(outcome.raised)}; Restate would try again"
    else:
        at = f" (at {clean(outcome.waiting_at)})" if outcome.waiting_at else ""
        yield f"what if:  stands still, {clean(outcome.stopped or 'waiting')}{at}"
    for what in outcome.blocked:
        yield f"blocked: {clean(what)}"


def _side(title: str | None, result: Any) -> str:
    if title is None:
        return ""
    shown = "" if result is None else f" → {as_text(result)}"
    text = clean(f"{title}{shown}")
    return text if len(text) <= _CUT else f"{text[: _CUT - 1]}…"


def _source(row: Row) -> str:
    return f"  [{row.source}]" if row.source in ("changed", "answered", "live", "none") else ""


def _end(output: Any, failure: str | None) -> str:
    if failure is not None:
        return f"failed with {clean(failure)}"
    return f"ended with {clean(as_text(output))}"
