"""Differences between two texts, as lines."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import unified_diff

from playhead_tui.drawing.document import Line

__all__ = ["difference_lines"]

LIMIT = 2000
"""Lines of each text that are compared."""


def difference_lines(before: str, after: str, *, context: int = 2) -> Iterator[Line]:
    """Yield the lines that were removed and added, with some unchanged ones around them.

    Args:
        before: the first text, such as indented JSON.
        after: the second text.
        context: number of unchanged lines before and after each change.
    """
    old, new = before.splitlines(), after.splitlines()
    cut = max(len(old), len(new)) > LIMIT
    found = False
    for line in unified_diff(old[:LIMIT], new[:LIMIT], lineterm="", n=context):
        if line.startswith(("---", "+++")) and not found:
            continue
        found = True
        if line.startswith("@@"):
            yield Line(line, "dim")
        elif line.startswith("+"):
            yield Line(line, "good", syntax="diff")
        elif line.startswith("-"):
            yield Line(line, "bad", syntax="diff")
        else:
            yield Line(line, syntax="diff")
    if not found:
        yield Line("No difference." if not cut else "No difference in the part shown.", "dim")
    if cut:
        yield Line(f"... only the first {LIMIT} lines are compared", "warn")
