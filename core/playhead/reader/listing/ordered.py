"""Invocations of both sources in any order, over all that is stored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from playhead.filters.language import Filter
from playhead.filters.rows import matches
from playhead.filters.store import RECORDED_TEXTS
from playhead.model import Invocation, Order
from playhead.reader.listing.order_sql import SERVER_SORTS
from playhead.reader.listing.pages import PLACES, Merge, gone
from playhead.reader.listing.rows import invocation_of
from playhead.restate import queries

__all__ = ["first_rows", "unsortable"]


def unsortable(order: Order, *, stored: bool) -> str | None:
    """Return a sentence if an order needs a store; the newest invocations come first then."""
    if stored or order.sort in SERVER_SORTS:
        return None
    name = order.sort.replace("_", " ").replace("llm", "LLM")
    return f"Without a recorder, invocations cannot be sorted by {name}: the newest come first."


async def first_rows(
    merge: Merge, wanted: Filter, order: Order, limit: int
) -> AsyncIterator[tuple[list[Invocation], bool]]:
    """Yield the first invocations of an order, without figures, and whether more exist.

    Each source returns its first rows, so that the first rows of both together are among them. The
    server's rows take precedence over copies, which are a moment older; what no longer matches is
    dropped, and more rows are read in its place while the consumer asks for them.

    Args:
        merge: The sources.
        wanted: Conditions; those on what an invocation waits for are not checked.
        order: The order.
        limit: Number of rows that may be enough.
    """
    checked = wanted.without_wait
    size = limit
    while True:
        rows, more = await _read(merge, wanted, order, size)
        found = [
            row for row, recorded in rows if matches(checked, row, merge.now, recorded) is not False
        ]
        yield found, more
        if not more or size >= PLACES:
            return
        size = min(4 * size, PLACES)


async def _read(
    merge: Merge, wanted: Filter, order: Order, size: int
) -> tuple[list[tuple[Invocation, list[bool]]], bool]:
    """Return the first rows of both sources with what was recorded of them, and whether more."""
    live, stored = merge.live, merge.stored
    listed: list[str] | None = []
    if live is not None:
        if order.sort in SERVER_SORTS and not wanted.needs_store:
            listed = await merge.attempt(live.ordered(size + 1, wanted, merge.now, order))
            live = live if listed is not None else None
        elif await merge.attempt(live.client.query(queries.ACTIVE)) is None:
            live = None  # the store lists the invocations; whether the server answers is known
    copies = await merge.attempt(
        stored.ordered(size + 1, wanted, merge.now, order) if stored else None
    )
    copied: dict[str, dict[str, Any]] = {str(row["id"]): row for row in copies or ()}
    ids = list(dict.fromkeys([*(listed or ()), *copied]))
    current = await merge.attempt(live.rows(ids) if live else None)
    merge.answered = [
        *(["live"] if current is not None else []),
        *(["stored"] if copies is not None else []),
    ]
    merge.raw = copied | {str(row["id"]): row for row in current or ()}
    fresh = {str(row["id"]): invocation_of(row, "live") for row in current or ()}
    rows: list[tuple[Invocation, list[bool]]] = []
    for id_ in ids:
        copy = copied.get(id_)
        row = fresh.get(id_)
        if row is None and copy is not None:
            row = invocation_of(copy, "stored")
            row = gone(row, live.cluster) if live and current is not None else row
        if row is not None:
            texts = (copy or {}).get(RECORDED_TEXTS) or [False] * len(wanted.texts)
            rows.append((row, texts))
    return rows, max(len(listed or ()), len(copied)) > size
