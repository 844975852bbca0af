"""Figures that a view claims, and whether they agree with a count."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["FIGURES", "UNKNOWN", "Claims", "agrees", "disagreements"]

UNKNOWN = "?"
UNKNOWNS = (UNKNOWN, "-", "–", "")
"""Texts of a figure that is not known."""
FACTORS = {"": 1, "k": 1_000, "M": 1_000_000}
FIGURE = re.compile(r"(≥ ?)?(\d+(?:,\d{3})*(?:\.\d+)?)([kM]?)")


@dataclass(frozen=True, slots=True)
class Claims:
    """What a view says about one invocation; None where it says nothing."""

    status: str | None = None
    attempts: str | None = None
    suspensions: str | None = None
    llm_requests: str | None = None
    llm_calls: str | None = None
    input_tokens: str | None = None
    output_tokens: str | None = None


FIGURES = (
    "attempts", "suspensions", "llm_requests", "llm_calls", "input_tokens", "output_tokens",
)  # fmt: skip


def agrees(claim: str | None, count: int, *, exact: bool) -> bool:
    """Return whether a claim is true.

    Args:
        claim: the text of the figure, such as `4`, `≥ 3`, `1.5k` or `?`.
        count: the independent count.
        exact: whether all sources were there, so that only a certain figure is accepted.
    """
    if claim is None:
        return True
    text = claim.strip()
    if text in UNKNOWNS:
        return not exact
    match = FIGURE.fullmatch(text)
    if match is None:
        return False
    at_least, digits, unit = match.groups()
    number = float(digits.replace(",", "")) * FACTORS[unit]
    if at_least:
        return not exact and number <= count
    # A figure such as `1.5k` is rounded to its last digit.
    places = len(digits.partition(".")[2])
    return abs(number - count) <= (FACTORS[unit] / 10**places / 2 if unit else 0)


def disagreements(claims: Claims, counts: Claims, *, lost: frozenset[str]) -> list[str]:
    """Return the figures that do not agree, such as `attempts 4, counted 3`.

    Args:
        claims: what a view says.
        counts: the independent counts, as text.
        lost: figures whose source was lost; only for them `≥ n` and `?` are accepted.
    """
    wrong: list[str] = []
    if claims.status is not None and claims.status != counts.status:
        wrong.append(f"status {claims.status}, counted {counts.status}")
    for name in FIGURES:
        claim, count = getattr(claims, name), getattr(counts, name)
        if count is not None and not agrees(claim, int(count), exact=name not in lost):
            wrong.append(f"{name.replace('_', ' ')} {claim}, counted {count}")
    return wrong
