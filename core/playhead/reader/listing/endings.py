"""Ends of invocations by their cause: a kill or cancellation, or a terminal error that looks alike.

The server keeps only a text, `[409] killed` or `[409] cancelled`. A handler may raise that error
itself, and a caller passes it on when its child was killed. The journal tells them apart: a killed
invocation has no Output command, and a cancelled one has a cancel signal, or no Output command if
it had not started.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

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

    def __init__(self, journal: str) -> None:
        """Start without any.

        Args:
            journal: Table with the journals: `sys_journal`, or the store's `journal`.
        """
        self._journal = journal
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
            ids = ", ".join(map(quote, unknown[start : start + IDS]))
            entries = await query(
                f"SELECT id, entry_type, entry_lite_json FROM {self._journal} WHERE id IN ({ids})"
                " AND entry_type IN ('Command: Output', 'Notification: Signal')"
            )
            journals: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
            for entry in entries:
                journals[str(entry["id"])].append(entry)
            for id_ in unknown[start : start + IDS]:
                self._found[id_] = _end(status_of(unclear[id_]), journals[id_])
        for id_, row in unclear.items():
            row[ENDED_AS] = self._found[id_]


def _end(status: Status, entries: Sequence[Mapping[str, Any]]) -> Status:
    returned = any(entry["entry_type"] == "Command: Output" for entry in entries)
    cancelled = any(_is_cancel_signal(entry) for entry in entries)
    return "failed" if returned and not (status == "cancelled" and cancelled) else status


def _is_cancel_signal(entry: Mapping[str, Any]) -> bool:
    notification = as_dict(parse_json(entry.get("entry_lite_json")).get("Notification"))
    return as_dict(notification.get("id")).get("SignalIndex") == CANCEL_SIGNAL
