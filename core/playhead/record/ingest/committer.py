"""The committer: decodes logged requests and commits their spans, many requests at a time.

A request that cannot be decoded or stored is set aside in a folder of its own, so that it never
blocks the requests behind it.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from playhead.errors import StoreError
from playhead.record.ingest.request_log import LogEntry, read_entry
from playhead.record.otlp.columns import SpanDecoder
from playhead.record.otlp.rows import span_rows
from playhead.store.arrow import ArrowTable, pc
from playhead.store.database import Store
from playhead.store.span_invocations import OpenTraces, inherit_invocations, inherit_within
from playhead.store.span_writer import SpanWriter, span_table

__all__ = ["Committed", "Committer"]

FOLDER = "set-aside"
FEW_SPANS_WEIGHT = 1024 * 1024
"""Weight below which spans are decoded one by one, which has no fixed cost."""
FATAL_TRIES = 3
"""Number of times that a request alone may break the database before it is set aside."""

_ROW_ERRORS = (duckdb.DataError, duckdb.InvalidInputException, duckdb.IntegrityError)
_DATABASE_ERRORS = (duckdb.FatalException, duckdb.InternalException)


@dataclass(slots=True)
class Committed:
    """Outcome of one group."""

    traces: set[str] = field(default_factory=set[str])
    """Traces in which spans may still inherit invocations."""
    invocations: set[str] = field(default_factory=set[str])
    """Invocations of the spans."""
    problem: str | None = None
    """Why a request was set aside, or why the store was not checkpointed."""
    checkpointed: bool = False
    """Whether the store was checkpointed, because a row group became full."""
    is_held: bool = False
    """Whether spans of the group are not committed yet."""
    has_earlier: bool = True
    """Whether all groups that were held before are committed."""

    def add(self, other: Committed) -> Committed:
        """Add the outcome of another group."""
        self.traces |= other.traces
        self.invocations |= other.invocations
        self.problem = other.problem or self.problem
        self.checkpointed |= other.checkpointed
        self.is_held |= other.is_held
        return self


def _weight(group: Sequence[LogEntry]) -> int:
    return sum(entry.weight for entry in group)


class Committer:
    """Commits groups of logged requests. Use it in one thread at a time, except `decode`."""

    def __init__(self, store: Store) -> None:
        """Read the ids of the stored spans.

        Raises:
            StoreError: What stands in the place of the folder `set-aside` is none.
        """
        self._store = store
        self._uncertain = store.uncertain
        self._is_broken = False
        """Whether the writer remembers spans that were dropped."""
        self._folder = store.folder / FOLDER
        if os.path.lexists(self._folder) and not self._folder.is_dir():
            raise StoreError(
                f"{self._folder} is not a folder",
                "Move it away, or choose another folder with --store.",
            )
        self._decoder = SpanDecoder()
        self._decoding = threading.Lock()
        self._writer = SpanWriter(store)
        self._open_traces = OpenTraces(store)
        self._fatal: dict[LogEntry, int] = {}
        self.set_aside = len(list(self._folder.glob("*.otlp")))
        """Number of requests that could not be stored, of earlier recorders too."""
        self.repeated = 0
        """Number of spans that were stored already when they were committed."""
        self._held_repeated = 0
        """Number of those that were found since the last commit."""

    @property
    def open_traces(self) -> set[str]:
        """Return the traces of the store in which spans may inherit invocations."""
        return self._open_traces.found

    @property
    def spans(self) -> int:
        """Return the number of spans in the store."""
        return len(self._writer)

    def checkpoint(self, *, least_bytes: int, merge: bool) -> bool:
        """Checkpoint the store; see `Store.checkpoint`."""
        if not self._store.checkpoint(least_bytes=least_bytes, merge=merge):
            return False
        self._writer.note_checkpoint()
        return True

    def decode(self, group: Sequence[LogEntry]) -> ArrowTable | None:
        """Return the spans of these requests, or None if `commit` has to find out what is wrong.

        It may run in another thread than the commit of an earlier group.
        """
        try:
            return self._decode([read_entry(entry) for entry in group], _weight(group))
        except Exception:
            return None

    def commit(
        self,
        group: Sequence[LogEntry],
        decoded: ArrowTable | None = None,
        *,
        holds: bool = False,
    ) -> Committed:
        """Commit these requests; set those aside that cannot be decoded or stored.

        Args:
            group: The requests.
            decoded: Their spans, from `decode`.
            holds: Whether to leave the transaction open for the next group; see `finish`. It ends
                where a row group is full.

        Raises:
            Exception: The store or the log fails, so the whole group, and those that are held, have
                to be committed again.
        """
        if not group:
            return Committed()
        is_held = self._writer.holds
        if not is_held and (self._is_broken or self._uncertain != self._store.uncertain):
            # Otherwise spans would be written twice.
            uncertain = self._store.uncertain
            self._store.recover()
            self._writer = SpanWriter(self._store)
            self._uncertain, self._is_broken = uncertain, False
        try:
            if decoded is None:
                decoded = self._decode([read_entry(entry) for entry in group], _weight(group))
            return self._write(decoded, holds=True) if holds else self._write(decoded)
        except Exception as error:
            if is_held:
                self.abandon()
                raise
            if not self._is_of_the_request(group, error):
                raise
            if len(group) == 1:
                return self._put_aside(group[0], read_entry(group[0]), error)
        middle = len(group) // 2
        return self.commit(group[:middle]).add(self.commit(group[middle:]))

    def finish(self) -> None:
        """Commit what is held. Raises an exception if the store fails, as `commit` does."""
        try:
            self._writer.commit()
        except Exception:
            self.abandon()
            raise
        self._note_repeated()

    def abandon(self) -> None:
        """Drop what is held, which has to be committed again."""
        self._is_broken = True
        self._held_repeated = 0
        self._writer.abandon()

    def inherit(self, traces: Collection[str]) -> set[str]:
        """Let spans in these traces inherit invocations; return the invocations with more spans."""
        found = set(inherit_invocations(self._store, traces))
        self._writer.forget_invocations(found)
        return found

    def _decode(self, bodies: Sequence[bytes], weight: int) -> ArrowTable:
        if weight < FEW_SPANS_WEIGHT:
            return span_table(list(span_rows(bodies)))
        with self._decoding:
            return self._decoder.decode(bodies)

    def _write(self, decoded: ArrowTable, *, holds: bool = False) -> Committed:
        spans, unlinked = inherit_within(decoded)
        committed = Committed(invocations=set(spans.column("invocation_id").unique().to_pylist()))
        committed.invocations.discard(None)
        rest, room = spans, self._writer.room
        has_earlier = not holds
        if room <= rest.num_rows:
            self._add(rest.slice(0, room))
            self._checkpoint_group(committed)
            rest, has_earlier = rest.slice(room), True
        self._add(rest, holds=holds)
        committed.is_held, committed.has_earlier = self._writer.holds, has_earlier
        traces = spans.column("trace_id").filter(pc.is_valid(spans.column("invocation_id")))
        committed.traces = self._open_traces.changed(traces.unique().to_pylist(), unlinked)
        return committed

    def _add(self, spans: ArrowTable, *, holds: bool = False) -> None:
        self._held_repeated += self._writer.write_table(spans, holds=holds).repeated
        if not self._writer.holds:
            self._note_repeated()

    def _note_repeated(self) -> None:
        self.repeated += self._held_repeated
        self._held_repeated = 0

    def _checkpoint_group(self, committed: Committed) -> None:
        """Checkpoint a row group that has just become full; later ones would merge it."""
        try:
            committed.checkpointed = self.checkpoint(least_bytes=0, merge=False)
        except Exception as error:  # the spans are committed nevertheless
            committed.problem = str(error)

    def _is_of_the_request(self, group: Sequence[LogEntry], error: Exception) -> bool:
        """Return whether the requests, and not the disk or the database, caused an error."""
        if isinstance(error, _DATABASE_ERRORS):
            if len(group) > 1:
                return False
            self._fatal[group[0]] = self._fatal.get(group[0], 0) + 1
            return self._fatal[group[0]] >= FATAL_TRIES
        if isinstance(error, duckdb.Error):
            return isinstance(error, _ROW_ERRORS)
        return not isinstance(error, (OSError, MemoryError))

    def _put_aside(self, entry: LogEntry, body: bytes, error: Exception) -> Committed:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        path = _kept_body(self._folder, f"{Path(entry.path).stem}-{entry.offset}", body)
        self._fatal.pop(entry, None)
        self.set_aside += 1
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        return Committed(problem=f"a request was set aside as {path}: {reason}")


def _kept_body(folder: Path, name: str, body: bytes) -> Path:
    """Write a request to a new file: segments of later recorders can have the same number."""
    for number in itertools.count():
        path = folder / f"{name}{f'-{number}' if number else ''}.otlp"
        try:
            file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            continue
        with os.fdopen(file, "wb") as out:
            out.write(body)
            out.flush()
            os.fsync(file)
        return path
    raise AssertionError("unreachable")
