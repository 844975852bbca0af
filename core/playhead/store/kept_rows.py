"""Rows of lists that are kept in memory, by invocation, until something about it is written.

What a list shows beside the rows of invocations takes tens of milliseconds of processor time to
read with a million spans, for any number of invocations. Lists repeat such queries for the same
invocations several times a second.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from typing import Any, TypeVar, cast

from playhead.values import as_list

__all__ = ["INVOCATIONS_OF", "KeptRows", "WrittenSince", "to_json"]

INVOCATIONS_OF = "SELECT * FROM invocations WHERE id IN (SELECT unnest(?::VARCHAR[]))"
"""The rows of a few invocations, with a list of their ids as parameter."""
MOST_BYTES = 16 * 1024 * 1024
LARGEST_ROW = 64 * 1024
_ROWS_AT_ONCE = 100
"""Rows that are written as JSON at once: meanwhile, Python runs no other thread."""
ROW_OVERHEAD = 300
"""Bytes that a row takes beside its text."""

_T = TypeVar("_T")


class WrittenSince:
    """What was written since a moment; see `KeptRows.watching`."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        """Ids of invocations."""
        self.any = False
        """Whether rows of any invocation may have been written."""


class KeptRows:
    """Rows of queries as JSON texts. Any thread may use it.

    A query takes one or several lists of ids, all the same, and has one row for each invocation, or
    none, with its id in the column `id`. The row depends on nothing but what
    `playhead.store.stale_figures.note_stale` takes note of.
    """

    def __init__(self) -> None:
        """Start without any."""
        self._lock = threading.Lock()
        self._rows: OrderedDict[str, dict[str, str]] = OrderedDict()
        """Rows by invocation, the last used ones last, and by query; empty texts for none."""
        self._size = 0
        self._watches: set[WrittenSince] = set()
        self._committing: Collection[str] | None = ()
        """Ids of invocations that are being written; None for any."""

    def answer(
        self,
        sql: str,
        params: Sequence[Any],
        read: Callable[[list[Any]], list[dict[str, Any]]],
        since: WrittenSince | None = None,
    ) -> str | None:
        """Return the rows of a query as a JSON list; None if its parameters are others.

        Args:
            sql: The query. If it has a row without an id, nothing is kept.
            params: Its parameters.
            read: Runs it with other parameters, in a transaction that begins when it is called.
            since: What was written since before the transaction began, if that began earlier.
        """
        ids = _ids(params)
        if ids is None:
            return None
        found = self._find(sql, ids)
        missing = [id_ for id_ in ids if id_ not in found]
        if missing:
            with self._since(since) as written:
                rows = read([missing] * len(params))
                if any(row["id"] is None for row in rows):
                    return to_json(rows if not found else read(list(params)))
                texts = dict.fromkeys(missing, "") | {row["id"]: to_json(row) for row in rows}
                self._keep(sql, texts, written)
            found |= texts
        return _list(found)

    def whole_answer(self, sql: str, params: Sequence[Any]) -> str | None:
        """Return the rows of a query as a JSON list; None if not all of them are kept."""
        ids = _ids(params)
        if ids is None:
            return None
        found = self._find(sql, ids)
        return _list(found) if len(found) == len(ids) else None

    def read_with_row(
        self,
        sql: str,
        id_: str,
        read: Callable[[Mapping[str, Any]], _T],
        since: WrittenSince | None = None,
    ) -> _T | None:
        """Return what a function reads with the help of the kept row of an invocation.

        Args:
            sql: The query of the row.
            id_: The invocation.
            read: Takes the row, and reads in a transaction that begins when it is called. It is not
                called without a row.
            since: What was written since before the transaction began, if that began earlier.

        Returns:
            None also if the transaction may see more than the row, or less.
        """
        with self._since(since) as written:
            text = self._find(sql, [id_]).get(id_)
            if not text:
                return None
            found = read(json.loads(text))
            with self._lock:
                committing = self._committing is None or id_ in self._committing
                is_other = committing or written.any or id_ in written.ids
        return None if is_other else found

    def expect(self, ids: Collection[str] | None) -> None:
        """Note that rows of these invocations will be committed next; None for any.

        Between a commit and `forget`, transactions already see other rows than the kept ones.
        """
        with self._lock:
            self._committing = ids if ids is None else frozenset(ids)

    def forget(self, ids: Collection[str] | None) -> None:
        """Forget the rows of invocations that were written; None for all.

        Call it after the commit.
        """
        with self._lock:
            self._committing = ()
            for watch in self._watches:
                watch.ids.update(ids or ())
                watch.any |= ids is None
            if ids is None:
                self._rows.clear()
                self._size = 0
            for id_ in ids or ():
                self._remove(id_)

    def _find(self, sql: str, ids: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        with self._lock:
            for id_ in ids:
                if (rows := self._rows.get(id_)) is not None and sql in rows:
                    found[id_] = rows[sql]
                    self._rows.move_to_end(id_)
        return found

    @contextlib.contextmanager
    def watching(self) -> Generator[WrittenSince]:
        """Yield what is written from now on; enter it before a transaction begins."""
        written = WrittenSince()
        with self._lock:
            self._watches.add(written)
        try:
            yield written
        finally:
            with self._lock:
                self._watches.discard(written)

    def _since(self, since: WrittenSince | None) -> contextlib.AbstractContextManager[WrittenSince]:
        return self.watching() if since is None else contextlib.nullcontext(since)

    def _keep(self, sql: str, texts: Mapping[str, str], written: WrittenSince) -> None:
        """Keep rows, without those that may have been written after they were read."""
        with self._lock:
            if written.any:
                return
            for id_, text in texts.items():
                if id_ not in written.ids and len(text) <= LARGEST_ROW:
                    rows = self._rows.setdefault(id_, {})
                    self._size += _size(text) - _size(rows.get(sql))
                    rows[sql] = text
            while self._size > MOST_BYTES:
                self._remove(next(iter(self._rows)))

    def _remove(self, id_: str) -> None:
        self._size -= sum(map(_size, self._rows.pop(id_, {}).values()))


def _list(texts: Mapping[str, str]) -> str:
    return f"[{','.join(filter(None, texts.values()))}]"


def _size(text: str | None) -> int:
    return 0 if text is None else len(text) + ROW_OVERHEAD


def to_json(value: Any) -> str:
    """Return rows as JSON, in parts, between which other threads run."""
    if not isinstance(value, list):
        return _dumped(value)
    rows = cast("list[Any]", value)
    parts = (
        _dumped(rows[at : at + _ROWS_AT_ONCE])[1:-1] for at in range(0, len(rows), _ROWS_AT_ONCE)
    )
    return f"[{','.join(parts)}]"


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _ids(params: Sequence[Any]) -> list[str] | None:
    """Return the ids, each once, if these are parameters of such a query."""
    if not params or any(param != params[0] for param in params):
        return None
    ids = as_list(params[0])
    if not ids or not all(isinstance(id_, str) for id_ in ids):
        return None
    return list(dict.fromkeys(ids))
