"""The spans of one invocation in the store: whole, or as outlines without prompts and answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from playhead import conventions as names
from playhead.journal.llm_calls import ATTRIBUTES
from playhead.model import Span
from playhead.reader.listing.rows import SPAN_COLUMNS, SharedTexts, span_of
from playhead.record.client import StoreClient
from playhead.store.invocation_spans import ANY_TIME, IN_ORDER, OF_INVOCATION, UP_TO

__all__ = ["OUTLINE_BYTES", "StoredSpans"]

SPANS_AT_ONCE = 5000
FEW = 1000
"""Spans that are put in order here, as a read in order takes longer."""
_ORDER = ("start_unix_nano", "span_id", "trace_id")
LARGE = 500
"""Rows above which spans are made in a thread: screens stay responsive."""
OUTLINE_BYTES = 4_000_000
"""Size of attributes and events above which outlines of the spans are read."""

OUTLINE_ATTRIBUTES = tuple(
    dict.fromkeys(
        (
            *ATTRIBUTES,
            names.COMMAND_INDEX,
            names.COMMANDS,
            names.DEPLOYMENT_ID,
            names.OPERATION,
            names.FINISH_REASONS,
            *(
                name
                for synonyms in (
                    names.MODEL, names.PROVIDER_NAME, names.TOKENS_IN, names.TOKENS_OUT,
                    names.CACHE_READ, names.CACHE_WRITE, names.FINISH_REASON, names.RESPONSE_IDS,
                    names.AGENT_NAMES,
                )
                for name in synonyms.names
            ),
        )
    )
)  # fmt: skip
"""Attributes that a timeline and its figures are made from; none is long."""
OUTLINE_EVENT_ATTRIBUTES = ("exception.type", "exception.message", names.AWAKEABLE_ID)
"""Attributes of events that are kept; the events of the server's spans are kept whole."""


def _outline() -> Mapping[str, str]:
    """Return the SQL of the columns of outlines that differ from the stored ones."""
    event = (
        "json_object('name', event->'$.name', 'time_unix_nano', event->'$.time_unix_nano',"
        f" 'attributes', {_some('event', '$.attributes.', OUTLINE_EVENT_ATTRIBUTES)})"
    )
    return {
        "attributes": f"{_some('attributes', '$.', OUTLINE_ATTRIBUTES)} AS attributes",
        "events": f"CASE WHEN events = '[]' OR service_name = '{names.SERVER_SERVICE}' THEN events"
        f" ELSE to_json(list_transform(json_extract(events, '$[*]'), lambda event: {event}))"
        " END AS events",
    }


def _some(document: str, prefix: str, chosen: Sequence[str]) -> str:
    """Return the SQL of an object with some values of another one, as far as it has them."""
    paths = [f'{prefix}"{name}"' for name in chosen]
    values = ", ".join(f"'{name}', found[{place}]" for place, name in enumerate(chosen, 1))
    # A patch leaves out what is null.
    return (
        f"json_merge_patch('{{}}', list_transform([json_extract({document}, {paths!r})],"
        f" lambda found: json_object({values}))[1])"
    )


_WHOLE = ", ".join(SPAN_COLUMNS)
_FOLLOWING = (
    " FROM spans WHERE invocation_id = ? AND (start_unix_nano, span_id, trace_id) > (?, ?, ?)"
)
_OUTLINE = ", ".join(_outline().get(name, name) for name in SPAN_COLUMNS)


class StoredSpans:
    """Reads the spans of invocations."""

    def __init__(self, client: StoreClient) -> None:
        """Take a client of the store; its owner closes it."""
        self._client = client

    async def size(self, invocation_id: str) -> int:
        """Return the size of the attributes and events of an invocation's spans, in bytes."""
        [row] = await self._client.rows(
            f"SELECT sum(strlen(attributes) + strlen(events)) AS size{OF_INVOCATION}",
            [invocation_id, *ANY_TIME],
        )
        return int(row["size"] or 0)

    async def read(
        self, invocation_id: str, *, outline: bool = False, known: Sequence[Span] = ()
    ) -> list[Span]:
        """Return the spans of an invocation in order of start.

        They are read in parts, so that a large trace needs memory for its spans only, stays below
        the limits of a query, and lets other tasks run.

        Args:
            invocation_id: The invocation.
            outline: Leave out what `Span.truncated` says.
            known: Spans that were read before; they take the place of equal ones.
        """
        columns = _OUTLINE if outline else _WHOLE
        before = {(span.trace_id, span.span_id): span for span in known}
        found: list[Span] = []
        make = _maker(outline, before)
        end, place = OF_INVOCATION, list[Any](ANY_TIME)
        if not outline:
            rows = await self._client.rows(
                f"SELECT {columns}{end}{UP_TO}{FEW + 1}", [invocation_id, *place]
            )
            if len(rows) <= FEW:
                rows.sort(key=itemgetter(*_ORDER))
                return await asyncio.to_thread(make, rows) if len(rows) > LARGE else make(rows)
        while True:
            rows = await self._client.rows(
                f"SELECT {columns}{end}{IN_ORDER}{SPANS_AT_ONCE}", [invocation_id, *place]
            )
            found += await asyncio.to_thread(make, rows) if len(rows) > LARGE else make(rows)
            if len(rows) < SPANS_AT_ONCE:
                return found
            end = _FOLLOWING
            place = [rows[-1][name] for name in _ORDER]

    async def some(self, invocation_id: str, span_ids: Sequence[str]) -> list[Span]:
        """Return some spans of an invocation as they are stored, in any order."""
        if not span_ids:
            return []
        rows = await self._client.rows(
            f"SELECT {_WHOLE} FROM spans WHERE invocation_id = ?"
            " AND span_id IN (SELECT unnest(?::VARCHAR[]))",
            [invocation_id, list(span_ids)],
        )
        texts = SharedTexts()
        return [span_of(row, texts) for row in rows]


def _maker(
    outline: bool, known: Mapping[tuple[str, str], Span]
) -> Callable[[Sequence[Mapping[str, Any]]], list[Span]]:
    texts = SharedTexts()

    def make(rows: Sequence[Mapping[str, Any]]) -> list[Span]:
        found: list[Span] = []
        for row in rows:
            span = span_of(row, texts, truncated=outline)
            before = known.get((span.trace_id, span.span_id))
            found.append(before if before == span and before is not None else span)
        return found

    return make
