"""The invocations read so far, page by page; older pages are not read again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from playhead.model import Invocation, InvocationPage

from playhead_tui.interfaces import InvocationReader
from playhead_tui.sources.row_merge import KnownRow

__all__ = ["PAGE", "CacheUpdate", "InvocationCache"]

PAGE = 200
"""Rows per read."""
OUTSIDE_LIMIT = 10_000
"""Number of invocations older than the pages read that are remembered, not to read them again."""


@dataclass(frozen=True)
class CacheUpdate:
    """The pages of one round of reads."""

    started: float
    """When the round started, monotonic."""
    newest: InvocationPage
    older: InvocationPage | None = None
    """Older page, which follows page number `place` - 1."""
    place: int = 0
    before: Invocation | None = None
    """Row that `older` follows."""


def _age(row: Invocation) -> tuple[datetime, str]:
    return row.created_at, row.id


class InvocationCache:
    """Rows by id, and the end of the pages that were read without a gap."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, KnownRow] = {}
        self._rows: tuple[Invocation, ...] | None = None
        """`rows` since the last change."""
        self._outside: dict[str, datetime | None] = {}
        """Invocations older than the pages read, with their `modified_at`."""
        self._edges: list[Invocation] = []
        """The last row of each page read, newest page first."""
        self._end: Invocation | None = None
        """The oldest row down to which all rows were read."""
        self._turn = 0
        self._loaded = False
        self.more = False
        """Whether the reader has older rows than these."""
        self.older_wanted = False
        """Whether the next round reads the page after the last one."""
        self.recounts = 0
        """Number of changes of rows that change how many there are of a status."""
        self.missing: tuple[str, ...] = ()
        """Sources that the last round could not read, as sentences; not the recorder's progress."""

    @property
    def rows(self) -> tuple[Invocation, ...]:
        """The rows of the pages that were read, without a gap, in no particular order."""
        if self._rows is None:
            end = _age(self._end) if self.more and self._end else None
            rows = (known.row for known in self._known.values())
            self._rows = tuple(row for row in rows if end is None or _age(row) >= end)
        return self._rows

    @property
    def all_rows(self) -> tuple[Invocation, ...]:
        """All rows read, those that a search found among older ones too."""
        return tuple(known.row for known in self._known.values())

    def _is_outside(self, row: Invocation) -> bool:
        return self.more and self._end is not None and _age(row) < _age(self._end)

    def _move_end(self) -> None:
        """Keep the end where it is when new rows move the pages: the rows before it stay read."""
        if not self._edges:
            self._end = None
        elif self._end is None or _age(self._edges[-1]) < _age(self._end):
            self._end = self._edges[-1]

    @property
    def loaded(self) -> bool:
        """Whether the first page has been read."""
        return self._loaded

    def get(self, invocation_id: str) -> Invocation | None:
        """Return the row of an invocation; None when it was not read."""
        known = self._known.get(invocation_id)
        return known.row if known else None

    def is_new(self, invocation_id: str, modified_at: datetime | None = None) -> bool:
        """Return whether an invocation is worth a read: unknown, or modified since its read.

        Args:
            invocation_id: The invocation.
            modified_at: When the server modified it; None when that is not known.
        """
        known = self._known.get(invocation_id)
        if known is not None:
            at = known.row.modified_at
            return modified_at is not None and (at is None or at < modified_at)
        return invocation_id not in self._outside or (
            modified_at is not None and self._outside[invocation_id] != modified_at
        )

    @property
    def live_ids(self) -> list[str]:
        """The ids of all rows that the server had when they were read."""
        return [id_ for id_, known in self._known.items() if known.row.origin == "live"]

    def least_recent(self, ids: Iterable[str]) -> list[str]:
        """Return the known ones of these ids, the one whose read is longest ago first."""
        return sorted(
            (id_ for id_ in ids if id_ in self._known), key=lambda id_: self._known[id_].read
        )

    async def read(self, reader: InvocationReader) -> CacheUpdate:
        """Read the newest page, and each older page in turn."""
        started = self._clock()
        newest = await reader.invocations(limit=PAGE)
        older = before = None
        place = 0
        if self._edges:
            if self.older_wanted and self.more:
                place = len(self._edges)
            elif len(self._edges) > 1:
                place = self._turn % (len(self._edges) - 1) + 1
        if place:
            before = self._edges[place - 1]
            older = await reader.invocations(limit=PAGE, before=before)
        return CacheUpdate(started, newest, older, place, before)

    def update(self, update: CacheUpdate) -> None:
        """Store the rows that were read, and drop rows that no longer exist."""
        newest = update.newest
        self._loaded, self._rows = True, None
        self._replace(newest, None, update.started)
        if newest.rows:
            self._edges[:1] = [newest.rows[-1]]
        else:
            self._edges.clear()
        if len(self._edges) <= 1:
            self.more = newest.more
        if update.older is not None and update.before is not None:
            self._update_older(update.older, update.place, update.before, update.started)
        self._move_end()
        pages = (newest, update.older)
        sentences = (m for page in pages if page for m in page.missing if m not in page.copying)
        self.missing = tuple(dict.fromkeys(sentences))

    def refresh(self, rows: Iterable[Invocation], gone: Iterable[str], started: float) -> set[str]:
        """Store rows that were read by id, without figures.

        Args:
            rows: The rows; those older than the pages read are left out.
            gone: Ids that neither source has any more.
            started: When the read started, monotonic.

        Returns:
            The ids of the rows that are new or different.
        """
        changed: set[str] = set()
        for id_ in gone:
            known = self._known.get(id_)
            if known and known.read < started:
                del self._known[id_]
                self.recounts += 1
                changed.add(id_)
        edge = _age(self._end) if self.more and self._end else None
        for row in rows:
            known = self._known.get(row.id)
            if known is None and edge and _age(row) < edge:
                if len(self._outside) >= OUTSIDE_LIMIT:
                    self._outside.clear()
                self._outside[row.id] = row.modified_at
                continue
            updated = known.updated(row, started) if known else KnownRow(row, started)
            updated = updated.keeping(known.row) if known else updated
            self._known[row.id] = updated
            self.recounts += known is None or known.row.status != updated.row.status
            if known is None or known.row is not updated.row:
                changed.add(row.id)
        if changed:
            self._rows = None
        return changed

    def add_found(self, rows: Iterable[Invocation], started: float) -> None:
        """Store the rows that a search found; they may be older than the pages."""
        self._rows = None
        for row in rows:
            self._store(row, started)

    def drop_outside(self) -> None:
        """Drop rows older than the pages, which only a search had found."""
        self._rows = None
        for row in [known.row for known in self._known.values()]:
            if self._is_outside(row):
                del self._known[row.id]
                self._outside[row.id] = row.modified_at

    def add_figures(self, rows: Iterable[Invocation], started: float) -> bool:
        """Store known rows that were read with their figures; return whether one is different."""
        changed = False
        for row in rows:
            if known := self._known.get(row.id):
                self._store(row, started)
                changed = changed or self._known[row.id].row is not known.row
        if changed:
            self._rows = None
        return changed

    def _store(self, row: Invocation, started: float) -> None:
        """Store a row that was read with its figures."""
        known = self._known.get(row.id)
        updated = known.updated(row, started) if known else KnownRow(row, started)
        updated = updated.with_figures(row, started)
        self._known[row.id] = updated.keeping(known.row) if known else updated
        self.recounts += known is not None and known.row.status != updated.row.status

    def _update_older(
        self, page: InvocationPage, place: int, before: Invocation, started: float
    ) -> None:
        self._replace(page, before, started)
        self._outside.clear()
        self._turn += 1
        if place >= len(self._edges):
            self.older_wanted = False
            self.more = page.more
        if page.rows:
            self._edges[place : place + 1] = [page.rows[-1]]

    def _replace(self, page: InvocationPage, before: Invocation | None, started: float) -> None:
        """Store a page and drop rows between its ends that it does not contain.

        Rows that were read after the page are kept, and so are those from a source that did not
        answer.
        """
        if page.missing and not page.rows:
            return
        last = _age(page.rows[-1]) if page.rows and page.more else None
        first = _age(before) if before else None
        read = {row.id for row in page.rows}
        gone = [
            known.row.id
            for known in self._known.values()
            if known.row.id not in read
            and known.read <= started
            and (not page.sources or known.row.origin in page.sources)
            and (first is None or _age(known.row) < first)
            and (last is None or _age(known.row) > last)
        ]
        for ident in gone:
            del self._known[ident]
        new = read - self._known.keys() if before is None else ()
        self.recounts += len(gone) + len(new)
        for row in page.rows:
            self._store(row, started)
