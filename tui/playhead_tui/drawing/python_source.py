"""A source file as coloured pieces, line by line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from playhead.text import clean
from playhead_tui.drawing.document import Tone

__all__ = ["SourceFile", "read_source"]

LARGEST = 2_000_000
"""Bytes of a file that is shown."""
COLOURED = 400_000
"""Bytes of a file that is coloured; that takes a second for a megabyte."""
TONES: tuple[tuple[str, Tone], ...] = (
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
PLAIN: Tone = "text"

Piece = tuple[str, Tone]


@dataclass(frozen=True)
class SourceFile:
    """A file that was read, or why it could not be."""

    path: str
    lines: tuple[tuple[Piece, ...], ...] = ()
    fault: str = ""


def read_source(path: str, folder: str = "") -> SourceFile:
    """Read and colour a Python file. Slow for long files: call it in a thread.

    Args:
        path: as a frame names it.
        folder: what a relative path is relative to.
    """
    file = Path(folder, path)
    try:
        if not file.is_file():
            return SourceFile(path, fault="There is no such file here.")
        if file.stat().st_size > LARGEST:
            return SourceFile(path, fault="The file is too large to be shown.")
        text = file.read_text("utf-8", errors="replace")
    except OSError as error:
        return SourceFile(path, fault=f"It cannot be read: {error.strerror}.")
    text = clean(text, lines=True).expandtabs(4)
    if len(text) > COLOURED:
        return SourceFile(path, tuple(((line, PLAIN),) for line in text.split("\n")))
    return SourceFile(path, tuple(_coloured(text)))


def _coloured(text: str) -> list[tuple[Piece, ...]]:
    from rich.syntax import Syntax

    lexer = Syntax("", "python").lexer
    assert lexer is not None
    lines: list[tuple[Piece, ...]] = []
    line: list[Piece] = []
    for token, value in lexer.get_tokens(text):
        tone = _tone(str(token))
        first, *rest = value.split("\n")
        line.append((first, tone))
        for part in rest:
            lines.append(tuple(line))
            line = [(part, tone)]
    if any(part for part, _ in line):
        lines.append(tuple(line))
    return lines


def _tone(token: str) -> Tone:
    for prefix, tone in TONES:
        if token.startswith(prefix):
            return tone
    return PLAIN
