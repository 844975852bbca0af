"""Whether spans of recent invocations arrive, from the server and from the agents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from playhead.conventions import (
    ATTEMPT_SPAN,
    ATTEMPT_SPAN_ID,
    SERVER_SERVICE,
    attribute_sql,
    name_sql,
)
from playhead.doctor.check import Check, fault, fine, skipped, warning
from playhead.errors import QueryError, RecorderError, RestateError
from playhead.model import Filters
from playhead.record.client import StoreClient
from playhead.restate import queries
from playhead.restate.client import RestateClient

__all__ = ["spans"]

RECENT = 50
MAX_SKEW_SECONDS = 0.1
"""An agent's span that begins so much before the attempt it belongs to shows clocks apart."""

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

_EARLY = f"""
SELECT max((attempt.start_unix_nano::HUGEINT - agent.start_unix_nano::HUGEINT) / 1e9) AS seconds
FROM spans agent JOIN spans attempt
  ON attempt.trace_id = agent.trace_id
  AND attempt.span_id = {attribute_sql(ATTEMPT_SPAN_ID, span="agent")}
WHERE agent.invocation_id IN (SELECT unnest(?::VARCHAR[]))
"""

_WITH_STEPS = """
SELECT DISTINCT id FROM journal
WHERE id IN (SELECT unnest(?::VARCHAR[])) AND entry_type = 'Command: Run'
"""


async def spans(client: RestateClient, source: StoreClient | None, otlp_port: int) -> list[Check]:
    """Looks at the newest invocations that have run and ended."""
    names = ("server spans", "agent spans", "agent clocks")
    try:
        found = await client.query(queries.ids(RECENT, Filters(statuses=("succeeded", "failed"))))
        ids = [str(row["id"]) for row in found]
        rows = await client.query(queries.invocations(ids)) if ids else []
    except RestateError:
        return [skipped(name, "no server") for name in names]
    rows = [row for row in rows if row.get("running_at")]
    if not rows:
        return [skipped(name, "no invocation has ended yet") for name in names]
    off = _tracing_off(rows, otlp_port)
    if source is None:
        return [
            off or skipped(names[0], "no recorder"),
            *(skipped(n, "no recorder") for n in names[1:]),
        ]
    ids = [str(row["id"]) for row in rows]
    try:
        arrived = {row["id"]: row for row in await source.rows(_ARRIVED, [ids])}
        durable = {row["id"] for row in await source.rows(_WITH_STEPS, [ids])}
        early = await source.rows(_EARLY, [ids])
    except (RecorderError, QueryError) as error:
        return [skipped(name, str(error)) for name in names]
    return [
        off or _from_server(rows, arrived, otlp_port),
        _from_agents(rows, arrived, durable),
        _agent_clocks(early[0]["seconds"] if early else None),
    ]


def _tracing_off(rows: Sequence[Mapping[str, Any]], otlp_port: int) -> Check | None:
    if any(row.get("trace_id") for row in rows):
        return None
    return fault(
        "server spans",
        f"the server traces nothing: none of its last {len(rows)} invocations has a trace id",
        f"Start it with --tracing-endpoint otlp+http://127.0.0.1:{otlp_port}/v1/traces",
    )


def _from_server(
    rows: Sequence[Mapping[str, Any]], arrived: Mapping[str, Mapping[str, Any]], otlp_port: int
) -> Check:
    traced = [row for row in rows if row.get("trace_id")]
    came = sum(bool(arrived[row["id"]]["attempts"]) for row in traced)
    says = f"of {came} of the last {len(traced)} invocations"
    if not came:
        return fault(
            "server spans",
            f"the server traces, but none of its spans of the last {len(traced)} invocations came",
            f"Its --tracing-endpoint must be otlp+http://127.0.0.1:{otlp_port}/v1/traces, or a"
            " collector that forwards to it; or they ran before the recorder did.",
        )
    if came < len(traced):
        return warning(
            "server spans", says, "The others ran while no recorder did, or spans are late."
        )
    return fine("server spans", says)


def _from_agents(
    rows: Sequence[Mapping[str, Any]],
    arrived: Mapping[str, Mapping[str, Any]],
    durable: set[str],
) -> Check:
    """Only invocations with durable steps count: the bridge gives every such step a span."""
    ran = [row for row in rows if row["id"] in durable]
    if not ran:
        return skipped("agent spans", "no recent invocation had a durable step")
    silent = [row for row in ran if not arrived[row["id"]]["agents"]]
    says = f"of {len(ran) - len(silent)} of the last {len(ran)} invocations with durable steps"
    if not silent:
        return fine("agent spans", says)
    services = sorted({str(row.get("target_service_name")) for row in silent})
    named = ", ".join(services[:5]) + (" …" if services[5:] else "")
    spoke = {str(row.get("target_service_name")) for row in ran if row not in silent}
    if not set(services) - spoke:
        return warning("agent spans", says, "The others ran while no recorder did.")
    return fault(
        "agent spans",
        f"{says}; none from {named}: no bridge there, or it sends elsewhere",
        "In that service: pip install playhead-tracing, then"
        " app = playhead_tracing.instrument(restate.app([...])); see OTEL_EXPORTER_OTLP_ENDPOINT.",
    )


def _agent_clocks(early: float | None) -> Check:
    if early is None:
        return skipped("agent clocks", "no spans of agents to compare")
    if early > MAX_SKEW_SECONDS:
        return warning(
            "agent clocks",
            f"agents' spans begin up to {early:.2f} s before their attempts: clocks differ",
            "Let the machines of agents and server keep their time by NTP.",
        )
    return fine("agent clocks", "agents and server agree on the time")
