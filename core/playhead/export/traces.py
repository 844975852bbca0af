"""The export of spans to a target: each span once, also when an export is continued."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

from playhead.export.otlp_encoding import EncodedSpan, batches, encoded_span, encoded_spans
from playhead.export.stored_spans import Part, SpanReader, StoredSpan

if TYPE_CHECKING:
    from playhead.export.delivery import Delivery
    from playhead.export.report import Report, Result
    from playhead.export.sent_spans import SentSpans
    from playhead.export.targets import TargetKind

__all__ = ["send_traces"]

Prepare = Callable[[Part, list[StoredSpan]], Awaitable[None]]
REQUESTS = 3
"""Requests that are on their way at a time."""
ANSWER_SECONDS = 5.0
"""Time for which the end of an interrupted export waits for answers to these requests."""


async def send_traces(
    reader: SpanReader,
    delivery: Delivery,
    sent: SentSpans,
    kind: TargetKind,
    report: Report,
    *,
    prepare: Prepare | None = None,
    progress: Callable[[Report], None] = lambda report: None,
) -> None:
    """Send all spans that the target has not accepted before.

    Args:
        reader: Reads the spans.
        delivery: The connection to the target.
        sent: The spans that were sent before; it is updated after each request.
        kind: Kind of the target, with its limits.
        report: Counts what is sent; it is complete even when an exception is raised.
        prepare: Changes spans for the target, and removes those that it should not get.
        progress: Called after each answer.

    Raises:
        ExportError: The target does not accept any more spans.
    """
    running: dict[asyncio.Task[None], list[Result]] = {}
    oldest = 0
    if kind.longest_age is not None:
        oldest = time.time_ns() - int(kind.longest_age.total_seconds()) * 1_000_000_000

    def settle(finished: set[asyncio.Task[None]]) -> list[BaseException]:
        errors: list[BaseException] = []
        for task in finished:
            for result in running.pop(task):
                sent.add(result.keys)
                report.add(result)
            if error := task.exception():
                errors.append(error)
            else:
                report.requests += 1
        progress(report)
        return errors

    async def answer() -> None:
        finished, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        if errors := settle(finished):
            raise errors[0]

    async def start(batch: list[EncodedSpan]) -> None:
        results: list[Result] = []
        running[asyncio.create_task(delivery.send(batch, results))] = results
        if len(running) >= REQUESTS:
            await answer()

    pending: list[EncodedSpan] = []
    try:
        async for spans in _encoded(reader, sent, prepare, report):
            new = _new(spans, sent, oldest, report)
            *whole, pending = [*batches([*pending, *new])] or [[]]
            for batch in whole:
                await start(batch)
            progress(report)
        if pending:
            await start(pending)
        while running:
            await answer()
    finally:
        if running:
            # What the target takes without being asked for its answer would be sent again.
            delivery.stop_repeating()
            finished, late = await asyncio.wait(running, timeout=ANSWER_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            settle(finished)


async def _encoded(
    reader: SpanReader, sent: SentSpans, prepare: Prepare | None, report: Report
) -> AsyncIterator[list[EncodedSpan]]:
    """Yield the spans of each part, changed for the target."""
    if prepare is None:
        async for _, table in reader.parts():
            yield encoded_spans(table)
        return
    async for part, spans in reader.spans():
        if len(sent.known(span.key for span in spans)) < len(spans):
            count = len(spans)
            await prepare(part, spans)
            report.left_out += count - len(spans)
        yield [encoded_span(span) for span in spans]


def _new(
    spans: list[EncodedSpan], sent: SentSpans, oldest: int, report: Report
) -> list[EncodedSpan]:
    """Return the spans that the target does not have, and would not refuse."""
    known = sent.known(span.key for span in spans)
    found = [span for span in spans if span.key not in known] if known else spans
    report.sent_before += len(spans) - len(found)
    recent = [span for span in found if span.start >= oldest] if oldest else found
    report.too_old += len(found) - len(recent)
    return recent
