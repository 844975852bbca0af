"""SQL that counts the LLM calls of a few invocations."""

from __future__ import annotations

from playhead.store.calls.call_table import IS_BUILT

__all__ = ["COUNTS_OF"]

COUNTS_OF = f"""
WITH wanted AS (SELECT unnest(?::VARCHAR[]) AS id), found AS (
  SELECT invocation_id AS id, true AS requested, succeeded AS answered, provider, name AS model,
    started_us, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
    agent, false AS copied, false AS journaled
  FROM calls WHERE rowid IN (SELECT rowid FROM calls WHERE invocation_id IN (FROM wanted))
    AND kind = 'model'
    AND (trace_id, span_id) NOT IN (SELECT (trace_id, span_id) FROM duplicate_spans)
  UNION ALL
  SELECT invocation_id, NOT copied, NOT copied, provider, model, answered_us, input_tokens,
    output_tokens, cache_read_tokens, cache_write_tokens, NULL, copied, false
  FROM journal_llm_calls WHERE invocation_id IN (FROM wanted)
  UNION ALL
  SELECT id, false, false, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, true
  FROM journal WHERE "index" = 0 AND id IN (FROM wanted)
)
SELECT id, count(*) FILTER (requested) AS requests, count(*) FILTER (answered) AS answers,
  sum(input_tokens) FILTER (answered) AS input_tokens,
  sum(output_tokens) FILTER (answered) AS output_tokens,
  count(*) FILTER (copied) AS copied, bool_or(journaled) AS journaled,
  list({{'provider': provider, 'model': model, 'at': started_us, 'input': input_tokens,
    'output': output_tokens, 'read': cache_read_tokens, 'write': cache_write_tokens,
    'agent': agent}})
    FILTER (answered) AS priced
FROM found GROUP BY id
UNION ALL BY NAME SELECT NULL AS id WHERE NOT EXISTS ({IS_BUILT})
"""
"""Counts of the LLM calls of invocations, with a list of their ids as parameter.

Read from the table `calls`; a row without an id if the table is not complete.
"""
