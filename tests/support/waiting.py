"""Wait in tests for a condition, with a time limit."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

__all__ = ["until", "until_async", "until_stable"]

_T = TypeVar("_T")

SECONDS = 30.0
PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 0.1
"""Conditions that take long are checked less often: many ask a server, which has other work."""


def until(condition: Callable[[], _T], what: str | None = None, *, seconds: float = SECONDS) -> _T:
    """Wait until the condition is true, and return its value.

    Args:
        condition: called repeatedly; an exception ends the wait.
        what: description for the error message; by default the condition's source.
        seconds: time limit.
    """
    deadline = time.monotonic() + seconds
    pauses = _pauses()
    while not (value := condition()):
        _check(deadline, condition, what, value)
        time.sleep(next(pauses))
    return value


async def until_async(
    condition: Callable[[], Awaitable[_T] | _T],
    what: str | None = None,
    *,
    seconds: float = SECONDS,
) -> _T:
    """Wait in an event loop until the condition or its awaited result is true; return the value."""
    deadline = time.monotonic() + seconds
    pauses = _pauses()
    while True:
        found: Any = condition()
        value = await found if inspect.isawaitable(found) else found
        if value:
            return value
        _check(deadline, condition, what, value)
        await asyncio.sleep(next(pauses))


def until_stable(
    read: Callable[[], _T], what: str | None = None, *, quiet: float, seconds: float = SECONDS
) -> _T:
    """Wait until the value has not changed for `quiet` seconds; returns it.

    For what has no visible end, such as spans that must not arrive any more.
    """
    deadline = time.monotonic() + seconds
    value, since = read(), time.monotonic()
    while time.monotonic() - since < quiet:
        _check(deadline, read, what, value)
        time.sleep(PAUSE_SECONDS)
        if (latest := read()) != value:
            value, since = latest, time.monotonic()
    return value


def _pauses() -> Iterator[float]:
    pause = PAUSE_SECONDS
    while True:
        yield pause
        pause = min(1.2 * pause, LONGEST_PAUSE_SECONDS)


def _check(deadline: float, condition: object, what: str | None, value: object) -> None:
    if time.monotonic() < deadline:
        return
    try:
        said = what or inspect.getsource(condition).strip()  # pyright: ignore[reportArgumentType]
    except (OSError, TypeError):
        said = repr(condition)
    raise AssertionError(f"never became true: {said} (last value: {value!r})")
