"""Several queries in one request: what a screen reads at the same time costs one answer."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from playhead.errors import QueryError, QueryLimitError, QueryMemoryError, RequestBodyError
from playhead.record.queries import statuses as query_statuses
from playhead.store.answers import Answer
from playhead.store.database import Store
from playhead.store.invocation_spans import read_narrowed
from playhead.store.kept_queries import KEPT, is_kept_whole, params_of
from playhead.store.kept_rows import to_json
from playhead.store.query import to_json_rows, to_rows
from playhead.store.query_limits import Limits
from playhead.store.shared_reading import SharedReading
from playhead.values import as_dict, as_list

__all__ = ["BatchQuery", "kept_batch", "parse_batch", "run_batch"]

MOST_QUERIES = 20
MOST_IDS = 50_000
"""Ids of a query that another one of the batch needs."""
MOST_KEPT = 1024 * 1024
"""Characters of an answer that is made of kept rows while the event loop waits."""
_ROWS = '{"rows":'
_EXPECTED = 'expected {"queries": [{"sql": "SELECT …", "params": […]}, …]}'


@dataclass(frozen=True, slots=True)
class BatchQuery:
    """A query, or the wish for the answer of `GET /health` if it has no text."""

    sql: str
    params: list[Any]
    ids_of: int | None = None
    """Place of an earlier query, whose column `id` is the only parameter, as a list.

    The queries of `KEPT` take it as often as they need it.
    """


def parse_batch(body: bytes) -> list[BatchQuery]:
    """Return the queries of a request.

    Raises:
        RequestBodyError: The body has another form.
    """
    try:
        document: Any = json.loads(body)
        items = [as_dict(item) for item in as_list(as_dict(document).get("queries"))]
        if not 0 < len(items) <= MOST_QUERIES:
            raise RequestBodyError(400, f"expected 1 to {MOST_QUERIES} queries")
        json.dumps(items, ensure_ascii=False).encode()  # half characters are not text
    except (ValueError, RecursionError) as error:
        raise RequestBodyError(400, _EXPECTED) from error
    found: list[BatchQuery] = []
    for item in items:
        sql, ids_of = item.get("sql", ""), item.get("ids_of")
        params: Any = item.get("params") or []
        is_earlier = ids_of is None or (type(ids_of) is int and 0 <= ids_of < len(found))
        is_query = isinstance(sql, str) and (bool(sql) or item.get("health") is True)
        if not is_query or not isinstance(params, list) or not is_earlier:
            raise RequestBodyError(400, _EXPECTED)
        found.append(BatchQuery(sql, as_list(cast("object", params)), ids_of))
    return found


def run_batch(
    store: Store,
    queries: Sequence[BatchQuery],
    limits: Limits,
    gone: threading.Event,
    health: Callable[[], dict[str, Any]],
    answer: Answer,
) -> None:
    """Append the answers of queries in their order, as JSON: rows, or what is wrong with a query.

    They have the time and the bytes of one query together, and share a transaction until one fails.

    Raises:
        QueryMemoryError: There was no memory for one of them.
        StoreError: The database has failed.
    """
    ids: list[list[str]] = []
    needed = {query.ids_of for query in queries}
    ends = time.monotonic() + limits.seconds

    def left() -> Limits:
        return replace(
            limits,
            seconds=max(ends - time.monotonic(), 0.0),
            bytes=max(limits.bytes - answer.size, 0),
        )

    # What is written is watched from before the transaction begins.
    version = store.kept_answers.version
    with (
        store.kept.watching() as written,
        store.reading() as cursor,
        contextlib.closing(SharedReading(cursor, left, gone)) as reading,
    ):

        def rows_of(query: BatchQuery, params: list[Any], *, is_needed: bool) -> list[str]:
            def read(missing: list[Any]) -> list[dict[str, Any]]:
                return to_rows(cursor, query.sql, missing, left(), gone, reading)

            if query.sql in KEPT:
                kept = store.kept.answer(query.sql, params, read, written)
            elif is_kept_whole(query.sql):
                kept = store.kept_answers.get(query.sql, params)
                if kept is None:
                    kept = to_json(read(params))
                    store.kept_answers.keep(query.sql, params, kept, version)
            else:
                kept = None
            if kept is not None:
                left().check(0, len(kept))
                answer.add(kept)
                return _ids(kept) if is_needed else []
            before = answer.size

            def read_json(narrowed: list[Any]) -> list[str]:
                answer.cut(before)
                return to_json_rows(
                    cursor, query.sql, narrowed, left(), gone, answer,
                    most_ids=MOST_IDS if is_needed else 0, reading=reading,
                )  # fmt: skip

            return read_narrowed(store.kept, query.sql, params, read_json, written)

        for number, query in enumerate(queries):
            found: list[str] = []
            answer.add("," if number else '{"results":[')
            before = answer.size
            try:
                if time.monotonic() > ends:
                    raise QueryLimitError(
                        f"The queries took longer than {limits.seconds:g} s",
                        "Send them in several requests.",
                    )
                place = query.ids_of
                params = query.params if place is None else params_of(query.sql, ids[place])
                if not query.sql:
                    answer.add(f'{{"health":{to_json(health())}')
                else:
                    answer.add(_ROWS)
                    found = rows_of(query, params, is_needed=number in needed)
                answer.add("}")
            except QueryMemoryError:
                raise
            except QueryError as error:
                status = query_statuses.status(error)
                answer.cut(before)
                answer.add(to_json({"status": status, "error": error.title, "hint": error.hint}))
            ids.append(found)
    answer.add("]}")


def kept_batch(
    store: Store, queries: Sequence[BatchQuery], health: Callable[[], dict[str, Any]]
) -> bytes | None:
    """Return what `run_batch` would append if all rows are in memory, and not many; else None."""
    parts: list[str] = []
    whole: dict[int, str] = {}
    size = 0
    for number, query in enumerate(queries):
        if not query.sql:
            parts.append(f'{{"health":{to_json(health())}}}')
            continue
        params = query.params
        if query.ids_of is not None:
            if query.ids_of not in whole:
                return None
            params = params_of(query.sql, _ids(whole[query.ids_of]))
        if query.sql in KEPT:
            kept = store.kept.whole_answer(query.sql, params)
        else:
            kept = whole[number] = store.kept_answers.get(query.sql, params) or ""
        if not kept or (size := size + len(kept)) > MOST_KEPT:
            return None
        parts.append(f"{_ROWS}{kept}}}")
    return f'{{"results":[{",".join(parts)}]}}'.encode(errors="replace")


def _ids(rows: str) -> list[str]:
    return [str(id_) for row in json.loads(rows) if (id_ := row.get("id")) is not None]
