"""Checks of the spans of recent invocations, from the server and from the agents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from playhead.conventions import (
    ATTEMPT_SPAN,
    ATTEMPT_SPAN_ID,
    INTERRUPTED,
    SERVER_SERVICE,
    attribute_sql,
    name_sql,
)
from playhead.doctor.check import Check, failed, passed, skipped, warning
from playhead.errors import QueryError, RecorderError, RestateError
from playhead.formatting import duration
from playhead.model.status import server_status_sql
from playhead.record.client import StoreClient
from playhead.restate import queries
from playhead.restate.client import RestateClient

__all__ = ["spans"]

RECENT = 50
MAX_SKEW_SECONDS = 0.1
"""Time by which an agent's span may start before its attempt, or end after it."""

_ARRIVED = f"""
SELECT ids.id AS id,
  coalesce(bool_or(
    s.service_name = '{SERVER_SERVICE}' AND {name_sql(ATTEMPT_SPAN, span="s")}
  ), false) AS attempts,
  coalesce(bool_or(s.service_name <> '{SERVER_SERVICE}'), false) AS agents
FROM (SELECT unnest(?::VARCHAR[]) AS id) ids
LEFT JOIN spans s ON s.invocation_id = ids.id
GROUP BY ids.id
"""

_CLOCKS = f"""
SELECT
  max((attempt.start_unix_nano::HUGEINT - agent.start_unix_nano::HUGEINT) / 1e9) AS behind,
  max((agent.end_unix_nano::HUGEINT - attempt.end_unix_nano::HUGEINT) / 1e9)
    FILTER (agent.end_unix_nano > 0 AND attempt.end_unix_nano > 0
      AND attempt.status_code <> 'error' AND {attribute_sql(INTERRUPTED, span="agent")} IS NULL
    ) AS ahead
FROM spans agent JOIN spans attempt
  ON attempt.trace_id = agent.trace_id
  AND attempt.span_id = {attribute_sql(ATTEMPT_SPAN_ID, span="agent")}
WHERE agent.invocation_id IN (SELECT unnest(?::VARCHAR[]))
"""
"""A span of an attempt that did not fail lies within it, unless the clocks differ."""

_WITH_STEPS = """
SELECT DISTINCT id FROM journal
WHERE id IN (SELECT unnest(?::VARCHAR[])) AND entry_type = 'Command: Run'
"""


async def spans(client: RestateClient, store: StoreClient | None, otlp_port: int) -> list[Check]:
    """Check the spans of the newest invocations that have ended.

    Args:
        client: The Restate server.
        store: Client of the store with the spans; None without a store.
        otlp_port: The recorder's port for OTLP over HTTP, named in hints.
    """
    names = ("server spans", "agent spans", "agent clocks")
    try:
        found = await client.query(
            queries.ids(RECENT, server_status_sql(("succeeded", "failed"))[0])
        )
        ids = [str(row["id"]) for row in found]
        rows = await client.query(queries.invocations(ids)) if ids else []
    except RestateError:
        return [skipped(name, "no server answers") for name in names]
    rows = [row for row in rows if row.get("running_at")]
    if not rows:
        return [skipped(name, "no invocation has ended yet") for name in names]
    no_tracing = _tracing_off(rows, otlp_port)
    if store is None:
        return [
            no_tracing or skipped(names[0], "there is no store"),
            *(skipped(n, "there is no store") for n in names[1:]),
        ]
    ids = [str(row["id"]) for row in rows]
    try:
        arrived = {row["id"]: row for row in await store.rows(_ARRIVED, [ids])}
        durable = {row["id"] for row in await store.rows(_WITH_STEPS, [ids])}
        [clocks] = await store.rows(_CLOCKS, [ids])
    except (RecorderError, QueryError) as error:
        return [skipped(name, error.title) for name in names]
    return [
        no_tracing or _from_server(rows, arrived, otlp_port),
        _from_agents(rows, arrived, durable),
        _agent_clocks(clocks),
    ]


def _tracing_off(rows: Sequence[Mapping[str, Any]], otlp_port: int) -> Check | None:
    if any(row.get("trace_id") for row in rows):
        return None
    return failed(
        "server spans",
        "server-tracing-off",
        f"server tracing is off: none of the last {len(rows)} invocations has a trace id",
        f"Start the server with --tracing-endpoint otlp+http://127.0.0.1:{otlp_port}/v1/traces",
    )


def _from_server(
    rows: Sequence[Mapping[str, Any]], arrived: Mapping[str, Mapping[str, Any]], otlp_port: int
) -> Check:
    traced = [row for row in rows if row.get("trace_id")]
    arrived_count = sum(bool(arrived[row["id"]]["attempts"]) for row in traced)
    finding = f"received for {arrived_count} of the last {len(traced)} invocations"
    if not arrived_count:
        return failed(
            "server spans",
            "server-spans-elsewhere",
            f"server tracing is on, but no span of the last {len(traced)} invocations arrived",
            f"Set the server's --tracing-endpoint to otlp+http://127.0.0.1:{otlp_port}/v1/traces,"
            " or to a collector that forwards to it. Invocations that ended before the recorder"
            " started have no spans.",
        )
    if arrived_count < len(traced):
        return warning(
            "server spans",
            "server-spans-missing",
            finding,
            "The other invocations ran without a recorder, their spans are late, or the Collector"
            " was away: the server does not send spans again.",
        )
    return passed("server spans", finding)


def _from_agents(
    rows: Sequence[Mapping[str, Any]],
    arrived: Mapping[str, Mapping[str, Any]],
    durable: set[str],
) -> Check:
    """Check invocations with durable steps: the tracing bridge sends a span for every such step."""
    ran = [row for row in rows if row["id"] in durable]
    if not ran:
        return skipped("agent spans", "no recent invocation had a durable step")
    untraced = [row for row in ran if not arrived[row["id"]]["agents"]]
    count = len(ran) - len(untraced)
    finding = f"received for {count} of the last {len(ran)} invocations with durable steps"
    if not untraced:
        return passed("agent spans", finding)
    services = sorted({str(row.get("target_service_name")) for row in untraced})
    named = ", ".join(services[:5]) + (" …" if services[5:] else "")
    traced = {str(row.get("target_service_name")) for row in ran if row not in untraced}
    if not set(services) - traced:
        return warning(
            "agent spans",
            "agent-spans-missing",
            finding,
            "The other invocations ran without a recorder.",
        )
    return failed(
        "agent spans",
        "agent-spans-missing",
        f"{finding}; none from {named}: the tracing bridge is missing there, or sends elsewhere",
        "In that service, install the distribution playhead-tracing and serve"
        " `playhead_tracing.instrument(restate.app([...]))`,"
        " or check OTEL_EXPORTER_OTLP_ENDPOINT.",
    )


def _agent_clocks(differences: Mapping[str, Any]) -> Check:
    """Compare the agents' spans with the attempts that contain them."""
    name = "agent clocks"
    behind, ahead = differences["behind"], differences["ahead"]
    hint = (
        "Synchronize the clocks of agents and server with NTP. Timelines are corrected meanwhile."
    )
    if behind is None:
        return skipped(name, "no spans of agents arrived")
    if behind > MAX_SKEW_SECONDS:
        return warning(
            name,
            "agent-clock-behind",
            f"agents' spans start up to {duration(behind)} before their attempts: the agents' "
            "clock is behind the server's",
            hint,
        )
    if ahead is not None and ahead > MAX_SKEW_SECONDS:
        return warning(
            name,
            "agent-clock-ahead",
            f"agents' spans end up to {duration(ahead)} after their attempts: the agents' clock "
            "is ahead of the server's",
            hint,
        )
    return passed(name, "the clocks of agents and server agree")
