"""State of an invocation that this process keeps between attempts.

A result in the journal is new to the handler if no earlier attempt received it. Only the process
that ran the earlier attempts knows that; after a restart, `Attempt.deliver` infers it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from opentelemetry.sdk.trace import ReadableSpan

MAX_INVOCATIONS = 4096
"""Maximum number of unfinished invocations; the least recently used is dropped first."""


@dataclass(frozen=True, slots=True)
class Carried:
    """A span that was interrupted after its step had run and before the step's result arrived.

    Its work is done. The next attempt opens the span again and only reads the result.
    """

    span: ReadableSpan
    """The interrupted span, exported if no attempt continues it."""
    handles: frozenset[int]
    """Handles of the results that the span waits for."""


@dataclass(eq=False)
class History:
    """State of one unfinished invocation."""

    complete: bool
    """Whether no earlier attempt is known to have run in another process."""
    delivered: set[int] = field(default_factory=set[int])
    """VM handles of the results received by any attempt; handles are equal in every attempt."""
    completed: set[str] = field(default_factory=set[str])
    """Logical ids of the spans that any attempt completed."""
    carried: dict[str, Carried] = field(default_factory=dict[str, "Carried"])
    """Spans that the next attempt continues, by logical id."""
    number: int | None = None
    """Number of the last attempt from 1; None if unknown."""
    retry_count: int = 0
    known_entries: int = 0
    commands: int = 0
    """Ordinal of the last command that any attempt of this process reached."""


class Histories:
    """The unfinished invocations of this process, at most `MAX_INVOCATIONS`."""

    def __init__(self, limit: int = MAX_INVOCATIONS) -> None:
        self._limit = limit
        self._items: OrderedDict[str, History] = OrderedDict()

    def __len__(self) -> int:
        return len(self._items)

    def begin(
        self,
        invocation_id: str,
        known_entries: int | None,
        retry_count: int,
        last_command: Callable[[], int] = lambda: -1,
    ) -> History:
        """Return the history for an attempt that begins now.

        Args:
            invocation_id: Id of the invocation.
            known_entries: Number of entries in the journal; None if it could not be read.
            retry_count: Failed attempts since the last entry was stored.
            last_command: Returns the ordinal of the journal's last command.
        """
        history = self._items.pop(invocation_id, None)
        if history is None:
            history = History(complete=known_entries == 1)
            history.number = 1 if known_entries == 1 and retry_count == 0 else None
        else:
            history.number = _next_number(history, known_entries, retry_count, last_command)
        history.known_entries = known_entries or 0
        history.retry_count = retry_count
        self._items[invocation_id] = history
        if len(self._items) > self._limit:
            self._items.popitem(last=False)
        return history

    def forget(self, invocation_id: str) -> None:
        """Drop the history of an invocation that has ended."""
        self._items.pop(invocation_id, None)


def _next_number(
    history: History,
    known_entries: int | None,
    retry_count: int,
    last_command: Callable[[], int],
) -> int | None:
    """Return the number of an attempt that follows one of this process, if certain, else None.

    The server only sends the number of failed attempts since the last stored entry. After failures
    it shows whether another process, or none, ran attempts in between: with the same journal the
    count has grown by them, and with a longer one it is 1 if every command is of this process.
    After a suspension, a manual resume or a restart of the server it begins again at 0, and
    attempts elsewhere leave no trace.
    """
    if history.number is None or known_entries is None or retry_count == 0:
        return None
    if known_entries == history.known_entries:
        failed = retry_count - history.retry_count
        return history.number + failed if failed > 0 else None
    if retry_count == 1 and last_command() == history.commands:
        return history.number + 1
    return None
