"""Groups and totals of all invocations that match, from the store, or counts from the server."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from playhead.filters.language import Filter
from playhead.model import (
    STATUSES,
    Cost,
    GroupKey,
    InvocationGroup,
    InvocationGroups,
    Status,
    Tokens,
    Totals,
)
from playhead.model.status import stored_status_name
from playhead.reader.listing.live import LiveInvocations
from playhead.reader.listing.matching import matching
from playhead.reader.listing.order_sql import CALL_FIGURES_JOIN, add_call_figures, stored_group
from playhead.record.client import StoreClient
from playhead.restate.rows import parse_time
from playhead.store.raised_errors import RAISED, RAISED_CTE
from playhead.values import as_int, as_json, as_list

__all__ = ["live_groups", "stored_groups", "totals_of"]

_STATUSES: tuple[Status, ...] = (*STATUSES, "unknown")
_ROW = {"name": "VARCHAR", "state": "VARCHAR", "created_at": "TIMESTAMPTZ", "number": "BIGINT"}
_MORE = f"SELECT unnest(from_json(?::JSON, '{json.dumps([_ROW])}'), recursive := true)"
"""Rows that stand for several invocations, as JSON."""


async def stored_groups(
    client: StoreClient,
    wanted: Filter,
    now: datetime,
    by: GroupKey | None,
    limit: int,
    more: Sequence[Mapping[str, Any]] = (),
) -> InvocationGroups:
    """Return groups of the store's invocations; without a key, all of them are one group.

    Args:
        client: The store.
        wanted: Only invocations that match.
        now: The time from which ages are counted.
        by: What the invocations of a group have in common.
        limit: Maximum number of groups.
        more: Invocations that the store does not have; see `LiveInvocations.grouped`.

    Raises:
        FilterError: The filter has conditions that are not stored.
        RecorderError: The store cannot be read.
        QueryError: The store was written by an older recorder.
    """
    found = await matching(client, wanted, now, priced=True, counted=True)
    add_call_figures(found.condition, found.calls, found.prices)
    found.condition.add_cte(RAISED_CTE)
    name = stored_group(by) if by else "''"
    selected, params = found.condition.select(
        f"{name} AS name, {stored_status_name(RAISED)} AS state, i.created_at AS created_at,"
        " call_figures.* EXCLUDE (id)",
        join=CALL_FIGURES_JOIN,
    )
    count = "count(*)"
    if more:
        selected = f"SELECT *, 1 AS number FROM ({selected}) UNION ALL BY NAME {_MORE}"
        params = [*params, json.dumps([part for row in more for part in _parts(row)])]
        count = "sum(number)"
    statuses = ", ".join(
        f"coalesce({count} FILTER (state = '{one}'), 0)::BIGINT" for one in _STATUSES
    )
    rows = await client.rows(
        f"""
SELECT name, {count}::BIGINT AS invocations, [{statuses}] AS by_status,
  coalesce(sum(llm_calls), 0)::BIGINT AS llm_calls,
  coalesce(sum(tokens_in), 0)::BIGINT AS tokens_in,
  coalesce(sum(tokens_out), 0)::BIGINT AS tokens_out, coalesce(sum(cost), 0) AS cost,
  coalesce(sum(unpriced), 0)::BIGINT AS unpriced,
  min(created_at) AS first_at, max(created_at) AS last_at, (count(*) OVER ())::BIGINT AS total
FROM ({selected}) GROUP BY name ORDER BY invocations DESC, name LIMIT {int(limit)}
""",
        params,
    )
    groups = tuple(map(_group, rows))
    return InvocationGroups(by or "service", groups, as_int(rows[0]["total"]) if rows else 0)


async def live_groups(
    live: LiveInvocations, wanted: Filter, now: datetime, by: GroupKey | None, limit: int
) -> InvocationGroups:
    """Return groups of the server's invocations, without figures of LLM calls.

    Raises:
        RestateError: The server does not answer.
    """
    counted: dict[str, _Counted] = defaultdict(_Counted)
    rows, missing = await live.grouped(wanted, now, by)
    for row in rows:
        counted[str(row["name"])].add(row)
    order = sorted(counted.items(), key=lambda item: (-item[1].invocations, item[0]))
    groups = tuple(
        InvocationGroup(name, Totals(one.invocations, one.by_status), *one.period)
        for name, one in order[:limit]
    )
    return InvocationGroups(by or "service", groups, len(counted), missing)


def totals_of(groups: InvocationGroups, *, recorded: bool) -> Totals:
    """Return the totals of a single group of all invocations.

    Args:
        groups: The group, or none if no invocation matches.
        recorded: Whether the store was read, so that no LLM calls are 0.
    """
    if groups.groups:
        return groups.groups[0].totals
    return Totals(0, {}, 0, Tokens(0, 0), Cost(0.0, 0)) if recorded else Totals(0)


@dataclass
class _Counted:
    by_status: dict[Status, int] = field(default_factory=lambda: dict[Status, int]())
    times: list[datetime] = field(default_factory=lambda: list[datetime]())

    def add(self, row: Mapping[str, Any]) -> None:
        status = cast("Status", row["status"])
        self.by_status[status] = self.by_status.get(status, 0) + as_int(row["invocations"])
        self.times += [at for name in ("first_at", "last_at") if (at := parse_time(row[name]))]

    @property
    def invocations(self) -> int:
        return sum(self.by_status.values())

    @property
    def period(self) -> tuple[datetime, datetime]:
        return min(self.times), max(self.times)


def _parts(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row of `LiveInvocations.grouped` as one for the first invocation and the others."""
    part = {"name": row["name"], "state": row["status"]}
    others = as_int(row["invocations"]) - 1
    return [
        part | {"created_at": str(row["first_at"]), "number": 1},
        *([part | {"created_at": str(row["last_at"]), "number": others}] if others else []),
    ]


def _group(row: Mapping[str, Any]) -> InvocationGroup:
    first, last = parse_time(row["first_at"]), parse_time(row["last_at"])
    assert first is not None
    assert last is not None
    calls, unpriced = as_int(row["llm_calls"]), as_int(row["unpriced"])
    usd = None if calls and calls == unpriced else float(row["cost"])
    totals = Totals(
        invocations=as_int(row["invocations"]),
        by_status=_by_status(as_list(as_json(row["by_status"]))),
        llm_calls=calls,
        tokens=Tokens(as_int(row["tokens_in"]), as_int(row["tokens_out"])),
        cost=Cost(usd, unpriced),
    )
    return InvocationGroup(str(row["name"] or ""), totals, first, last)


def _by_status(numbers: Iterable[object]) -> dict[Status, int]:
    pairs = zip(_STATUSES, map(as_int, numbers), strict=True)
    return {status: number for status, number in pairs if number}
