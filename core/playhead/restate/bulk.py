"""Changes of many invocations: which of them can be changed, and the outcome of each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from playhead.errors import UnansweredChangeError
from playhead.model import Invocation

__all__ = [
    "CHANGES",
    "PAUSABLE",
    "VERBS",
    "Change",
    "Changer",
    "Outcome",
    "OutcomeState",
    "Verb",
    "change_all",
]

Verb = Literal["cancel", "kill", "pause", "resume", "restart", "purge"]
VERBS: tuple[Verb, ...] = get_args(Verb)
OutcomeState = Literal["done", "failed", "unknown", "left alone", "not sent"]
"""`unknown`: the change was sent, and the server's answer is missing."""
AT_ONCE = 8
"""Changes that are sent at the same time."""


PAUSABLE = ("running", "backing-off", "ready")
"""Statuses of invocations that can be paused. The server refuses others, except that it answers
with success for suspended ones, and does nothing (seen with 1.7)."""


class Changer(Protocol):
    """A control of invocations, such as `playhead.restate.control.Control`."""

    async def cancel(self, invocation_id: str) -> None:
        """Cancel an invocation."""
        ...

    async def kill(self, invocation_id: str) -> None:
        """End an invocation at once."""
        ...

    async def pause(self, invocation_id: str) -> None:
        """Stop the attempts of an invocation."""
        ...

    async def resume(self, invocation_id: str, *, deployment: str | None = None) -> None:
        """Resume an invocation."""
        ...

    async def restart_as_new(
        self, invocation_id: str, *, from_entry: int | None = None, deployment: str | None = None
    ) -> str:
        """Start a new invocation with the same input and return its id."""
        ...

    async def purge(self, invocation_id: str) -> None:
        """Delete an ended invocation."""
        ...


@dataclass(frozen=True, slots=True)
class Change:
    """One kind of change."""

    verb: Verb
    label: str
    effect: str
    """What happens to each invocation, as a sentence."""
    done: str
    """Description of a success."""
    destroys: bool = False
    """Whether it cannot be undone, so that a single key does not confirm it."""

    def refusal(self, row: Invocation) -> str:
        """Return why an invocation is left alone; empty if it can be changed."""
        if row.origin != "live" or row.status == "gone":
            return "not on the server"
        if self.verb in ("restart", "purge"):
            return "" if row.ended else "has not ended"
        if row.ended:
            return "has ended"
        if self.verb == "pause":
            return "" if row.status in PAUSABLE else f"is {row.status}, not running or backing off"
        if self.verb == "resume":
            return "" if row.status in ("paused", "backing-off") else "is not paused or backing off"
        return ""


CHANGES: Mapping[Verb, Change] = {
    change.verb: change
    for change in (
        Change("cancel", "Cancel", "Handlers can clean up, then each ends.",
               "cancellation requested"),
        Change("kill", "Kill", "Each ends at once; handlers cannot clean up.", "killed",
               destroys=True),
        Change("pause", "Pause", "Restate stops retrying until each is resumed.",
               "pause requested"),
        Change("resume", "Resume", "Restate retries each from where it stopped.", "resumed"),
        Change("restart", "Restart as new",
               "A new invocation starts for each, with the same input.", "restarted"),
        Change("purge", "Purge",
               "The server deletes each with its journal. This cannot be undone.", "purged",
               destroys=True),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one change."""

    id: str
    target: str
    state: OutcomeState
    text: str
    """Description of the success, or the reason."""
    new_id: str | None = None
    """Id of the invocation that a restart started."""


async def change_all(
    control: Changer,
    verb: Verb,
    rows: Sequence[Invocation],
    *,
    deployment: str | None = None,
    stop: asyncio.Event | None = None,
) -> AsyncIterator[Outcome]:
    """Change invocations, some at the same time, and yield each outcome as it is known.

    A change that fails does not stop the others. Each invocation has one outcome.

    Args:
        control: The control of the server.
        verb: The change.
        rows: The invocations; those that cannot be changed are left alone.
        deployment: For resume and restart, the id of a deployment, `latest` or `keep`.
        stop: Once it is set, no further change is sent; those that were sent are waited for.
    """
    change = CHANGES[verb]
    waiting = list(reversed(rows))
    running: set[asyncio.Task[Outcome]] = set()
    try:
        while waiting or running:
            while waiting and len(running) < AT_ONCE:
                row = waiting.pop()
                if stop is not None and stop.is_set():
                    yield Outcome(row.id, row.target, "not sent", "stopped before")
                elif reason := change.refusal(row):
                    yield Outcome(row.id, row.target, "left alone", reason)
                else:
                    running.add(asyncio.create_task(_changed(control, change, row, deployment)))
            if running:
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield task.result()
    finally:
        if running:
            await asyncio.wait(running)


async def _changed(
    control: Changer, change: Change, row: Invocation, deployment: str | None
) -> Outcome:
    new: str | None = None
    try:
        match change.verb:
            case "resume":
                await control.resume(row.id, deployment=deployment)
            case "restart":
                new = await control.restart_as_new(row.id, deployment=deployment)
            case "cancel":
                await control.cancel(row.id)
            case "kill":
                await control.kill(row.id)
            case "pause":
                await control.pause(row.id)
            case "purge":
                await control.purge(row.id)
    except Exception as error:
        hint = getattr(error, "hint", "")
        text = f"{str(error) or type(error).__name__}. {hint}" if hint else str(error)
        state = "unknown" if isinstance(error, UnansweredChangeError) else "failed"
        return Outcome(row.id, row.target, state, text or type(error).__name__)
    text = f"{change.done} as {new}" if new else change.done
    return Outcome(row.id, row.target, "done", text, new)
