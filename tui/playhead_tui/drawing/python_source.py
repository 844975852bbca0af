"""Python source files as highlighted lines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from playhead.formatting import size
from playhead.text import clean

from playhead_tui.drawing.cells import clip
from playhead_tui.drawing.document import StyleName

__all__ = ["SourceFile", "read_source", "short_path"]

LARGEST = 2_000_000
"""Maximum bytes of a file that is shown."""
HIGHLIGHTED = 400_000
"""Maximum characters of a file that is highlighted, which takes a second per megabyte."""
STYLES: tuple[tuple[str, StyleName], ...] = (
    ("Token.Comment", "dim"),
    ("Token.Literal.String.Doc", "dim"),
    ("Token.Literal.String", "good"),
    ("Token.Literal.Number", "warn"),
    ("Token.Keyword", "llm"),
    ("Token.Operator.Word", "llm"),
    ("Token.Name.Function", "tool"),
    ("Token.Name.Class", "tool"),
    ("Token.Name.Decorator", "wait"),
    ("Token.Name.Builtin", "wait"),
)
PLAIN: StyleName = "text"

Piece = tuple[str, StyleName]


@dataclass(frozen=True)
class SourceFile:
    """The highlighted lines of a file, or the reason why it cannot be shown."""

    path: str
    lines: tuple[tuple[Piece, ...], ...] = ()
    unreadable: str = ""


def read_source(path: str, folder: str = "") -> SourceFile:
    """Read and highlight a Python file. Slow for long files: call it in a thread.

    Args:
        path: path of the file, as a frame names it.
        folder: folder that a relative path starts from.
    """
    file = Path(folder, path)
    try:
        if not file.is_file():
            return SourceFile(path, unreadable=f"Not found on this machine: {clip(path)}")
        if file.stat().st_size > LARGEST:
            return SourceFile(path, unreadable=f"Too large to show: more than {size(LARGEST)}.")
        text = file.read_text("utf-8", errors="replace")
    except OSError as error:
        return SourceFile(path, unreadable=f"Cannot be read: {error.strerror}.")
    text = clean(text, lines=True).expandtabs(4)
    if len(text) > HIGHLIGHTED:
        return SourceFile(path, tuple(((line, PLAIN),) for line in text.split("\n")))
    return SourceFile(path, tuple(_highlight(text)))


def _highlight(text: str) -> list[tuple[Piece, ...]]:
    from rich.syntax import Syntax

    lexer = Syntax("", "python").lexer
    assert lexer is not None
    lines: list[tuple[Piece, ...]] = []
    line: list[Piece] = []
    for token, value in lexer.get_tokens(text):
        style = _tone(str(token))
        first, *rest = value.split("\n")
        line.append((first, style))
        for part in rest:
            lines.append(tuple(line))
            line = [(part, style)]
    if any(part for part, _ in line):
        lines.append(tuple(line))
    return lines


def _tone(token: str) -> StyleName:
    for prefix, style in STYLES:
        if token.startswith(prefix):
            return style
    return PLAIN


def short_path(path: str, folder: str) -> str:
    """Return the path relative to the app's folder, or its last three parts."""
    parts = path.replace("\\", "/")
    base = folder.replace("\\", "/").rstrip("/") + "/"
    if folder and parts.startswith(base):
        return parts[len(base) :]
    return "/".join(parts.split("/")[-3:])
