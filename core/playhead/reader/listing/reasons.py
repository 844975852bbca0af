"""The reasons of a page of invocations, with as few queries as possible.

Rows that run or have ended cost nothing. The others share at most one query each for awaited
commands, pauses, queues and awaited invocations; what cannot change until the row changes is read
once.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

from playhead.model import Invocation, Step, status_of
from playhead.reader.listing.recent import Recent
from playhead.reader.listing.waiting import (
    Awaited,
    Evidence,
    Other,
    Queue,
    awaited,
    awaited_steps,
    waiting_of,
)
from playhead.restate.rows import EventRow, JournalRow, journal_row
from playhead.values import as_dict, as_text

__all__ = ["ReasonSource", "Reasons", "commands_by_id", "pause_failure"]


class ReasonSource(Protocol):
    """The rows that explain why invocations wait: of the server, or of the store."""

    async def awaited_commands(self, ids: Sequence[str]) -> Mapping[str, list[JournalRow]]:
        """Return the commands that an invocation can wait for, by invocation id."""
        ...

    async def pause_failures(self, ids: Sequence[str]) -> Mapping[str, str]:
        """Return the error of the latest pause, by invocation id."""
        ...

    async def queues(self, rows: Sequence[Invocation]) -> Mapping[str, Queue]:
        """Return the places of queued invocations, by id."""
        ...

    async def statuses(self, ids: Sequence[str]) -> Sequence[Mapping[str, Any]]:
        """Return id, target and the columns of the status; unknown ids are left out."""
        ...


def commands_by_id(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[JournalRow]]:
    """Return rows of several journals, by invocation id, in journal order."""
    found: dict[str, list[JournalRow]] = defaultdict(list)
    for row in rows:
        found[str(row["id"])].append(journal_row(row))
    return {id_: sorted(journal, key=lambda row: row.index) for id_, journal in found.items()}


def pause_failure(event: EventRow) -> str:
    """Return the error at which a pause stopped the invocation; empty without an error."""
    failure = as_dict(event.document.get("last_failure"))
    return as_text(failure.get("error_message")) or ""


class Reasons:
    """Adds to each invocation why it makes no progress."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._steps = Recent[tuple[Step, ...]]()
        self._failures = Recent[str]()

    async def add(
        self,
        rows: Sequence[Invocation],
        raw: Mapping[str, Mapping[str, Any]],
        source: ReasonSource,
    ) -> list[Invocation]:
        """Return the invocations with `waiting`.

        Args:
            rows: Invocations of one source, with their numbers of attempts.
            raw: Their rows of sys_invocation, by id.
            source: The source.
        """
        steps, failures, queues = await asyncio.gather(
            self._awaited(rows, raw, source),
            self._pauses(rows, raw, source),
            _queues(rows, source),
        )
        others = await _others(steps, source)
        now = self._now()
        found: list[Invocation] = []
        for row in rows:
            evidence = Evidence(steps.get(row.id), queues.get(row.id), failures.get(row.id), others)
            waiting = waiting_of(row, evidence, now)
            # A copy of an invocation costs more than all the rest.
            found.append(row if waiting == row.waiting else replace(row, waiting=waiting))
        return found

    async def _awaited(
        self,
        rows: Sequence[Invocation],
        raw: Mapping[str, Mapping[str, Any]],
        source: ReasonSource,
    ) -> dict[str, tuple[Step, ...]]:
        wanted: dict[str, tuple[Hashable, Awaited]] = {}
        for row in rows:
            if row.status == "suspended":
                found = awaited(raw[row.id])
                wanted[row.id] = ((raw[row.id].get("journal_size"), found), found)
        unread = [
            id_
            for id_, (version, found) in wanted.items()
            if found.completions and self._steps.get(id_, version) is None
        ]
        commands: Mapping[str, list[JournalRow]] = (
            await source.awaited_commands(unread) if unread else {}
        )
        for id_, (version, found) in wanted.items():
            if id_ in commands or self._steps.get(id_, version) is None:
                steps = awaited_steps(id_, found, commands.get(id_, ()))
                self._steps.put(id_, version, steps)
        return {id_: self._steps.get(id_, version) or () for id_, (version, _) in wanted.items()}

    async def _pauses(
        self,
        rows: Sequence[Invocation],
        raw: Mapping[str, Mapping[str, Any]],
        source: ReasonSource,
    ) -> dict[str, str]:
        paused = {
            row.id: str(raw[row.id].get("modified_at"))
            for row in rows
            if row.status == "paused" and not row.last_failure
        }
        unread = [id_ for id_, at in paused.items() if self._failures.get(id_, at) is None]
        read: Mapping[str, str] = await source.pause_failures(unread) if unread else {}
        for id_ in unread:
            self._failures.put(id_, paused[id_], read.get(id_, ""))
        return {id_: self._failures.get(id_, at) or "" for id_, at in paused.items()}


async def _queues(rows: Sequence[Invocation], source: ReasonSource) -> Mapping[str, Queue]:
    queued = [row for row in rows if row.status in ("pending", "inboxed")]
    return await source.queues(queued) if queued else {}


async def _others(steps: Mapping[str, Sequence[Step]], source: ReasonSource) -> Mapping[str, Other]:
    ids = {step.child_id for found in steps.values() for step in found if step.child_id}
    rows = await source.statuses(sorted(ids)) if ids else ()
    return {str(row["id"]): Other(status_of(row), str(row.get("target") or "")) for row in rows}
