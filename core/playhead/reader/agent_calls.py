"""Single calls of models and tools, the first in an order."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from playhead.filters.language import Filter
from playhead.filters.prices import PRICES_CTE, price_join
from playhead.model import AgentCall, AgentCallPage, CallChoice, CallOrder, CallOutcome, Cost
from playhead.prices import COST_SQL
from playhead.reader.listing.matching import matching
from playhead.record.client import StoreClient
from playhead.values import as_int, as_text

__all__ = ["read_agent_calls"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ORDERS: Mapping[CallOrder, str] = {
    "newest": "started_us DESC",
    "slowest": "duration DESC NULLS LAST, started_us DESC",
    "tokens": "coalesce(input_tokens, 0) + coalesce(output_tokens, 0) DESC, started_us DESC",
    "cost": "usd DESC NULLS LAST, started_us DESC",
}
_OUTCOMES: Mapping[CallOutcome, str] = {
    "succeeded": "succeeded",
    "failed": "NOT succeeded AND failed",
    "interrupted": "NOT succeeded AND NOT failed AND duration IS NOT NULL",
    "not ended": "NOT succeeded AND NOT failed AND duration IS NULL",
}
# As the sums of `playhead.store.figures`: a call repeats an earlier one of the same step.
_REPEATED = """logical_id IS NOT NULL AND row_number() OVER (
  PARTITION BY invocation_id, kind, coalesce(agent, ''), coalesce(name, ''), logical_id
  ORDER BY started_us, span_id) > 1"""


async def read_agent_calls(
    client: StoreClient,
    wanted: Filter,
    now: datetime,
    choice: CallChoice,
    *,
    order: CallOrder,
    limit: int,
) -> AgentCallPage:
    """Return the first calls in an order, each once, replayed ones left out.

    Args:
        client: The store.
        wanted: Only calls of invocations that match.
        now: The time from which ages are counted.
        choice: Which calls.
        order: The order; with equal values, the newest come first.
        limit: Maximum number of calls.

    Raises:
        FilterError: The filter has conditions that are not stored.
        RecorderError: The store cannot be read.
        QueryError: The store was written by an older recorder.
    """
    found = await matching(client, wanted, now, priced=True, counted=True)
    selected, params = found.condition.select("i.id AS id")
    conditions, values = _conditions(choice)
    if wanted:
        conditions.append("invocation_id IN (SELECT id FROM matching)")
    chosen = f"SELECT * FROM ({found.calls}) WHERE {' AND '.join(conditions) or 'true'}"
    outcome = _OUTCOMES[choice.outcome] if choice.outcome else "true"
    # Which calls are repeated depends on all calls of an invocation. Unless only these are wanted,
    # it is computed for the invocations of the result, which spares a sort of all calls.
    if choice.repeated:
        chosen = f"SELECT *, {_REPEATED} AS repeated FROM ({chosen})"
        outcome += " AND repeated"
        marks = "SELECT trace_id AS trace, span_id AS span FROM top"
    else:
        marks = f"""
  SELECT trace_id AS trace, span_id AS span, {_REPEATED} AS repeated FROM ({found.calls})
  WHERE invocation_id IS NULL OR invocation_id IN (SELECT invocation_id FROM top)"""
    query = f"""
WITH {PRICES_CTE}, matching AS MATERIALIZED ({selected}), chosen AS ({chosen}),
top AS MATERIALIZED (
  SELECT call.*, {COST_SQL} AS usd FROM chosen AS call {price_join("call")}
  WHERE {outcome} ORDER BY {_ORDERS[order]} LIMIT {limit + 1}
)
SELECT * FROM top
LEFT JOIN ({marks}) AS mark ON trace = trace_id AND span = span_id
LEFT JOIN (SELECT id, target FROM invocations) AS caller ON caller.id = top.invocation_id
LEFT JOIN (
  SELECT invocation_id AS answered, answered_us, "index" AS entry FROM journal_llm_calls
) AS answer ON top.span_id IS NULL AND answered = top.invocation_id AND answered_us = started_us
ORDER BY {_ORDERS[order]}
"""
    rows = await client.rows(query, [found.prices, *params, *values])
    return AgentCallPage(tuple(map(_call, rows[:limit])), more=len(rows) > limit)


def _conditions(choice: CallChoice) -> tuple[list[str], list[Any]]:
    pairs = (
        ("kind = ?", choice.kind),
        ("coalesce(agent, '') = ?", choice.agent),
        ("coalesce(name, '') = ?", choice.name),
    )
    chosen = [(text, value) for text, value in pairs if value is not None]
    return [text for text, _ in chosen], [value for _, value in chosen]


def _call(row: Mapping[str, Any]) -> AgentCall:
    cost = None
    if row["kind"] == "model" and row["succeeded"]:
        cost = Cost(row["usd"], int(row["usd"] is None))
    return AgentCall(
        kind=row["kind"],
        agent=as_text(row["agent"]) or "",
        name=as_text(row["name"]) or "",
        outcome=_outcome(row),
        started_at=EPOCH + timedelta(microseconds=as_int(row["started_us"])),
        seconds=row["duration"],
        repeated=bool(row["repeated"]),
        provider=as_text(row["provider"]),
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        cached_tokens=row["cache_read_tokens"],
        reasoning_tokens=row["reasoning_tokens"],
        cost=cost,
        invocation_id=as_text(row["invocation_id"]),
        target=as_text(row["target"]),
        trace_id=as_text(row["trace_id"]),
        span_id=as_text(row["span_id"]),
        index=row["entry"],
    )


def _outcome(row: Mapping[str, Any]) -> CallOutcome:
    if row["succeeded"]:
        return "succeeded"
    if row["failed"]:
        return "failed"
    return "not ended" if row["duration"] is None else "interrupted"
