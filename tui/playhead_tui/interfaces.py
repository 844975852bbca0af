"""What the screens ask for; `playhead.reader.Reader` answers it, and so can a test."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from playhead.model import Invocation, InvocationDetail, InvocationPage, Status

if TYPE_CHECKING:
    from playhead.replay import Recording

__all__ = ["Actions", "Code", "Connect", "Connection", "Source"]


class Source(Protocol):
    """Reads invocations. Raises only what it cannot turn into a `missing` sentence."""

    async def invocations(
        self,
        *,
        limit: int = 100,
        status: Iterable[Status] | None = None,
        text: str | None = None,
        before: Invocation | None = None,
    ) -> InvocationPage:
        """The newest invocations that match, newest first.

        Args:
            limit: how many at most.
            status: any of these.
            text: id or target contains it.
            before: only older than this row.
        """
        ...

    async def invocation(self, invocation_id: str) -> InvocationDetail | None:
        """Everything about one of them; None when no source has it."""
        ...

    async def payload(self, invocation_id: str, index: int) -> Any:
        """The raw content of one journal entry."""
        ...


class Actions(Protocol):
    """Changes on the server, as `playhead.restate.control.Control` makes them.

    Each raises an exception whose text people can read.
    """

    async def cancel(self, invocation_id: str) -> None:
        """Let it clean up, then end."""
        ...

    async def kill(self, invocation_id: str) -> None:
        """End it at once."""
        ...

    async def pause(self, invocation_id: str) -> None:
        """No further tries until it is resumed."""
        ...

    async def resume(self, invocation_id: str, *, deployment: str | None = None) -> None:
        """Try again now; `latest`: on the newest deployment."""
        ...

    async def restart_as_new(
        self, invocation_id: str, *, from_entry: int | None = None, deployment: str | None = None
    ) -> str:
        """Begin one that has ended anew, keeping entries up to that; the new one's id."""
        ...

    async def kill_and_restart(
        self, invocation_id: str, *, from_entry: int | None = None, deployment: str | None = None
    ) -> str:
        """The same for one that has not ended."""
        ...

    async def purge(self, invocation_id: str) -> None:
        """Forget it and its journal."""
        ...

    async def resolve_awakeable(self, awakeable_id: str, value: Any) -> None:
        """Answer what an invocation waits for."""
        ...

    async def reject_awakeable(self, awakeable_id: str, reason: str) -> None:
        """Let what an invocation waits for fail."""
        ...


async def _nothing_to_close() -> None:
    return None


@dataclass(frozen=True)
class Code:
    """The user's app, for replays."""

    app: str
    """`module:attribute`; empty when it is not known."""
    folder: str = ""
    """Where it is imported from; the current folder when empty."""


@dataclass(frozen=True)
class Connection:
    """Both sources, opened."""

    source: Source
    actions: Actions | None
    """None without a server, or when changes are forbidden."""
    labels: tuple[str, ...] = ()
    """What is connected, in a few words each, for the header."""
    notes: tuple[str, ...] = ()
    """What is missing and what to do about it; stays on screen."""
    news: str = ""
    """Something that was done for them; shown for a moment."""
    ingress_url: str = "http://localhost:8080"
    recording: Callable[[str], Awaitable[Recording]] | None = None
    """Fetches a whole journal for a replay, from the server or from what was recorded."""
    code: Code = Code("")
    """The app that the settings name."""
    close: Callable[[], Awaitable[None]] = field(default=_nothing_to_close)


Connect = Callable[[Callable[[Connection], object]], Awaitable[None]]
"""Opens the sources and tells of them, again when they change; runs in a worker."""
