"""SQL that selects the spans of invocations without reading the long columns of all others."""

from __future__ import annotations

__all__ = ["SPANS_OF"]

SPANS_OF = "rowid IN (SELECT rowid FROM spans WHERE invocation_id IN (SELECT unnest(?::VARCHAR[])))"
"""Condition on `spans`, with a list of invocation ids as parameter.

DuckDB reads the columns of a condition on `invocation_id` together with all selected ones. Row ids
limit the second scan to the places of the spans, which are close together for invocations of the
same time. With 1,000,000 spans this takes a hundredth of the time.
"""
