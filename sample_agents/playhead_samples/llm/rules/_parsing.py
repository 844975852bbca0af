"""Read amounts, numbers and keywords from a text."""

from __future__ import annotations

import re

__all__ = ["CAR", "MEDICAL", "amount", "mentions", "numbers"]

MEDICAL = ("hospital", "injury", "injured", "surgery", "medical", "doctor")
CAR = ("car", "bumper", "collision", "vehicle")
MONEY = re.compile(
    r"(\d[\d,]*)\s*(?:USD|dollars|EUR|\$)|\$\s*(\d[\d,]*)|\"amount\":\s*(\d+)", re.IGNORECASE
)


def amount(text: str) -> int:
    """Return the first amount of money in the text; 0 if there is none."""
    found = MONEY.search(text)
    return int(next(g for g in found.groups() if g).replace(",", "")) if found else 0


def numbers(text: str) -> list[int]:
    """Return all whole numbers in the text, in order."""
    return [int(n) for n in re.findall(r"\d+", text)]


def mentions(text: str, words: tuple[str, ...]) -> bool:
    """Return whether the text contains one of the words."""
    return not set(words).isdisjoint(re.findall(r"[a-z]+", text.lower()))
