"""Figures of agents: their calls of models and tools, and the steps of services."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from playhead.filters.language import Filter
from playhead.filters.prices import PRICES_CTE, price_join
from playhead.model import AgentFigures, AgentReport, Cost, FigureKind
from playhead.prices import COST_SQL
from playhead.reader.listing.matching import figures_built, matching
from playhead.record.client import StoreClient
from playhead.store.figures import figure_rows
from playhead.values import as_int, as_text

__all__ = ["read_agents"]

PERIODS = 12
"""Periods of a trend."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MATCHING = "SELECT id FROM matching"

# The sums of calls and steps know what has to be counted per invocation. Counting distinct ids of a
# million calls would take longer than everything else.
_SUMS = """
sums AS (
  SELECT kind, agent, name, sum(invocations)::BIGINT AS invocations,
    sum(repeated)::BIGINT AS repeated FROM ({figures}) GROUP BY ALL
)"""
_QUANTILES = """quantile_disc(duration, [0.5, 0.95]) FILTER (succeeded) AS quantiles"""
_COUNTS = f"""
SELECT kind, coalesce(agent, '') AS agent, coalesce(name, '') AS name,
  count(*) FILTER (succeeded) AS calls, count(*) FILTER (failed) AS errors, {_QUANTILES}"""
_TOTALS = """SELECT agent, name, calls, errors, repeated AS retries, invocations,
  quantiles[1] AS p50, quantiles[2] AS p95"""

_MODELS = f"""
, {_SUMS}, counts AS ({_COUNTS},
  coalesce(sum(input_tokens) FILTER (succeeded), 0)::BIGINT AS input,
  coalesce(sum(output_tokens) FILTER (succeeded), 0)::BIGINT AS output,
  coalesce(sum(cache_read_tokens) FILTER (succeeded), 0)::BIGINT AS cached,
  coalesce(sum(reasoning_tokens) FILTER (succeeded), 0)::BIGINT AS reasoning,
  sum(usd) FILTER (succeeded) AS usd, count(*) FILTER (succeeded AND usd IS NULL) AS unpriced
FROM (
  SELECT call.*, {COST_SQL} AS usd FROM ({{calls}}) AS call {price_join("call")}
  WHERE call.kind = 'model' AND {{chosen}}
) GROUP BY kind, coalesce(agent, ''), coalesce(name, ''))
{_TOTALS}, input, output, cached, reasoning, usd, unpriced
FROM counts JOIN sums USING (kind, agent, name)
"""
_TOOLS = f"""
, {_SUMS}, counts AS ({_COUNTS}
FROM ({{calls}}) WHERE kind = 'tool' AND {{chosen}}
GROUP BY kind, coalesce(agent, ''), coalesce(name, ''))
{_TOTALS} FROM counts JOIN sums USING (kind, agent, name)
"""
_STEPS = """
, steps AS {materialized} ({figures}), times AS (
  SELECT agent, name, quantile_disc(duration, [0.5, 0.95]) AS quantiles
  FROM (SELECT agent, name, unnest(durations) AS duration FROM steps) GROUP BY ALL
), sums AS (
  SELECT agent, name, sum(succeeded)::BIGINT AS calls,
    greatest(sum(failed) + sum(tried), sum(executed))::BIGINT AS errors,
    greatest(sum(tried), sum(repeated))::BIGINT AS retries,
    sum(invocations)::BIGINT AS invocations
  FROM steps GROUP BY ALL HAVING sum(counted) > 0
)
SELECT agent, name, calls, errors, retries, invocations,
  quantiles[1] AS p50, quantiles[2] AS p95
FROM sums LEFT JOIN times USING (agent, name)
"""

# All rows have the same periods, so that their trends can be compared.
_TRENDS = f"""
, counted AS MATERIALIZED (
  SELECT kind, coalesce(agent, '') AS agent, coalesce(name, '') AS name, started_us
  FROM ({{calls}}) WHERE {{chosen}} AND list_contains(?, kind)
), span AS (
  SELECT min(started_us) AS since_us, max(started_us) AS until_us FROM counted
)
SELECT kind, agent, name, since_us, until_us, count(*) AS calls,
  least((started_us - since_us) * {PERIODS} // greatest(until_us - since_us, 1), {PERIODS - 1})
    AS period
FROM counted, span GROUP BY ALL
"""
_Key = tuple[str, str, str]


async def read_agents(
    client: StoreClient, wanted: Filter, now: datetime, kinds: Collection[FigureKind]
) -> AgentReport:
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
    found = await matching(client, wanted, now, priced="model" in kinds, counted="tool" in kinds)
    selected, params = found.condition.select("i.id AS id")
    # Without conditions, calls of invocations that were not copied count, too.
    chosen_calls = f"invocation_id IN ({_MATCHING})" if wanted else "true"
    head = f"matching AS MATERIALIZED ({selected})"
    built = await figures_built(client)
    ids = _MATCHING if wanted else ""
    sums = figure_rows("call", built=built, ids=ids, calls=found.calls)
    steps = figure_rows("step", built=built, ids=ids)
    # Reading the narrow table twice takes less than a copy of its rows.
    materialized = "NOT MATERIALIZED" if built else "MATERIALIZED"
    queries: dict[FigureKind, tuple[str, list[Any]]] = {
        "model": (
            f"WITH {PRICES_CTE}, {head}"
            f"{_MODELS.format(calls=found.calls, figures=sums, chosen=chosen_calls)}",
            [found.prices, *params],
        ),
        "tool": (
            f"WITH {head}{_TOOLS.format(calls=found.calls, figures=sums, chosen=chosen_calls)}",
            params,
        ),
        "step": (f"WITH {head}{_STEPS.format(figures=steps, materialized=materialized)}", params),
    }
    chosen: list[FigureKind] = [kind for kind in queries if kind in kinds]
    called = [kind for kind in chosen if kind != "step"]
    trends = f"WITH {head}{_TRENDS.format(calls=found.calls, chosen=chosen_calls)}"
    *answers, periods = await asyncio.gather(
        *(client.rows(*queries[kind]) for kind in chosen),
        client.rows(trends, [*params, called]) if called else _nothing(),
    )
    trend = _trends(periods)
    figures = [
        _figures(kind, row, trend)
        for kind, rows in zip(chosen, answers, strict=True)
        for row in rows
    ]
    order = list(queries)
    figures.sort(key=lambda one: (order.index(one.kind), -one.calls, one.agent, one.name))
    since, until = (periods[0][name] if periods else None for name in ("since_us", "until_us"))
    return AgentReport(tuple(figures), _time(since), _time(until))


async def _nothing() -> list[dict[str, Any]]:
    return []


def _time(us: int | None) -> datetime | None:
    return None if us is None else EPOCH + timedelta(microseconds=us)


def _trends(rows: Iterable[Mapping[str, Any]]) -> dict[_Key, tuple[int, ...]]:
    found: dict[_Key, list[int]] = {}
    for row in rows:
        trend = found.setdefault((row["kind"], row["agent"], row["name"]), [0] * PERIODS)
        trend[as_int(row["period"])] = as_int(row["calls"])
    return {key: tuple(trend) for key, trend in found.items()}


def _figures(
    kind: FigureKind, row: Mapping[str, Any], trends: Mapping[_Key, tuple[int, ...]]
) -> AgentFigures:
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
        trend=trends.get((kind, row["agent"] or "", row["name"] or ""), ()),
    )
