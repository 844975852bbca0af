"""Parts of texts for the index: groups of three characters, and single ones outside of ASCII.

An index of such parts answers which documents can contain a text, wherever it begins and ends; the
documents are then read to see which ones do. Both sides go through `folded`, so that letters match
in any case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["LENGTH", "Grams", "document_texts", "grams_of"]

LENGTH = 3
"""Characters of a part. Less would occur in nearly every document."""

_ESCAPED = re.compile(r"\\+u([0-9a-fA-F]{4})(?:\\+u([dD][c-fC-F][0-9a-fA-F]{2}))?")
_ASCII = re.compile(r"[\x00-\x7f]+")
_SEPARATORS = '"\\/\u0307'
"""Characters that JSON may escape, and the dot that lower-casing separates from its letter."""


class _Folding(dict[int, str]):
    """For `str.translate`: a letter that all cases of a letter share."""

    def __missing__(self, code: int) -> str:
        upper = chr(code).upper()
        upper = upper if len(upper) == 1 else chr(code)
        lower = upper.lower()
        folded = lower if len(lower) == 1 else upper
        self[code] = folded
        return folded


_FOLDING = _Folding({0x130: "i"})  # as DuckDB does


@dataclass(frozen=True, slots=True)
class Grams:
    """Parts that each document with a text has. Both are empty if every document may have it."""

    short: frozenset[str]
    """Groups of `LENGTH` characters."""
    wide: frozenset[str]
    """One or two characters outside of ASCII, as in Chinese words."""

    def __bool__(self) -> bool:
        """Return whether there is anything to look for."""
        return bool(self.short or self.wide)


def grams_of(text: str) -> Grams:
    """Return the parts of a text that someone looks for."""
    short: set[str] = set()
    wide: set[str] = set()
    for run in _runs(text):
        short.update(run[n : n + LENGTH] for n in range(len(run) - LENGTH + 1))
        if len(run) < LENGTH:
            for part in _ASCII.split(run):
                wide |= {part} if 0 < len(part) < LENGTH else set()
    return Grams(frozenset(short), frozenset(wide))


def document_texts(text: str) -> tuple[str, str]:
    """Return the text of a document to split into `LENGTH` characters, and into one and two."""
    if "\\u" in text:
        text = f"{text}\n{_ESCAPED.sub(_character, text)}"
    folded = _folded(text)
    return folded, "" if folded.isascii() else _ASCII.sub(" ", folded)


def _folded(text: str) -> str:
    return text.lower() if text.isascii() else text.translate(_FOLDING)


def _runs(text: str) -> list[str]:
    """Return the parts between characters that documents may have in other forms."""
    kept = (
        character
        if character.isprintable()
        and character not in _SEPARATORS
        and len(character.upper()) == len(character.lower()) == 1
        else "\n"
        for character in text
    )
    return _folded("".join(kept)).split("\n")


def _character(match: re.Match[str]) -> str:
    codes = [int(code, 16) for code in match.groups() if code]
    units = b"".join(code.to_bytes(2, "big") for code in codes)
    return units.decode("utf-16-be", errors="replace")
