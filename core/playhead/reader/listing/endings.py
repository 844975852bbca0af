"""Ends of invocations by their cause: a kill or cancellation, or a terminal error that looks alike.

The server keeps only a text, `[409] killed` or `[409] cancelled`. A handler may raise that error
itself, and a caller passes it on when its child was killed. The journal tells them apart: a killed
invocation has no Output command, and a cancelled one has a cancel signal, or no Output command if
it had not started.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from playhead.errors import QueryError, RecorderError
from playhead.model.status import ENDED_AS, Status, looks_ended_from_outside, status_of
from playhead.restate.queries import quote
from playhead.restate.rows import parse_json
from playhead.values import as_dict

__all__ = ["Endings"]

Query = Callable[[str], Awaitable[list[dict[str, Any]]]]
IDS = 250
CANCEL_SIGNAL = 1


class Endings:
    """The causes that were found so far; invocations that ended do not change."""

    def __init__(self, journal: str, copies: Query | None = None) -> None:
        """Start without any.

        Args:
            journal: Table with the journals: `sys_journal`, or the store's `journal`.
            copies: Runs one SELECT on the store, for journals that the server has deleted.
        """
        self._journal = journal
        self._copies = copies
        self._found: dict[str, Status] = {}

    async def name(self, rows: Sequence[dict[str, Any]], query: Query) -> None:
        """Add the true end to the rows whose failure may be a kill or a cancellation.

        Args:
            rows: Rows of sys_invocation, or of the store's copy.
            query: Runs one SELECT; its exceptions are passed on.
        """
        unclear = {str(row["id"]): row for row in rows if looks_ended_from_outside(row)}
        unknown = [id_ for id_ in unclear if id_ not in self._found]
        for start in range(0, len(unknown), IDS):
            ids = unknown[start : start + IDS]
            journals = await _journals(self._journal, ids, query)
            missing = [id_ for id_ in ids if id_ not in journals]
            if self._copies and missing:
                with contextlib.suppress(RecorderError, QueryError):
                    journals |= await _journals("journal", missing, self._copies)
            for id_ in ids:
                self._found[id_] = _end(status_of(unclear[id_]), journals.get(id_, ()))
        for id_, row in unclear.items():
            row[ENDED_AS] = self._found[id_]


async def _journals(
    table: str, ids: Sequence[str], query: Query
) -> dict[str, list[Mapping[str, Any]]]:
    """Return the entries that show how invocations ended; those without such ones are left out."""
    journals: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for entry in await query(
        f"SELECT id, entry_type, entry_lite_json FROM {table}"
        f" WHERE id IN ({', '.join(map(quote, ids))})"
        " AND entry_type IN ('Command: Output', 'Notification: Signal')"
    ):
        journals[str(entry["id"])].append(entry)
    return dict(journals)


def _end(status: Status, entries: Sequence[Mapping[str, Any]]) -> Status:
    returned = any(entry["entry_type"] == "Command: Output" for entry in entries)
    cancelled = any(_is_cancel_signal(entry) for entry in entries)
    return "failed" if returned and not (status == "cancelled" and cancelled) else status


def _is_cancel_signal(entry: Mapping[str, Any]) -> bool:
    notification = as_dict(parse_json(entry.get("entry_lite_json")).get("Notification"))
    return as_dict(notification.get("id")).get("SignalIndex") == CANCEL_SIGNAL
