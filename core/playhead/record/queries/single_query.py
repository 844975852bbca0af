"""The query of one request, and its answer as JSON or Arrow."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from playhead.store.answers import Answer
from playhead.store.database import Store
from playhead.store.kept_queries import KEPT
from playhead.store.query import to_arrow_stream, to_json_rows, to_rows
from playhead.store.query_limits import Limits

__all__ = ["SingleQuery"]


@dataclass(frozen=True, slots=True)
class SingleQuery:
    """A query on the store."""

    store: Store
    sql: str
    params: list[Any]
    limits: Limits

    def kept(self) -> bytes | None:
        """Return the answer as JSON if all its rows are in memory."""
        if self.sql not in KEPT:
            return None
        rows = self.store.kept.whole_answer(self.sql, self.params)
        return None if rows is None else _document(rows)

    def write_json(self, gone: threading.Event, answer: Answer) -> None:
        """Append the answer as JSON.

        Args:
            gone: Set when nobody waits for the answer any more.
            answer: Takes the answer.
        """

        def read(params: list[Any]) -> list[dict[str, Any]]:
            with self.store.reading() as cursor:
                return to_rows(cursor, self.sql, params, self.limits, gone)

        if self.sql in KEPT:
            rows = self.store.kept.answer(self.sql, self.params, read)
            if rows is not None:
                answer.add(_document(rows))
                return
        with self.store.reading() as cursor:
            answer.add('{"rows":')
            to_json_rows(cursor, self.sql, self.params, self.limits, gone, answer)
            answer.add("}")

    def write_arrow(self, gone: threading.Event, answer: Answer) -> None:
        """Append the answer as an Arrow stream; see `write_json`."""
        with self.store.reading() as cursor:
            to_arrow_stream(cursor, self.sql, self.params, self.limits, gone, answer)


def _document(rows: str) -> bytes:
    return f'{{"rows":{rows}}}'.encode(errors="replace")
