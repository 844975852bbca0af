"""Pauses between the tries of a request."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from playhead.retries import Pauses, retry_after


def advised(value: str | None) -> float | None:
    return retry_after(httpx.Response(503, headers={} if value is None else {"retry-after": value}))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2", 2.0), ("0", 0.0), (" 7 ", 7.0), ("0.5", 0.5), (None, None), ("", None), ("-1", None),
        ("nan", None), ("inf", None), ("soon", None), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
    ],
)  # fmt: skip
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert advised(value) == seconds


def test_retry_after_has_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 90 < (advised(later) or 0) <= 100


def test_pauses_grow_up_to_the_longest() -> None:
    pauses = Pauses(1000, first=1, longest=6, clock=lambda: 0)
    for expected in (1, 2, 4, 6, 6):
        pause = pauses.next()
        assert pause is not None
        assert 0.8 * expected <= pause <= 1.2 * expected


def test_pauses_end_with_the_time() -> None:
    now = 0.0
    pauses = Pauses(10, clock=lambda: now)
    assert pauses.next(advised=4) == 4
    now = 9.9
    assert pauses.next() is None
    assert pauses.next(advised=0) == 0
    assert pauses.next(advised=3600) is None
