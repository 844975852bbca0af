"""The upkeep of the text index: what arrives is indexed behind its acknowledgement.

Invocations whose documents have changed are in the index's answers until they are indexed again, so
that a search that reads the answers finds everything. After a restart, they are found by comparing
the store with the marks of the indexed documents.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import duckdb

from playhead.record.patience import Patience
from playhead.store.background import Background
from playhead.store.database import Store
from playhead.store.texts.documents import MARKS, read_documents
from playhead.store.texts.index import Found, TextIndex

__all__ = ["IndexerPace", "TextIndexer"]

BATCH = 1000
"""Invocations that are indexed at a time."""
MOST_CHANGES = 50_000
"""Changed invocations that are remembered; if more change, the store is compared with the index."""
MOST_ROWS = 10_000
"""Spans and journal entries that are read at a time."""
LARGEST_ANSWER = 5000
"""Changed invocations up to which an answer is of use: all of them are in it."""
IDLE_SECONDS = 10.0
BUSY_SECONDS = 0.5
"""Time between two looks at whether the recorder is still busy."""
RETRY_SECONDS = 5.0
LONGEST_RETRY_SECONDS = 300.0
_NAME = "text_index"

_ALL_MARKS = MARKS.format(spans="invocation_id IS NOT NULL", journal="id IS NOT NULL")
_CHANGED = f"""
SELECT marks.id FROM ({_ALL_MARKS}) AS marks LEFT JOIN indexed_texts USING (id)
WHERE indexed_texts.mark IS DISTINCT FROM marks.mark
UNION SELECT invocation_id FROM spans WHERE end_unix_nano IS NULL AND invocation_id IS NOT NULL
"""
_LISTED = "SELECT id FROM invocations WHERE id IN (SELECT unnest(?::VARCHAR[]))"
_SIZES = """
SELECT id, count(*) FROM (
  SELECT invocation_id AS id FROM spans WHERE invocation_id IN (SELECT unnest($ids::VARCHAR[]))
  UNION ALL SELECT id FROM journal WHERE id IN (SELECT unnest($ids::VARCHAR[]))
) GROUP BY id
"""
_REMOVED = "SELECT id FROM indexed_texts WHERE id NOT IN (SELECT id FROM invocations)"


@dataclass(frozen=True, slots=True)
class IndexerPace:
    """Times that the indexer keeps, in seconds."""

    quiet: float = 1.0
    """Time without a change before an invocation is indexed, which saves repetitions."""
    longest: float = 20.0
    """Time after which it is indexed although it changes."""
    rest: float = 1.0
    """Pause after a batch, as a multiple of its time."""
    busy_rest: float = 9.0
    """The same while the recorder is busy."""
    patience: float = 60.0
    """Time that a busy recorder is left alone before something is indexed nevertheless."""


_Change = tuple[float, float]
"""Times of the first and the last change. A plain tuple, as the garbage collector looks through
every other object again and again, during which nothing else runs."""


def _never_busy() -> bool:
    return False


class TextIndexer:
    """The index of a store, and the invocations that it does not know yet."""

    def __init__(
        self,
        store: Store,
        *,
        busy: Callable[[], bool] = _never_busy,
        failed: Callable[[str], object] = lambda _: None,
        pace: IndexerPace = IndexerPace(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Do nothing yet; `run` opens the index.

        Args:
            store: The store.
            busy: Returns whether processor time is scarce.
            failed: Takes the reason when the index cannot be used.
            pace: Times that the indexer keeps.
            clock: Monotonic time in seconds.
        """
        self._store = store
        self._busy = busy
        self._failed = failed
        self._pace = pace
        self._clock = clock
        self._index: TextIndex | None = None
        self._changes: dict[str, _Change] = {}
        self._backlog: list[str] = []
        """Further invocations to index, which have not changed since the index was opened."""
        self._is_incomplete = False
        """Whether more invocations have changed than are remembered."""
        self._is_comparing = False
        self._batch = BATCH
        self._is_damaged = False
        self._patience = Patience(busy, pace.patience, clock)
        self._thread = Background(1, "text index")
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()

    @property
    def behind(self) -> int | None:
        """Return the number of invocations to index; None while it is not known."""
        if self._index is None or self._is_incomplete or self._is_comparing:
            return None
        return len(self._changes) + len(self._backlog)

    def changed(self, ids: Iterable[str]) -> None:
        """Note that something was recorded about these invocations. Call it in the event loop."""
        now = self._clock()
        for id_ in ids:
            if (change := self._changes.get(id_)) is not None:
                self._changes[id_] = (change[0], now)
            elif len(self._changes) >= MOST_CHANGES:
                self._is_incomplete = True
            else:
                self._changes[id_] = (now, now)
        self._wake.set()

    def search(self, texts: Sequence[str], until_us: int | None, limit: int) -> Found | None:
        """Return the invocations that may have all these texts; None if the index cannot tell.

        Invocations that are not indexed yet are among them, of any time.
        """
        index, behind = self._index, self.behind
        if index is None or behind is None or behind > LARGEST_ANSWER:
            return None
        changes = [*self._changes, *self._backlog]
        try:
            found = index.search(texts, until_us, limit)
        except (ValueError, OSError) as error:
            self._fail(f"the text index cannot be read: {error}")
            return None
        if found is None:
            return None
        return Found(tuple(dict.fromkeys((*found.ids, *changes))), found.floor_us)

    async def run(self) -> None:
        """Index what has changed, until `stop`."""
        pause = RETRY_SECONDS
        while not self._stopping.is_set():
            began = self._clock()
            try:
                if self._index is None:
                    self._is_incomplete = False
                    self._index, self._backlog = await self._thread.run(self._open)
                if self._patience.leaves_alone():
                    await self._pause(BUSY_SECONDS)
                    continue
                if self._is_incomplete and not self._changes and not self._backlog:
                    await self._compare()
                if ids := self._due():
                    try:
                        await self._add(ids)
                    except (duckdb.Error, MemoryError) as error:
                        self._failed(f"the text index cannot be written: {error}")
                        self._put_off(ids)
                        await self._pause(pause)
                        pause = min(2 * pause, LONGEST_RETRY_SECONDS)
                        continue
                    pause = RETRY_SECONDS
                    self._batch = min(2 * self._batch, BATCH)
                    rest = self._pace.busy_rest if self._busy() else self._pace.rest
                    await self._pause((self._clock() - began) * rest)
                else:
                    await self._idle()
            except Exception as error:
                self._fail(f"the text index cannot be written: {error}")
                await self._pause(pause)
                pause = min(2 * pause, LONGEST_RETRY_SECONDS)

    def _put_off(self, ids: Sequence[str]) -> None:
        """Index less at a time from now on, and an invocation that fails alone after the others."""
        if self._batch == 1:
            for id_ in ids:
                if (change := self._changes.pop(id_, None)) is not None:
                    self._changes[id_] = change
                else:
                    self._backlog.insert(0, self._backlog.pop())
        self._batch = max(self._batch // 4, 1)

    async def _compare(self) -> None:
        """Find what has changed without being remembered."""
        self._is_comparing = True
        self._is_incomplete = False  # what changes from here on is remembered again
        try:
            self._backlog = await self._thread.run(self._find)
        finally:
            self._is_comparing = False

    def stop(self) -> None:
        """End `run` after the current batch."""
        self._stopping.set()
        self._wake.set()

    def _fail(self, reason: str) -> None:
        """Give the index up; the next one begins empty."""
        self._failed(reason)
        self._index = None
        self._is_damaged = True

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def _due(self) -> list[str]:
        """Return invocations to index now, the longest waiting ones first."""
        now, pace = self._clock(), self._pace
        due: list[str] = []
        for id_, (first, last) in self._changes.items():
            if now - last >= pace.quiet or now - first >= pace.longest:
                due.append(id_)
                if len(due) == self._batch:
                    return due
        waiting = (id_ for id_ in reversed(self._backlog) if id_ not in self._changes)
        return [*due, *itertools.islice(waiting, self._batch - len(due))]

    async def _idle(self) -> None:
        """Wait for changes; give back the memory of the writer when none arrive."""
        if self._changes:
            await self._pause(self._pace.quiet / 2)
            return
        self._wake.clear()
        if self._stopping.is_set():  # since the loop looked, while it opened the index
            return
        try:
            await asyncio.wait_for(self._wake.wait(), IDLE_SECONDS)
        except TimeoutError:
            if self._index is not None:
                await self._thread.run(self._index.rest)
            await self._wake.wait()

    async def _add(self, ids: Sequence[str]) -> None:
        before = {id_: self._changes[id_][1] for id_ in ids if id_ in self._changes}
        await self._thread.run(self._write, ids)
        for id_, earlier in before.items():
            _, last = self._changes[id_]
            if last == earlier:
                del self._changes[id_]
            else:
                self._changes[id_] = (earlier, last)
        done = set(ids)
        while self._backlog and (self._backlog[-1] in done or self._backlog[-1] in self._changes):
            self._backlog.pop()

    def _write(self, ids: Sequence[str]) -> None:
        assert self._index is not None
        marks: dict[str, int] = {}
        with contextlib.closing(self._store.cursor()) as cursor:
            # Spans of invocations that are not copied, or never will be, are not listed.
            ids = [str(id_) for (id_,) in cursor.execute(_LISTED, [list(ids)]).fetchall()]
            if not ids:
                return
            for part in _parts(cursor, ids):
                documents = read_documents(cursor, part)
                self._index.add(documents)
                marks |= {one.id: one.mark for one in documents}
        # After the index, so that a mark always stands for a document that is in the index.
        with self._store.transaction(noted=True, heads=False) as connection:
            _forget(connection, ids)
            connection.execute(
                "INSERT INTO indexed_texts SELECT unnest(?::VARCHAR[]), unnest(?::UBIGINT[])",
                [list(marks), list(marks.values())],
            )

    def _open(self) -> tuple[TextIndex, list[str]]:
        """Return the index, and the invocations that it does not know as they are now."""
        folder = self._store.folder
        if self._is_damaged:
            TextIndex.discard(folder)
            self._is_damaged = False
        try:
            index = TextIndex(folder)
        except (ValueError, OSError):
            TextIndex.discard(folder)
            index = TextIndex(folder)
        with self._store.transaction(noted=True, heads=False) as connection:
            sql = "SELECT version FROM derived WHERE name = ?"
            if connection.execute(sql, [_NAME]).fetchall() != [(index.generation,)]:
                connection.execute("DELETE FROM indexed_texts")
                connection.execute("DELETE FROM derived WHERE name = ?", [_NAME])
                connection.execute("INSERT INTO derived VALUES (?, ?)", [_NAME, index.generation])
            if removed := [id_ for (id_,) in connection.execute(_REMOVED).fetchall()]:
                index.remove(removed)
                _forget(connection, removed)
        return index, self._find()

    def _find(self) -> list[str]:
        """Return the invocations that the index does not know as they are now."""
        with contextlib.closing(self._store.cursor()) as cursor:
            return [str(id_) for (id_,) in cursor.execute(_CHANGED).fetchall()]


def _parts(cursor: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> Iterator[list[str]]:
    """Yield the ids in parts of few spans and journal entries, which bounds memory."""
    sizes = dict(cursor.execute(_SIZES, {"ids": list(ids)}).fetchall())
    part: list[str] = []
    size = 0
    for id_ in ids:
        own = int(sizes.get(id_, 0))
        if part and size + own > MOST_ROWS:
            yield part
            part, size = [], 0
        part.append(id_)
        size += own
    if part:
        yield part


def _forget(connection: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> None:
    connection.execute(
        "DELETE FROM indexed_texts WHERE id IN (SELECT unnest(?::VARCHAR[]))", [list(ids)]
    )
