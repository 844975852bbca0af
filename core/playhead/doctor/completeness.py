"""Checks of what is missing or repeated in the spans: lost attempts, late or repeated spans."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from playhead.conventions import (
    ATTEMPT_SPAN_ID,
    EXECUTED_LLM_CALL,
    MODEL_STEPS,
    SERVER_SERVICE,
    attribute_sql,
)
from playhead.doctor.check import Check, passed, skipped, warning
from playhead.errors import PlayheadError
from playhead.formatting import attempts, duration
from playhead.model import Invocation
from playhead.reader.reader import Reader
from playhead.record.client import StoreClient
from playhead.restate.client import RestateClient
from playhead.values import as_dict

__all__ = ["completeness"]

NAMES = ("attempts", "bridge", "span delay")
RECENT = 50
DAY_SECONDS = 86400.0
LATE_SECONDS = 2.0
"""Delay from which a screen is visibly behind what happened."""
EXPORT_TIME = timedelta(seconds=12)
"""Time after an invocation's end by which the spans of all its attempts have arrived."""
SHOWN = 3

_STEPS = ", ".join(f"'{name}'" for name in sorted(MODEL_STEPS))

_WITHOUT_BRIDGE = f"""
SELECT service_name AS service, invocation_id IS NOT NULL AS joined, count(*) AS calls
FROM spans
WHERE end_unix_nano > 0 AND {EXECUTED_LLM_CALL.sql()}
  AND {attribute_sql(ATTEMPT_SPAN_ID)} IS NULL AND start_unix_nano >= ?
GROUP BY ALL ORDER BY service_name
"""
"""LLM calls of the last day that do not name their attempt, as only the bridge does."""

_CALLS = f"""
SELECT count(*) AS calls FROM spans
WHERE end_unix_nano > 0 AND {EXECUTED_LLM_CALL.sql()} AND start_unix_nano >= ?
"""
"""LLM calls of the last day."""

_WITHOUT_SPANS = f"""
SELECT count(DISTINCT j.id) AS invocations FROM journal j
WHERE j.entry_type = 'Command: Run' AND j.name IN ({_STEPS})
  AND j.appended_at >= to_timestamp(?)
  AND NOT EXISTS (
    SELECT 1 FROM spans s WHERE s.invocation_id = j.id AND s.service_name <> '{SERVER_SERVICE}'
  )
"""
"""Invocations of the last day that called a model, and have no span of an agent."""


async def completeness(
    client: RestateClient, store: StoreClient | None, *, agents_on_time: bool
) -> list[Check]:
    """Check that no attempt is lost, that no span is repeated, and that spans arrive at once.

    Args:
        client: The Restate server.
        store: Client of the store; None without a store.
        agents_on_time: Whether the clocks of the agents agree with the server's. Otherwise the
            delay of their spans is unknown.
    """
    if store is None:
        return [skipped(name, "there is no store") for name in NAMES]
    since = time.time() - DAY_SECONDS
    try:
        page = await Reader(client, store).invocations(limit=RECENT)
        unbridged = await store.rows(_WITHOUT_BRIDGE, [int(since * 1e9)])
        [bare] = await store.rows(_WITHOUT_SPANS, [since])
        [calls] = await store.rows(_CALLS, [int(since * 1e9)])
        health = await store.health()
    except PlayheadError as error:
        return [skipped(name, error.title) for name in NAMES]
    journals = as_dict(as_dict(health).get("journals"))
    copies = bool(journals) and not journals.get("problem")
    return [
        _attempts(page.rows, copies=copies),
        _bridge(unbridged, int(calls["calls"]), int(bare["invocations"])),
        _delay(as_dict(health), agents_on_time=agents_on_time),
    ]


def _is_settled(row: Invocation) -> bool:
    """Return whether the server has sent the spans of all attempts, or the count is certain."""
    if row.attempts is not None or row.completed_at is None:
        return True
    return datetime.now(UTC) - row.completed_at > EXPORT_TIME


def _attempts(rows: Sequence[Invocation], *, copies: bool) -> Check:
    """Compare the attempts that are certain with what the other sources know."""
    if not copies:
        return skipped("attempts", "the recorder copies no journals to compare with")
    ended = [row for row in rows if row.ended and row.trace_id and _is_settled(row)]
    known = [row for row in ended if row.attempts is not None]
    lost = [row for row in ended if row.attempts is None and row.attempts_at_least]
    if not ended or not (known or lost):
        return skipped("attempts", "no traced invocation has ended yet")
    if lost:
        named = ", ".join(f"{row.id} ({attempts(row)})" for row in lost[:SHOWN])
        more = ", …" if lost[SHOWN:] else ""
        return warning(
            "attempts",
            "attempt-spans-lost",
            f"spans of attempts are missing in {len(lost)} of the last {len(ended)} invocations "
            f"that ended: {named}{more}",
            "They were sent while no recorder was running, or were lost with a server that was "
            "killed. Keep the recorder running; the counts of these invocations stay a minimum.",
        )
    return passed("attempts", f"complete for the last {len(known)} traced invocations that ended")


def _bridge(rows: Sequence[Mapping[str, Any]], calls: int, bare: int) -> Check:
    """Find LLM calls of invocations without the bridge.

    Outside of an invocation's trace, a call may also belong to a program without Restate. So it
    counts only if some invocations called a model and have no spans of agents.
    """
    if not calls and not bare:
        return skipped("bridge", "no LLM call was recorded in the last day")
    rows = [row for row in rows if row["joined"] or bare]
    if not rows:
        return passed("bridge", "every LLM call of an invocation names its attempt")
    services = ", ".join(f"{row['service']} ({row['calls']})" for row in rows)
    return warning(
        "bridge",
        "agents-without-bridge",
        f"LLM calls without the tracing bridge: {services}; their spans are repeated at each "
        "attempt",
        "In that service, install the distribution playhead-tracing and serve "
        "`playhead_tracing.instrument(restate.app([...]))`.",
    )


def _delay(health: Mapping[str, Any], *, agents_on_time: bool) -> Check:
    delays = as_dict(health.get("span_delays"))
    if not agents_on_time:
        delays = {name: delay for name, delay in delays.items() if name == SERVER_SERVICE}
    if not delays:
        return skipped("span delay", "no span has arrived since the recorder started")
    late = {name: float(d) for name, d in delays.items() if float(d) > LATE_SECONDS}
    if SERVER_SERVICE in late:
        return warning(
            "span delay",
            "spans-late",
            f"the server sends its spans {duration(late[SERVER_SERVICE])} after their end",
            "Set OTEL_BSP_SCHEDULE_DELAY=500 in the server's environment.",
        )
    if late:
        named = ", ".join(f"{name} ({duration(seconds)})" for name, seconds in late.items())
        return warning(
            "span delay",
            "spans-late",
            f"spans arrive late from {named}",
            "Set OTEL_BSP_SCHEDULE_DELAY=500 in the environment of these services, or synchronize "
            "their clocks with NTP.",
        )
    slowest = max(float(d) for d in delays.values())
    return passed("span delay", f"spans arrive within {duration(max(slowest, 0.0))}")
