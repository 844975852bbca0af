"""One invocation of a live server, the store, or its archive."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from playhead.conventions import ATTEMPT_SPAN_ID
from playhead.decode.registry import decode_run
from playhead.decode.spans import answer_attributes, is_answered
from playhead.errors import PlayheadError, RestateError
from playhead.journal import entries
from playhead.model import InvocationDetail, Span
from playhead.reader.archived import ArchiveClient
from playhead.reader.figures import Figures
from playhead.reader.invocation.detail import build_detail
from playhead.reader.invocation.kept_details import DetailSource, KeptDetails
from playhead.reader.invocation.lanes import with_phases
from playhead.reader.invocation.payloads import Payloads
from playhead.reader.invocation.times import phases_of, spells_of
from playhead.reader.listing.attempt_counts import with_attempts
from playhead.reader.listing.attempt_facts import StoredAttempts
from playhead.reader.listing.live import LiveInvocations
from playhead.reader.listing.pages import gone
from playhead.reader.listing.rows import invocation_of
from playhead.reader.listing.stored import StoredInvocations
from playhead.reader.listing.stored_spans import OUTLINE_BYTES
from playhead.reader.sources import NO_SERVER, Sources, try_read
from playhead.record.shared_requests import together
from playhead.restate.rows import EventRow, JournalRow
from playhead.values import decode_value, json_or_text

__all__ = ["InvocationReader"]

CONTENTS_AT_ONCE = 500
LARGE = 1000
"""Entries and spans above which an invocation is assembled in a thread: screens stay responsive."""


class InvocationReader:
    """Reads everything about one invocation, from the source that has it."""

    def __init__(self, sources: Sources, figures: Figures) -> None:
        """Take the sources, and the reader of figures of their invocations."""
        self._sources = sources
        self._figures = figures
        self._live = figures.live
        self._stored = figures.stored
        self._payloads = Payloads()
        self._details = KeptDetails()
        self._is_alone = self._live is None
        """Whether the store was the only source that answered last."""

    async def detail(self, invocation_id: str, *, outline: bool = False) -> InvocationDetail | None:
        """Return everything about one invocation; see `Reader.invocation`."""
        missing = self._sources.absent()
        with together():
            (
                live,
                stored,
                copying,
                large,
                (counted, spans),
                (journal, events),
            ) = await asyncio.gather(
                try_read(self._live.rows([invocation_id]) if self._live else None, missing),
                try_read(self._stored.rows([invocation_id]) if self._stored else None, missing),
                self._sources.copy_problems(),
                try_read(
                    self._is_large(invocation_id) if self._stored and outline else None, missing
                ),
                self._recorded(invocation_id, missing, whole=not outline),
                # What a server has is asked of it, so this would mostly be in vain.
                self._journal(self._stored if self._is_alone else None, invocation_id, missing),
            )
        missing.extend(copying)
        has_journal = self._is_alone
        self._is_alone = live is None
        row = next(iter(live or stored or ()), None)
        if row is None:
            return await self._archived(invocation_id, outline=outline)
        outline = bool(large)
        source = self._live if live and self._live else self._stored
        assert source is not None
        head = invocation_of(row, "live" if source is self._live else "stored")
        if live is not None and self._live and source is self._stored:
            head = gone(head, self._live.cluster)
        has_journal = has_journal and source is self._stored
        has_spans = spans is not None or self._stored is None
        with together():
            again, state, found = await asyncio.gather(
                self._journal(None if has_journal else source, invocation_id, missing),
                try_read(
                    source.object_state(head.service, head.key, head.cluster) if head.key else None,
                    missing,
                ),
                try_read(
                    None if has_spans else self._spans(invocation_id, outline=outline), missing
                ),
            )
        journal, events = (journal, events) if has_journal else again
        spans = spans if has_spans else found
        payloads = await try_read(
            self._payloads.read(source, invocation_id, journal or ()), missing
        )
        if outline and spans and any(_may_be_answer(row) for row in journal or ()):
            spans = await try_read(self._with_answers(invocation_id, spans), missing)
        build = partial(
            build_detail,
            with_attempts(head, row, counted),
            row,
            journal=journal or [],
            events=events or [],
            payloads=payloads or {},
            spans=spans,
            state={key: decode_value(value) for key, value in (state or {}).items()},
            missing=(),
        )
        is_long = len(journal or ()) + len(spans or ()) > LARGE
        if outline:
            made_of = DetailSource(
                with_attempts(head, row, counted),
                row,
                DetailSource.journal_hash(journal or ()),
                events or (),
                frozenset(payloads or ()),
                spans or (),
                state or {},
            )
            detail = await asyncio.to_thread(self._details.build, made_of, build)
        else:
            detail = await asyncio.to_thread(build) if is_long else build()
        now = datetime.now(UTC)
        [summary] = await self._figures.explained(
            [detail.summary], {invocation_id: row}, missing, counted, now
        )
        spells = spells_of(counted.of(invocation_id) if counted else ())
        detail = with_phases(detail, phases_of(detail.summary, row, spells, now))
        return replace(detail, summary=summary, missing=self._sources.after_read(missing))

    async def _recorded(
        self, invocation_id: str, missing: list[str], *, whole: bool
    ) -> tuple[StoredAttempts | None, list[Span] | None]:
        """Return the recorded attempts of an invocation, and its spans if they are wanted whole."""
        if self._stored is None:
            return None, None
        return await asyncio.gather(
            try_read(self._stored.attempts([invocation_id]), missing),
            try_read(self._spans(invocation_id, outline=False) if whole else None, missing),
        )

    @staticmethod
    async def _journal(
        source: LiveInvocations | StoredInvocations | None, invocation_id: str, missing: list[str]
    ) -> tuple[list[JournalRow] | None, list[EventRow] | None]:
        """Return the journal of an invocation and its failures and pauses."""
        if source is None:
            return None, None
        return await asyncio.gather(
            try_read(source.journal(invocation_id), missing),
            try_read(source.events(invocation_id), missing),
        )

    async def _is_large(self, invocation_id: str) -> bool:
        """Return whether outlines of its spans are read; a large trace does not get small."""
        assert self._stored is not None
        if invocation_id in self._stored.outlines:
            return True
        return await self._stored.spans.size(invocation_id) > OUTLINE_BYTES

    def forget(self, invocation_id: str) -> None:
        """Free the memory of what is kept of an invocation, as it is no longer shown."""
        if self._stored is not None:
            self._stored.outlines.forget(invocation_id)
        self._details.forget(invocation_id)

    async def _spans(self, invocation_id: str, *, outline: bool) -> list[Span]:
        """Return the spans of an invocation; outlines that did not change are the same objects."""
        assert self._stored is not None
        if outline:
            return await self._stored.outlines.read(invocation_id)
        return await self._stored.spans.read(invocation_id)

    async def _with_answers(self, invocation_id: str, spans: Sequence[Span]) -> list[Span]:
        """Add answers to outlines that only their answer relates to one in the journal."""
        answers: dict[str, Mapping[str, Any]] = {}
        wanted = [
            span.span_id
            for span in spans
            if is_answered(span) and ATTEMPT_SPAN_ID not in span.attributes
        ]
        for start in range(0, len(wanted), CONTENTS_AT_ONCE):
            ids = wanted[start : start + CONTENTS_AT_ONCE]
            for span in await self.spans(invocation_id, ids):
                answers[span.span_id] = answer_attributes(span.attributes)
        return [
            replace(span, attributes={**span.attributes, **answers[span.span_id]})
            if span.span_id in answers
            else span
            for span in spans
        ]

    async def spans(self, invocation_id: str, span_ids: Sequence[str]) -> list[Span]:
        """Return some spans of an invocation with all they have; see `Reader.spans`."""
        if self._stored is None:
            return []
        found = await self._stored.spans.some(invocation_id, span_ids)
        if len(found) < len(span_ids) and (archive := await self._archive()) is not None:
            return await archive.spans(invocation_id, span_ids)
        return found

    async def _archived(self, invocation_id: str, *, outline: bool) -> InvocationDetail | None:
        """Return everything about an archived invocation; None when it is not archived."""
        if (archive := await self._archive()) is None:
            return None
        detail = await archive.detail(invocation_id, outline=outline)
        if detail is None:
            return None
        return replace(detail, missing=tuple(m for m in detail.missing if m != NO_SERVER))

    async def _archive(self) -> InvocationReader | None:
        """Return a reader of the store with its archive; None without an archive."""
        if self._sources.store is None or not await self._sources.archive_note():
            return None
        archive = ArchiveClient(self._sources.store)
        return InvocationReader(Sources(None, archive), Figures(None, StoredInvocations(archive)))

    async def raw_entry(self, invocation_id: str, index: int) -> bytes | None:
        """Return the bytes of one journal entry; see `Reader.raw_entry`."""
        found = await self._raw_entry(invocation_id, index)
        if found is not None:
            return found[1]
        archive = await self._archive()
        return await archive.raw_entry(invocation_id, index) if archive else None

    async def payload(self, invocation_id: str, index: int) -> Any:
        """Return the decoded content of one journal entry; see `Reader.payload`."""
        found = await self._raw_entry(invocation_id, index)
        if found is None:
            archive = await self._archive()
            return await archive.payload(invocation_id, index) if archive else None
        source, raw = found
        journal = await source.journal(invocation_id)
        row = next((row for row in journal if row.index == index), None)
        if row is None or row.version < 2:
            return raw
        content = entries.content_of(row, raw)
        del found, raw
        if isinstance(content, entries.Payload):
            return {"failure": content.failure} if content.failure else content.value
        return json_or_text(content)

    async def payload_bytes(self, invocation_id: str, index: int) -> bytes | None:
        """Return the payload of one journal entry; see `Reader.payload_bytes`."""
        found = await self._raw_entry(invocation_id, index)
        if found is None:
            archive = await self._archive()
            return await archive.payload_bytes(invocation_id, index) if archive else None
        source, raw = found
        journal = await source.journal(invocation_id)
        row = next((row for row in journal if row.index == index), None)
        return raw if row is None or row.version < 2 else entries.payload_bytes(row, raw)

    async def _raw_entry(
        self, invocation_id: str, index: int
    ) -> tuple[LiveInvocations | StoredInvocations, bytes] | None:
        """Return the bytes of an entry with the source that has it, the server first.

        Raises:
            RestateError: The store does not have it, and the server does not answer.
        """
        unreachable: PlayheadError | None = None
        for source in (self._live, self._stored):
            if source is None:
                continue
            try:
                raw = await source.payloads(invocation_id, [index])
            except RestateError as error:
                unreachable = error
                continue
            if index in raw:
                return source, raw[index]
        if unreachable:
            raise unreachable
        return None


def _may_be_answer(row: JournalRow) -> bool:
    """Return whether a journal entry may have the answer of a model, by its name."""
    if row.entry_type != "Command: Run":
        return False
    return decode_run(row.name, None, has_result=False).kind == "llm"
