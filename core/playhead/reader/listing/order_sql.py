"""SQL of orders and groups, over the store's `invocations AS i` and the server's tables."""

from __future__ import annotations

from datetime import datetime

from playhead.filters.prices import PRICES_CTE, price_join
from playhead.filters.store import StoreCondition
from playhead.model import GroupKey, SortKey
from playhead.model.status import GONE, server_status_name, stored_status_name
from playhead.prices import COST_SQL
from playhead.store.raised_errors import RAISED

__all__ = [
    "CALL_FIGURES_JOIN",
    "CALL_SORTS",
    "SERVER_SORTS",
    "add_call_figures",
    "server_group",
    "server_order",
    "stored_group",
    "stored_order",
]

CALL_SORTS: tuple[SortKey, ...] = ("llm_calls", "tokens", "cost")
"""Orders that compare figures of LLM calls."""
SERVER_SORTS: tuple[SortKey, ...] = ("age", "duration", "status", "target")
"""Orders that the server's columns answer."""

_CALL_FIGURES = f"""call_figures AS MATERIALIZED (
SELECT call.invocation_id AS id, count(*) AS llm_calls,
  coalesce(sum(call.input_tokens), 0)::BIGINT AS tokens_in,
  coalesce(sum(call.output_tokens), 0)::BIGINT AS tokens_out, tokens_in + tokens_out AS tokens,
  coalesce(sum({COST_SQL}), 0) AS cost, count(*) - count({COST_SQL}) AS unpriced
FROM counted AS call {price_join("call")}
WHERE call.kind = 'model' AND call.succeeded GROUP BY call.invocation_id)"""


CALL_FIGURES_JOIN = "LEFT JOIN call_figures ON call_figures.id = i.id"
"""Join of `invocations AS i` with the CTE that `add_call_figures` adds."""


def add_call_figures(condition: StoreCondition, calls: str, prices: str) -> None:
    """Add the CTE `call_figures`: LLM calls, tokens and cost by invocation id.

    Args:
        condition: Receives the CTE.
        calls: SELECT of all calls; see `playhead.store.calls.call_table`.
        prices: Prices of the models, as JSON.
    """
    condition.add_cte(PRICES_CTE, prices)
    condition.add_cte(f"counted AS ({calls})")
    condition.add_cte(_CALL_FIGURES)


def stored_order(sort: SortKey, now: datetime) -> str:
    """Return the DuckDB expression to sort by.

    `CALL_SORTS` need `CALL_FIGURES_JOIN`, and `status` needs `RAISED_CTE`.
    """
    match sort:
        case "age":
            return "i.created_at"
        case "duration":
            gone = f"CASE WHEN i.status = '{GONE}' THEN i.modified_at END"
            end = f"coalesce(i.completed_at, {gone}, '{now.isoformat()}'::TIMESTAMPTZ)"
            return f"epoch_us({end}) - epoch_us(i.created_at)"
        case "attempts":
            return (
                "coalesce((SELECT attempts_at_least FROM invocation_attempts AS counted_attempts"
                " WHERE counted_attempts.invocation_id = i.id), 0)"
            )
        case "status":
            return stored_status_name(RAISED)
        case "target":
            return "i.target"
        case _:
            return f"coalesce(call_figures.{sort}, 0)"


def server_order(sort: SortKey, now: datetime, raised: str) -> str:
    """Return the server's expression to sort by, for one of `SERVER_SORTS`.

    Args:
        sort: The order.
        now: The time up to which durations grow.
        raised: As for `server_status_name`.
    """
    match sort:
        case "duration":
            at = f"TIMESTAMP '{now.isoformat(timespec='milliseconds')}'"
            return f"coalesce(ss.completed_at, {at}) - ss.created_at"
        case "status":
            return server_status_name(raised)
        case "target":
            return "ss.target"
        case _:
            return "ss.created_at"


def stored_group(by: GroupKey) -> str:
    """Return the DuckDB expression of a group's name; of errors, the first line.

    That of a status needs `RAISED_CTE`.
    """
    match by:
        case "service":
            return "coalesce(i.target_service_name, '')"
        case "status":
            return stored_status_name(RAISED)
        case "key":
            return "coalesce(i.target_service_key, '')"
        case "error":
            text = "coalesce(i.last_failure, i.completion_failure, '')"
            return f"split_part({text}, chr(10), 1)"


def server_group(by: GroupKey, raised: str) -> str:
    """Return the server's expression of a group's name; of errors, the first line.

    Args:
        by: What the invocations of a group have in common.
        raised: As for `server_status_name`.
    """
    match by:
        case "service":
            return "coalesce(ss.target_service_name, '')"
        case "status":
            return server_status_name(raised)
        case "key":
            return "coalesce(ss.target_service_key, '')"
        case "error":
            return "split_part(coalesce(sis.last_failure, ss.completion_failure, ''), chr(10), 1)"
