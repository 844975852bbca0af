"""Outlines of the spans of large traces: without prompts and answers, and read again in parts.

A trace is divided by the start of its spans. Each part is known by a digest of its rows, so that a
read after a change reads the parts with other rows only.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from playhead import conventions as names
from playhead.journal.llm_calls import ATTRIBUTES
from playhead.model import Span
from playhead.reader.listing.rows import SPAN_COLUMNS, SharedTexts, span_of
from playhead.reader.listing.shared_names import SharedNames
from playhead.record.client import StoreClient

__all__ = ["SpanOutlines"]

PART_SPANS = 2000
"""Spans of a part, more if they start at the same time."""
SPANS_AT_ONCE = 4000
"""Spans that one query reads."""
MOST_TRACES = 8
"""Traces whose outlines are kept to be compared; called invocations can be shown in place."""
END = 2**64 - 1

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

_NONE = [None] * len(OUTLINE_ATTRIBUTES)

_DIGEST = (
    "hash(trace_id, span_id, parent_span_id, name, start_unix_nano, end_unix_nano, status_code,"
    " status_message, attributes, events)"
)
_OF_TRACE = " FROM spans WHERE invocation_id = ?"
_LOWS = (
    "SELECT start_unix_nano AS low FROM (SELECT start_unix_nano,"
    f" row_number() OVER (ORDER BY start_unix_nano) AS place{_OF_TRACE})"
    f" WHERE place > 1 AND place % {{spans}} = 1 GROUP BY low ORDER BY low"
)
_DIGESTS = (
    "SELECT len(list_filter(?::UBIGINT[], lambda low: low <= start_unix_nano)) AS part,"
    f" count(*) AS number, bit_xor({_DIGEST}) AS digest{_OF_TRACE} GROUP BY part"
)


def _outline() -> Mapping[str, str]:
    """Return the SQL of the columns of outlines that differ from the stored ones."""
    event = (
        "json_object('name', event->'$.name', 'time_unix_nano', event->'$.time_unix_nano',"
        f" 'attributes', {_some('event', '$.attributes.', OUTLINE_EVENT_ATTRIBUTES)})"
    )
    paths = [f'$."{name}"' for name in OUTLINE_ATTRIBUTES]
    return {
        # A list of values takes a fifth of the recorder's time of an object with their names.
        "attributes": f"to_json(json_extract(attributes, {paths!r})) AS attributes",
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


_ROWS = (
    f"SELECT {', '.join(_outline().get(name, name) for name in SPAN_COLUMNS)},"
    f" {_DIGEST} AS digest{_OF_TRACE} AND start_unix_nano BETWEEN ?::UBIGINT AND ?::UBIGINT"
)
_ORDER = ("start_unix_nano", "span_id", "trace_id")
_AFTER = f" AND ({', '.join(_ORDER)}) > (?, ?, ?)"
_IN_ORDER = f" ORDER BY {', '.join(_ORDER)} LIMIT "


@dataclass(frozen=True, slots=True)
class _Part:
    """The spans from a start on, up to that of the next part."""

    low: int
    spans: Sequence[Span] = ()
    version: tuple[int, int] | None = None
    """Number and combined digest of their rows; None until they are read."""


@dataclass(slots=True)
class _Trace:
    texts: SharedTexts = field(default_factory=SharedTexts)
    names: SharedNames = field(default_factory=lambda: SharedNames(OUTLINE_ATTRIBUTES))
    parts: list[_Part] = field(default_factory=list[_Part])


class SpanOutlines:
    """Reads outlines, and keeps those read last: spans that did not change are the same objects."""

    def __init__(self, client: StoreClient) -> None:
        """Take a client of the store; its owner closes it."""
        self._client = client
        self._traces: dict[str, _Trace] = {}

    def __contains__(self, invocation_id: str) -> bool:
        """Return whether outlines of an invocation are kept."""
        return invocation_id in self._traces

    def forget(self, invocation_id: str) -> None:
        """Free the memory of the outlines of an invocation."""
        self._traces.pop(invocation_id, None)

    async def read(self, invocation_id: str) -> list[Span]:
        """Return the outlines of the spans of an invocation, in order of start.

        They are read in parts, so that a large trace needs memory for its outlines only, stays
        below the limits of a query, and lets other tasks run.
        """
        known = self._traces.pop(invocation_id, _Trace())
        while len(self._traces) >= MOST_TRACES:
            del self._traces[next(iter(self._traces))]
        current = await self._versions(invocation_id, known.parts) if known.parts else {}
        parts = known.parts or await self._divided(invocation_id)
        found: list[_Part] = []
        for place, part in enumerate(parts):
            if part.version is not None and part.version == current.get(place, (0, 0)):
                found.append(part)
                continue
            after = parts[place + 1].low - 1 if place + 1 < len(parts) else END
            found += await self._read_part(invocation_id, part, after, known)
        # The texts of ids are not kept: a read of other parts makes them again.
        self._traces[invocation_id] = _Trace(SharedTexts(), known.names, found)
        return [span for part in found for span in part.spans]

    async def _divided(self, invocation_id: str) -> list[_Part]:
        """Return the parts of a trace that was not read yet."""
        rows = await self._client.rows(_LOWS.format(spans=PART_SPANS), [invocation_id])
        return [_Part(0), *(_Part(int(row["low"])) for row in rows)]

    async def _versions(
        self, invocation_id: str, parts: Sequence[_Part]
    ) -> dict[int, tuple[int, int]]:
        """Return number and digest of the rows of each part that has any, by its place."""
        lows = [part.low for part in parts]
        rows = await self._client.rows(_DIGESTS, [lows, invocation_id])
        return {int(row["part"]) - 1: (int(row["number"]), int(row["digest"] or 0)) for row in rows}

    async def _read_part(
        self, invocation_id: str, part: _Part, last: int, trace: _Trace
    ) -> list[_Part]:
        """Return a part as it is now, in several if it has grown."""
        before = {(span.trace_id, span.span_id): span for span in part.spans}
        spans: list[Span] = []
        starts: list[int] = []
        digests: list[int] = []
        asked, end = [invocation_id, part.low, last], ""
        while True:
            rows = await self._client.rows(f"{_ROWS}{end}{_IN_ORDER}{SPANS_AT_ONCE}", asked)
            spans += await asyncio.to_thread(_made, rows, trace, before)
            starts += [int(row["start_unix_nano"]) for row in rows]
            digests += [int(row["digest"]) for row in rows]
            if len(rows) < SPANS_AT_ONCE:
                break
            asked, end = [*asked[:3], *(rows[-1][name] for name in _ORDER)], _AFTER
        cuts = [0]
        for place in range(1, len(spans)):
            is_other = starts[place] != starts[place - 1]
            if is_other and place - cuts[-1] >= PART_SPANS <= len(spans) - place:
                cuts.append(place)
        return [
            _Part(
                starts[begin] if begin else part.low,
                spans[begin:until],
                (until - begin, _combined(digests[begin:until])),
            )
            for begin, until in zip(cuts, [*cuts[1:], len(spans)], strict=True)
        ]


def _combined(digests: Sequence[int]) -> int:
    """Return what `bit_xor` returns in SQL."""
    found = 0
    for digest in digests:
        found ^= digest
    return found


def _made(
    rows: Sequence[Mapping[str, Any]], trace: _Trace, known: Mapping[tuple[str, str], Span]
) -> list[Span]:
    """Return the spans of rows; equal ones that are known take their place."""
    found: list[Span] = []
    shared, longest = trace.texts.setdefault, trace.texts.LONGEST
    for row in rows:
        values: list[Any] = json.loads(row["attributes"] or "null") or _NONE
        values = [
            shared(one, one) if type(one) is str and len(one) <= longest else one for one in values
        ]
        span = span_of(row, trace.texts, outline=trace.names.attributes(values))
        before = known.get((span.trace_id, span.span_id))
        found.append(before if before is not None and before == span else span)
    return found
