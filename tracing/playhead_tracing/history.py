"""What this process remembers of an invocation between its attempts.

A result in the journal is new to the handler when no earlier attempt received it; only who ran
the earlier attempts can know. After a restart the memory is empty, and `Attempt` says what then.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from opentelemetry.sdk.trace import ReadableSpan

REMEMBERED = 4096
"""Unfinished invocations that are remembered; the longest untouched is forgotten first."""


@dataclass(frozen=True, slots=True)
class Carried:
    """A span that was cut off after its step had run and before the step's result came back.

    It has done its work, once; the next attempt, which begins it again, only reads the result.
    """

    span: ReadableSpan
    """As cut off, to be exported should nobody go on with it."""
    handles: frozenset[int]
    """The results that it waits for."""


@dataclass(eq=False)
class History:
    """One unfinished invocation."""

    complete: bool
    """Whether every earlier attempt ran in this process, as far as it can tell."""
    delivered: set[int] = field(default_factory=set[int])
    """VM handles whose result some attempt received; handles are the same in every attempt."""
    completed: set[str] = field(default_factory=set[str])
    """Logical ids of the spans that some attempt brought to their end."""
    carried: dict[str, Carried] = field(default_factory=dict[str, "Carried"])
    """By logical id: spans that the next attempt goes on with."""
    number: int | None = None
    """Number of the last attempt, from 1."""
    retry_count: int = 0
    known_entries: int = 0


class Histories:
    """The unfinished invocations of this process, at most `REMEMBERED`."""

    def __init__(self, limit: int = REMEMBERED) -> None:
        self._limit = limit
        self._items: OrderedDict[str, History] = OrderedDict()

    def __len__(self) -> int:
        return len(self._items)

    def begin(self, invocation_id: str, known_entries: int | None, retry_count: int) -> History:
        """The history to use for an attempt that begins now.

        Args:
            invocation_id: Restate's id.
            known_entries: entries in the journal; None when that could not be read.
            retry_count: failed attempts since the last entry was stored.
        """
        history = self._items.pop(invocation_id, None)
        if history is None:
            history = History(complete=known_entries == 1)
        history.number = _number(history, known_entries, retry_count)
        history.known_entries = known_entries or 0
        history.retry_count = retry_count
        self._items[invocation_id] = history
        if len(self._items) > self._limit:
            self._items.popitem(last=False)
        return history

    def forget(self, invocation_id: str) -> None:
        """The invocation is over."""
        self._items.pop(invocation_id, None)


def _number(history: History, known_entries: int | None, retry_count: int) -> int | None:
    """The attempt's number where it is certain, else None.

    The server tells only how often it tried since the last stored entry. So a number is certain
    while nothing but the input is stored, and after an attempt of known number that stored nothing.
    """
    if known_entries == 1:
        return retry_count + 1
    same_journal = known_entries is not None and known_entries == history.known_entries
    if history.number is not None and same_journal and retry_count == history.retry_count + 1:
        return history.number + 1
    return None
