"""What is wrong with a query: the message of the engine, with its mark below the place."""

from __future__ import annotations

from playhead_tui.drawing.document import Line, text_lines

__all__ = ["error_lines"]


def error_lines(error: Exception, width: int) -> list[Line]:
    """Return the message and the hint; a marked line is cut around its mark, not wrapped.

    Args:
        error: why the query failed.
        width: cells of a line.
    """
    found = list(text_lines(str(error) or type(error).__name__))
    lines: list[Line] = []
    for place, line in enumerate(found):
        below = found[place + 1].text if place + 1 < len(found) else ""
        if _is_mark(line.text) and lines:
            continue  # it came with the line above
        if _is_mark(below):
            lines += (Line(text, line.style) for text in _around(line.text, below, width))
        else:
            lines.append(line)
    if hint := getattr(error, "hint", ""):
        lines.append(Line(hint, "dim"))
    return lines


def _is_mark(text: str) -> bool:
    return bool(text.strip()) and not text.strip().strip("^~")


def _around(text: str, mark: str, width: int) -> tuple[str, str]:
    """Return a line and the mark below it, cut so that the mark is in view."""
    start = len(mark) - len(mark.lstrip())
    first = max(0, min(start - width // 2, max(len(text), len(mark.rstrip())) - width))
    return text[first : first + width], mark[first : first + width].rstrip()
