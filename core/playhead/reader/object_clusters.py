"""The clusters that a virtual object or workflow of the store is of: two may have the same one."""

from __future__ import annotations

from playhead.errors import AmbiguousObjectError
from playhead.record.client import StoreClient
from playhead.values import as_text

__all__ = ["cluster_of_history", "cluster_of_state"]

_OF_STATE = "SELECT cluster FROM state WHERE service_name = $1 AND service_key = $2"
_OF_INVOCATIONS = """
SELECT cluster FROM invocations WHERE target_service_name = $1 AND target_service_key = $2
"""


async def cluster_of_state(store: StoreClient, service: str, key: str) -> str | None:
    """Return the cluster whose state of an object is stored; None if that is not known.

    Args:
        store: The store.
        service: Name of the service.
        key: Key of the object.

    Raises:
        AmbiguousObjectError: The store has the state of several clusters.
    """
    return await _cluster(store, service, key, _OF_STATE)


async def cluster_of_history(store: StoreClient, service: str, key: str) -> str | None:
    """Return the cluster whose state or invocations of an object are stored, as above."""
    return await _cluster(store, service, key, f"{_OF_STATE} UNION {_OF_INVOCATIONS}")


async def _cluster(store: StoreClient, service: str, key: str, sql: str) -> str | None:
    rows = await store.rows(
        f"SELECT DISTINCT cluster FROM ({sql}) WHERE cluster IS NOT NULL ORDER BY cluster",
        [service, key],
    )
    names = [str(row["cluster"]) for row in rows]
    if len(names) > 1:
        raise AmbiguousObjectError(
            f"{service}/{key} is stored of {len(names)} clusters",
            f"Choose one with --cluster: {', '.join(names)}.",
        )
    return as_text(next(iter(names), None))
