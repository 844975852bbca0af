"""Text in terminal cells: cleaned, cut and padded by its real width."""

from __future__ import annotations

from collections.abc import Iterator

from playhead.text import clean
from rich.cells import cell_len, chop_cells, set_cell_size
from rich.segment import Segment
from rich.style import Style

__all__ = ["cell", "clip", "fit", "wrap"]

DOTS = "..."


def clip(text: str, limit: int = 400) -> str:
    """Return the beginning of a text as one line without control characters; a cut ends in dots."""
    line = " ".join(clean(text[: limit * 2]).split())
    if len(line) <= limit and len(text) <= limit * 2:
        return line
    return f"{line[: max(0, limit - len(DOTS))]}{DOTS}"


def fit(text: str, width: int, *, right: bool = False, ellipsis: str = "…") -> str:
    """Return the text cut or padded to exactly `width` cells; a cut ends in an ellipsis."""
    if width <= 0:
        return ""
    text = text[: width * 4 + 4]
    length = cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + ellipsis
    padding = " " * (width - length)
    return padding + text if right else text + padding


def cell(
    text: str, width: int, style: Style, *, right: bool = False, ellipsis: str = "…"
) -> Segment:
    """Return one table cell: untrusted text, cleaned, in exactly `width` cells."""
    return Segment(fit(clip(text, width * 4 + 4), width, right=right, ellipsis=ellipsis), style)


def wrap(line: str, width: int) -> Iterator[str]:
    """Wrap a clean line to `width` cells, at spaces where possible."""
    width = max(1, width)
    while len(line) > width or cell_len(line) > width:
        head = chop_cells(line[: width + 1], width)[0]
        space = head.rfind(" ") if len(head) < len(line) and line[len(head)] != " " else len(head)
        if space > width // 2:
            head = head[: space + 1] if space < len(head) else head
        yield head.rstrip() if head.strip() else head
        line = line[len(head) :]
        if line.startswith(" ") and not head.isspace():
            line = line[1:]
    yield line
