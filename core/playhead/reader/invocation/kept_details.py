"""Details of large invocations: built again only after a change, from the parts that are equal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import is_
from typing import Any, TypeVar

from playhead.model import Invocation, InvocationDetail, Span, TimelineRow
from playhead.restate.rows import EventRow, JournalRow

__all__ = ["DetailSource", "KeptDetails"]

MOST_DETAILS = 8
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class DetailSource:
    """What a detail is built from."""

    head: Invocation
    row: Mapping[str, Any]
    journal: int
    """Hash of the journal, which would need as much memory as the detail."""
    events: Sequence[EventRow]
    payloads: frozenset[int]
    """Journal indexes of the payloads that were read; entries do not change."""
    spans: Sequence[Span]
    state: Mapping[str, Any]

    @staticmethod
    def journal_hash(journal: Sequence[JournalRow]) -> int:
        """Return a hash of a journal; entries do not change, but can be replaced by others."""
        return hash(
            tuple(
                (row.index, row.entry_type, row.name, row.raw_length, row.appended_at,
                 row.completed, row.invoked_id)
                for row in journal
            )
        )  # fmt: skip

    def is_same(self, other: DetailSource) -> bool:
        """Return whether the detail is the same; a span without an end may become a lost one."""
        return (
            len(self.spans) == len(other.spans)
            and all(map(is_, self.spans, other.spans))
            and all(span.end is not None for span in self.spans)
            and (self.head, self.row, self.journal, self.payloads)
            == (other.head, other.row, other.journal, other.payloads)
            and (list(self.events), self.state) == (list(other.events), other.state)
        )


class KeptDetails:
    """The details that were built last, by invocation.

    Screens have several states of an invocation at once: the one on screen, the one that is held,
    and the next one. These share all rows, steps and spans that are equal.
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[DetailSource, InvocationDetail]] = {}
        self._lock = threading.Lock()

    def forget(self, invocation_id: str) -> None:
        """Free the memory of a detail."""
        with self._lock:
            self._kept.pop(invocation_id, None)

    def build(
        self, source: DetailSource, build: Callable[[], InvocationDetail]
    ) -> InvocationDetail:
        """Return the detail of an invocation.

        Args:
            source: What it is built from.
            build: Builds it; it can run in any thread.
        """
        id_ = source.head.id
        with self._lock:
            before = self._kept.get(id_)
        if before is not None and source.is_same(before[0]):
            return before[1]
        detail = build()
        if before is not None:
            detail = _shared(detail, before[1])
        with self._lock:
            self._kept.pop(id_, None)
            while len(self._kept) >= MOST_DETAILS:
                del self._kept[next(iter(self._kept))]
            self._kept[id_] = (source, detail)
        return detail


def _shared(detail: InvocationDetail, before: InvocationDetail) -> InvocationDetail:
    """Return a detail whose equal parts are those of an earlier one."""
    return replace(
        detail,
        steps=_known(detail.steps, before.steps, lambda step: (step.index, step.awakeable_id)),
        spans=_known(detail.spans, before.spans, lambda span: (span.trace_id, span.span_id)),
        timeline=_known(detail.timeline, before.timeline, _key),
    )


def _key(row: TimelineRow) -> str:
    return row.key


def _known(
    found: Sequence[_T], before: Sequence[_T], key: Callable[[_T], object]
) -> tuple[_T, ...]:
    """Return the values, equal ones as the same objects as before."""
    known = {key(one): one for one in before}
    return tuple(
        old if (old := known.get(key(one))) is not None and old == one else one for one in found
    )
