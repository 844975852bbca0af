"""Figures of agents: their calls of models and tools, and the steps of services."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from playhead import conventions as names
from playhead.filters.language import Filter
from playhead.filters.prices import PRICES_CTE, price_join
from playhead.filters.store import USED_MODELS, prices_of, stored_only
from playhead.model import AgentFigures, Cost, FigureKind
from playhead.prices import COST_SQL
from playhead.record.client import StoreClient
from playhead.store.views import LLM_CALLS, TOOL_CALLS
from playhead.values import as_int, as_text

__all__ = ["read_agents"]

_LOGICAL = f"coalesce({names.attribute_sql(names.LOGICAL_SPAN_ID)}, span_id)"
_DURATION = "(end_unix_nano - start_unix_nano)::DOUBLE / 1e9"
_FIGURES = """count(DISTINCT invocation_id) AS invocations,
  quantile_disc(duration, 0.5) FILTER (succeeded) AS p50,
  quantile_disc(duration, 0.95) FILTER (succeeded) AS p95"""

_MODELS = f"""
SELECT coalesce(agent, '') AS agent, coalesce(model, '') AS name,
  count(*) FILTER (succeeded) AS calls, count(*) FILTER (failed) AS errors,
  count(logical_id) - count(DISTINCT logical_id) AS retries,
  coalesce(sum(input_tokens) FILTER (succeeded), 0)::BIGINT AS input,
  coalesce(sum(output_tokens) FILTER (succeeded), 0)::BIGINT AS output,
  coalesce(sum(cache_read_tokens) FILTER (succeeded), 0)::BIGINT AS cached,
  coalesce(sum(reasoning_tokens) FILTER (succeeded), 0)::BIGINT AS reasoning,
  sum(usd) FILTER (succeeded) AS usd, count(*) FILTER (succeeded AND usd IS NULL) AS unpriced,
  {_FIGURES}
FROM (
  SELECT call.*, answered AS succeeded, status_code = 'error' AS failed, {COST_SQL} AS usd
  FROM ({{calls}}) AS call {price_join("call")}
  WHERE invocation_id IN (SELECT id FROM matching)
) GROUP BY ALL
"""
_TOOLS = f"""
SELECT coalesce(agent, '') AS agent, coalesce(name, '') AS name,
  count(*) FILTER (succeeded) AS calls, count(*) FILTER (failed) AS errors,
  count(*) - count(DISTINCT logical_id) AS retries, {_FIGURES}
FROM (
  SELECT *, ended AND status_code <> 'error' AS succeeded, status_code = 'error' AS failed
  FROM ({{calls}}) WHERE invocation_id IN (SELECT id FROM matching)
) GROUP BY ALL
"""
_STEPS = f"""
, commands AS (
  SELECT id, name, appended_at, TRY_CAST(entry_lite_json->>'$.Command.Run.completion_id' AS BIGINT)
    AS completion
  FROM journal WHERE entry_type = 'Command: Run' AND id IN (SELECT id FROM matching)
), results AS (
  SELECT id, appended_at,
    TRY_CAST(entry_lite_json->>'$.Notification.id.CompletionId' AS BIGINT) AS completion,
    coalesce(entry_lite_json->>'$.Notification.result', 'Success') AS outcome
  FROM journal WHERE entry_type = 'Notification: Run' AND id IN (SELECT id FROM matching)
), tried AS (
  SELECT invocations.target_service_name AS agent, event_json->>'$.related_command_name' AS name,
    count(*) AS failures
  FROM journal_events JOIN invocations USING (id)
  WHERE event_type = 'TransientError' AND id IN (SELECT id FROM matching)
    AND event_json->>'$.related_command_type' = 'Run'
  GROUP BY ALL
), executed AS (
  SELECT invocations.target_service_name AS agent,
    {names.attribute_sql(names.COMMAND_NAME)} AS name,
    count(*) FILTER (status_code = 'error') AS failures,
    count(*) - count(DISTINCT (invocation_id, {names.number_sql(names.COMMAND_INDEX)})) AS repeated
  FROM spans JOIN invocations ON invocations.id = invocation_id
  WHERE starts_with(spans.name, 'run ') AND invocation_id IN (SELECT id FROM matching)
    AND {names.attribute_sql(names.COMMAND_TYPE)} = 'Run'
    AND coalesce({names.attribute_sql(names.REPLAYED)}, '') <> 'true'
  GROUP BY ALL
), steps AS (
  SELECT coalesce(target_service_name, '') AS agent, coalesce(commands.name, '') AS name,
    commands.id AS invocation_id, coalesce(outcome = 'Failure', false) AS failed,
    coalesce(outcome <> 'Failure', false) AS succeeded,
    (epoch_us(results.appended_at) - epoch_us(commands.appended_at)) / 1e6 AS duration
  FROM commands JOIN invocations USING (id)
  LEFT JOIN results ON results.id = commands.id AND results.completion = commands.completion
)
SELECT steps.agent, steps.name, count(*) FILTER (succeeded) AS calls,
  greatest(count(*) FILTER (failed) + coalesce(any_value(tried.failures), 0),
    coalesce(any_value(executed.failures), 0)) AS errors,
  greatest(any_value(tried.failures), any_value(repeated), 0) AS retries, {_FIGURES}
FROM steps LEFT JOIN tried ON tried.agent = steps.agent AND tried.name = steps.name
  LEFT JOIN executed ON executed.agent = steps.agent AND executed.name = steps.name
GROUP BY steps.agent, steps.name
"""


def _calls(view: Any, columns: tuple[str, ...]) -> str:
    """Return the rows of a view of calls, with the duration and the logical id of their spans."""
    chosen = [column for column in view.columns if column.name in columns]
    own = ", ".join(f'{c.expression or c.name} AS "{c.name}"' for c in chosen)
    sql = (
        f"SELECT {own}, {names.AGENT_NAMES.sql()} AS agent, {_DURATION} AS duration,"
        f" {_LOGICAL} AS logical_id, end_unix_nano IS NOT NULL AS ended"
        f" FROM spans WHERE {view.where}"
    )
    if view.journal_where is None:
        return sql
    added = ", ".join(f"{column.journal}::{column.type}" for column in chosen)
    return (
        f"{sql} UNION ALL SELECT {added}, NULL, NULL, NULL, true FROM journal_llm_calls"
        f" WHERE {view.journal_where}"
    )


_MODEL_CALLS = _calls(
    LLM_CALLS,
    ("invocation_id", "provider", "model", "started_at", "answered", "status_code",
     "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens",
     "reasoning_tokens"),
)  # fmt: skip
_TOOL_CALLS = _calls(TOOL_CALLS, ("invocation_id", "tool", "status_code")).replace(
    'AS "tool"', 'AS "name"'
)


async def read_agents(
    client: StoreClient, wanted: Filter, now: datetime, kinds: Collection[FigureKind]
) -> tuple[AgentFigures, ...]:
    """Return the figures of calls, by agent and model, tool or step; the most calls first.

    Args:
        client: The store.
        wanted: Only calls of invocations that match.
        now: The time from which ages are counted.
        kinds: What to count.

    Raises:
        FilterError: The filter has conditions that are not stored.
        RecorderError: The store cannot be read.
        QueryError: The store was written by an older recorder.
    """
    prices = "[]"
    if wanted.needs_prices or "model" in kinds:
        prices = prices_of(await client.rows(USED_MODELS))
    matching, params = stored_only(wanted, now, prices=prices).select("i.id AS id")
    head = f"WITH matching AS MATERIALIZED ({matching})"
    priced = f"WITH {PRICES_CTE}, matching AS MATERIALIZED ({matching})"
    queries: dict[FigureKind, tuple[str, list[Any]]] = {
        "model": (priced + _MODELS.format(calls=_MODEL_CALLS), [prices, *params]),
        "tool": (head + _TOOLS.format(calls=_TOOL_CALLS), params),
        "step": (head + _STEPS, params),
    }
    chosen: list[FigureKind] = [kind for kind in queries if kind in kinds]
    found = await asyncio.gather(*(client.rows(*queries[kind]) for kind in chosen))
    figures = [
        _figures(kind, row) for kind, rows in zip(chosen, found, strict=True) for row in rows
    ]
    order = list(queries)
    figures.sort(key=lambda one: (order.index(one.kind), -one.calls, one.agent, one.name))
    return tuple(figures)


def _figures(kind: FigureKind, row: Mapping[str, Any]) -> AgentFigures:
    cost = None
    if kind == "model":
        usd, unpriced = row["usd"], as_int(row["unpriced"])
        cost = Cost(0.0 if usd is None and not unpriced else usd, unpriced)
    return AgentFigures(
        kind=kind,
        agent=as_text(row["agent"]) or "",
        name=as_text(row["name"]) or "",
        calls=as_int(row["calls"]),
        errors=as_int(row["errors"]),
        retries=as_int(row["retries"]),
        invocations=as_int(row["invocations"]),
        input_tokens=as_int(row.get("input")),
        output_tokens=as_int(row.get("output")),
        cached_tokens=as_int(row.get("cached")),
        reasoning_tokens=as_int(row.get("reasoning")),
        cost=cost,
        p50_seconds=row["p50"],
        p95_seconds=row["p95"],
    )
