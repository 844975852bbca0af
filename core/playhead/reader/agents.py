"""Figures of agents: their calls of models and tools, and the steps of services."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from playhead import conventions as names
from playhead.filters.language import Filter
from playhead.filters.prices import PRICES_CTE, price_join
from playhead.model import AgentFigures, Cost, FigureKind
from playhead.prices import COST_SQL
from playhead.reader.listing.matching import matching
from playhead.record.client import StoreClient
from playhead.values import as_int, as_text

__all__ = ["read_agents"]

_FIGURES = """count(DISTINCT invocation_id) AS invocations,
  quantile_disc(duration, 0.5) FILTER (succeeded) AS p50,
  quantile_disc(duration, 0.95) FILTER (succeeded) AS p95"""

_MODELS = f"""
SELECT coalesce(agent, '') AS agent, coalesce(name, '') AS name,
  count(*) FILTER (succeeded) AS calls, count(*) FILTER (failed) AS errors,
  count(logical_id) - count(DISTINCT logical_id) AS retries,
  coalesce(sum(input_tokens) FILTER (succeeded), 0)::BIGINT AS input,
  coalesce(sum(output_tokens) FILTER (succeeded), 0)::BIGINT AS output,
  coalesce(sum(cache_read_tokens) FILTER (succeeded), 0)::BIGINT AS cached,
  coalesce(sum(reasoning_tokens) FILTER (succeeded), 0)::BIGINT AS reasoning,
  sum(usd) FILTER (succeeded) AS usd, count(*) FILTER (succeeded AND usd IS NULL) AS unpriced,
  {_FIGURES}
FROM (
  SELECT call.*, {COST_SQL} AS usd FROM ({{calls}}) AS call {price_join("call")}
  WHERE call.kind = 'model' AND {{chosen}}
) GROUP BY ALL
"""
_TOOLS = f"""
SELECT coalesce(agent, '') AS agent, coalesce(name, '') AS name,
  count(*) FILTER (succeeded) AS calls, count(*) FILTER (failed) AS errors,
  count(*) - count(DISTINCT logical_id) AS retries, {_FIGURES}
FROM ({{calls}}) WHERE kind = 'tool' AND {{chosen}} GROUP BY ALL
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
    found = await matching(client, wanted, now, priced="model" in kinds)
    selected, params = found.condition.select("i.id AS id")
    # Without conditions, calls of invocations that were not copied count, too.
    chosen_calls = "invocation_id IN (SELECT id FROM matching)" if wanted else "true"
    head = f"matching AS MATERIALIZED ({selected})"
    queries: dict[FigureKind, tuple[str, list[Any]]] = {
        "model": (
            f"WITH {PRICES_CTE}, {head}{_MODELS.format(calls=found.calls, chosen=chosen_calls)}",
            [found.prices, *params],
        ),
        "tool": (f"WITH {head}{_TOOLS.format(calls=found.calls, chosen=chosen_calls)}", params),
        "step": (f"WITH {head}{_STEPS}", params),
    }
    chosen: list[FigureKind] = [kind for kind in queries if kind in kinds]
    answers = await asyncio.gather(*(client.rows(*queries[kind]) for kind in chosen))
    figures = [
        _figures(kind, row) for kind, rows in zip(chosen, answers, strict=True) for row in rows
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
