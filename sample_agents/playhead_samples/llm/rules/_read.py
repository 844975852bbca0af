"""What rules read out of a text."""

from __future__ import annotations

import re

__all__ = ["CAR", "MEDICAL", "amount", "mentions", "numbers"]

MEDICAL = ("hospital", "injury", "injured", "surgery", "medical", "doctor")
CAR = ("car", "bumper", "collision", "vehicle")
MONEY = re.compile(
    r"(\d[\d,]*)\s*(?:USD|dollars|EUR|\$)|\$\s*(\d[\d,]*)|\"amount\":\s*(\d+)", re.IGNORECASE
)


def amount(text: str) -> int:
    """The first sum of money in the text; 0 when there is none."""
    found = MONEY.search(text)
    return int(next(g for g in found.groups() if g).replace(",", "")) if found else 0


def numbers(text: str) -> list[int]:
    """All whole numbers in the text, in order."""
    return [int(n) for n in re.findall(r"\d+", text)]


def mentions(text: str, words: tuple[str, ...]) -> bool:
    """Whether one of the words stands in the text, as a word of its own."""
    return not set(words).isdisjoint(re.findall(r"[a-z]+", text.lower()))
