"""SQL queries for a Restate server about virtual objects, workflows, services and deployments.

A condition on a whole `service_key` makes the server read one partition only; `objects` and
`pinned_counts` scan.
"""

from __future__ import annotations

from collections.abc import Sequence

from playhead.restate.queries import quote

__all__ = [
    "holder",
    "objects",
    "pinned_counts",
    "promises",
    "queue",
    "queued_at",
]


def objects(service: str, text: str, limit: int) -> str:
    """Select the objects with state, promises, a lock holder or a queue. Scans these tables.

    Args:
        service: Only those of this service; empty for all.
        text: Only those whose `Service/key` contains this text, in any case.
        limit: Maximum number of rows; `total` counts all.
    """
    conditions = [f"service_name = {quote(service)}"] if service else []
    if text:
        name = "lower(concat(service_name, '/', service_key))"
        conditions.append(f"strpos({name}, {quote(text.lower())}) > 0")
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    parts = {
        "state": "1 AS keys, value_length AS bytes, 0 AS promises, 0 AS queued, NULL AS holder",
        "sys_promise": "0, 0, 1, 0, NULL",
        "sys_inbox": "0, 0, 0, 1, NULL",
        "sys_keyed_service_status": "0, 0, 0, 0, invocation_id",
    }
    union = " UNION ALL ".join(
        f"SELECT service_name, service_key, {columns} FROM {table}{where}"
        for table, columns in parts.items()
    )
    return (
        "SELECT service_name, service_key, sum(keys) AS keys, sum(bytes) AS bytes,"
        " sum(promises) AS promises, sum(queued) AS queued, max(holder) AS holder,"
        f" count(*) OVER () AS total FROM ({union}) GROUP BY service_name, service_key"
        f" ORDER BY service_name, service_key LIMIT {int(limit)}"
    )


def _on(service: str, key: str) -> str:
    return f"service_name = {quote(service)} AND service_key = {quote(key)}"


def promises(service: str, key: str) -> str:
    """Select the promises of a workflow, with their values."""
    return (
        "SELECT key, completed, completion_success_value, completion_failure FROM sys_promise"
        f" WHERE {_on(service, key)} ORDER BY key"
    )


def holder(service: str, key: str) -> str:
    """Select the invocation that holds the lock."""
    return f"SELECT invocation_id FROM sys_keyed_service_status WHERE {_on(service, key)}"


def queue(service: str, key: str) -> str:
    """Select the invocations that wait for the lock, the next one first."""
    return f"SELECT id FROM sys_inbox WHERE {_on(service, key)} ORDER BY sequence_number LIMIT 1000"


def queued_at(ids: Sequence[str]) -> str:
    """Select since when invocations wait for the lock: `created_at` of `sys_inbox` is empty."""
    return (
        "SELECT id, inboxed_at FROM sys_invocation_status"
        f" WHERE id IN ({', '.join(map(quote, ids))})"
    )


def pinned_counts() -> str:
    """Count invocations by service, deployment and status. Scans the status of all of them."""
    return (
        "SELECT target_service_name, pinned_deployment_id, status, count(*) AS number"
        " FROM sys_invocation GROUP BY target_service_name, pinned_deployment_id, status"
    )
