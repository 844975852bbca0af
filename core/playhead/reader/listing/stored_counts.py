"""LLM calls, tokens and costs of stored invocations, from spans and journals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from playhead.model import Cost, Tokens
from playhead.reader.costs import PricedCall, total_cost
from playhead.store.span_selection import SPANS_OF
from playhead.store.views import LLM_CALLS
from playhead.values import as_dict, as_int, as_json, as_list, as_text

__all__ = ["COUNTS", "OLDER_COUNTS", "Counts", "counts_of"]

_WANTED = "(SELECT unnest(?::VARCHAR[]))"


def _counts_sql(calls: str, copies: str, *, before: str = "") -> str:
    """Return the query of counts.

    Args:
        calls: The rows of the view `llm_calls`, or the view.
        copies: Table or subquery with the rows of `journal_llm_calls`.
        before: Common table expressions that `calls` reads.
    """
    return f"""
WITH {before}calls AS (
  SELECT invocation_id AS id, count(*) AS requests, count(*) FILTER (answered) AS answers,
    sum(input_tokens) FILTER (answered) AS input_tokens,
    sum(output_tokens) FILTER (answered) AS output_tokens,
    list({{'provider': provider, 'model': model, 'at': epoch_us(started_at),
      'input': input_tokens, 'output': output_tokens, 'read': cache_read_tokens,
      'write': cache_write_tokens, 'agent': agent}}) FILTER (answered) AS priced
  FROM {calls} AS calls WHERE invocation_id IN {_WANTED} GROUP BY id
), copies AS (
  SELECT invocation_id AS id, count(*) AS copied FROM {copies} AS copies
  WHERE copied AND invocation_id IN {_WANTED} GROUP BY id
), journals AS (
  SELECT id, true AS journaled FROM journal WHERE "index" = 0 AND id IN {_WANTED}
)
SELECT id, requests, answers, input_tokens, output_tokens, copied, journaled, priced
FROM calls FULL JOIN copies USING (id) FULL JOIN journals USING (id)
"""


# Without the column `seconds`, whose join with attempts would cost more than all the rest.
_COUNTED = ("invocation_id", "input_tokens", "output_tokens", "answered", "provider", "model",
            "started_at", "cache_read_tokens", "cache_write_tokens", "agent")  # fmt: skip
# Materialized, so that the conditions on attributes are not checked for all other spans too.
COUNTS = _counts_sql(
    f"({LLM_CALLS.rows_sql(_COUNTED, source='own')})",
    "journal_llm_calls",
    before=f"own AS MATERIALIZED (SELECT * EXCLUDE (resource) FROM spans WHERE {SPANS_OF}), ",
)
OLDER_COUNTS = _counts_sql(
    "(SELECT *, NULL AS cache_read_tokens, NULL AS cache_write_tokens, NULL AS agent"
    " FROM llm_calls)",
    "(SELECT NULL AS invocation_id, false AS copied)",
)


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of one invocation; None if neither its journal nor a span of a call was recorded."""

    llm_calls: int | None = None
    tokens: Tokens | None = None
    cost: Cost | None = None
    models: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    copied_llm_calls: int = 0
    """Answers that a restart copied from the original invocation, which counts them."""


def counts_of(row: Mapping[str, Any]) -> Counts:
    """Return the counts in a row of these queries."""
    tokens = Tokens(int(row["input_tokens"] or 0), int(row["output_tokens"] or 0))
    is_known = bool(row["requests"] or row["copied"] or row["journaled"])
    calls = [as_dict(call) for call in as_list(as_json(row.get("priced")))]
    calls.sort(key=lambda call: as_int(call.get("at")))
    return Counts(
        llm_calls=int(row["answers"] or 0) if is_known else None,
        tokens=tokens if is_known else None,
        cost=total_cost(_priced(calls)) if is_known else None,
        models=_names(calls, "model"),
        agents=_names(calls, "agent"),
        copied_llm_calls=int(row["copied"] or 0),
    )


def _names(calls: Sequence[Mapping[str, Any]], of: str) -> tuple[str, ...]:
    """Return the names in calls, each once."""
    return tuple(dict.fromkeys(name for call in calls if (name := as_text(call.get(of)))))


def _priced(calls: Sequence[Mapping[str, Any]]) -> Iterator[PricedCall]:
    """Yield what the calls cost by."""
    for call in calls:
        yield PricedCall(
            provider=as_text(call.get("provider")),
            model=as_text(call.get("model")),
            at=datetime.fromtimestamp(as_int(call.get("at")) / 1e6, UTC),
            input_tokens=call.get("input"),
            output_tokens=call.get("output"),
            cache_read_tokens=as_int(call.get("read")),
            cache_write_tokens=as_int(call.get("write")),
        )
