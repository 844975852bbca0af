"""The bodies of requests for a query and for a search."""

from __future__ import annotations

import json
from typing import Any, cast

from playhead.errors import RequestBodyError

__all__ = ["MOST_FOUND", "parse_query", "parse_search"]

MOST_FOUND = 10_000
"""Invocations that a search returns at most."""


def parse_query(body: bytes) -> tuple[str, list[Any]]:
    """Return the query and its parameters. Raises RequestBodyError for another body."""
    try:
        document: Any = json.loads(body)
        sql: Any = document["sql"]
        params: Any = document.get("params") or []
        json.dumps([sql, params], ensure_ascii=False).encode()  # half characters are not text
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RequestBodyError(400, 'expected {"sql": "SELECT …", "params": […]}') from error
    if not isinstance(sql, str) or not isinstance(params, list):
        raise RequestBodyError(400, "sql must be text and params a list")
    return sql, cast("list[Any]", params)


def parse_search(body: bytes) -> tuple[list[str], int | None, int]:
    """Return the texts, the latest time, and the limit. Raises RequestBodyError."""
    try:
        document: Any = json.loads(body)
        texts = [str(text) for text in document["texts"]]
        until = document.get("until_us")
        limit = int(document.get("limit", MOST_FOUND))
        parsed = texts, None if until is None else int(until), limit
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise RequestBodyError(400, 'expected {"texts": […], "until_us": …, "limit": …}') from error
    if not texts or not 0 < limit <= MOST_FOUND or abs(until or 0) >= 2**62:
        raise RequestBodyError(400, f"expected texts, and a limit of 1 to {MOST_FOUND}")
    return parsed
