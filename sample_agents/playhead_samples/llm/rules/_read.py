"""What rules read out of a text."""

from __future__ import annotations

import re

__all__ = ["amount", "numbers"]

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
