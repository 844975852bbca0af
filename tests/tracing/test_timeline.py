"""The timeline of real runs: tries and waits, executed time, waits for answers, clocks."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playhead.model import InvocationDetail, Span, SpanEvent
from playhead.reader.invocation.detail import build_detail
from playhead.reader.invocation.payloads import Payloads
from playhead.reader.listing.live import LiveInvocations
from playhead.reader.listing.rows import invocation_of
from playhead.restate.client import RestateClient
from tracing_bed import SERVER, Bed
from tracing_otlp import Row

NOISE = timedelta(milliseconds=100)


def span_of(row: Row) -> Span:
    status: Any = {0: "unset", 1: "ok", 2: "error"}[row.status]
    return Span(
        row.trace_id, row.span_id, row.parent_span_id or None, row.name, "", row.service, row.scope,
        at(row.start), at(row.end) if row.end else None, status, row.status_message, row.attributes,
        tuple(SpanEvent(name, at(row.start), found) for name, found in row.events),
        instance="process",
    )  # fmt: skip


def at(nanoseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=nanoseconds // 1000)


async def read(bed: Bed, id_: str, ahead: float = 0) -> InvocationDetail:
    """Return an ended invocation, its agents' clock being ahead of the server's by `ahead` s."""
    move = timedelta(seconds=ahead)
    spans = [
        s if s.service_name == SERVER else replace(
            s, start=s.start + move, end=s.end + move if s.end else None,
            events=tuple(replace(e, at=e.at + move) for e in s.events),
        )
        for s in map(span_of, bed.trace(id_))
    ]  # fmt: skip
    async with RestateClient(bed.server.admin_url) as client:
        live = LiveInvocations(client)
        [row] = await live.rows([id_])
        journal = await live.journal(id_)
        return build_detail(
            invocation_of(row, "live"), row, journal=journal, events=await live.events(id_),
            payloads=await Payloads().read(live, id_, journal), spans=spans, state={}, missing=(),
        )  # fmt: skip


def assert_closed(detail: InvocationDetail) -> None:
    """No row of an ended invocation is open, ends later, or outlasts its parent unexplained."""
    over = detail.ended_at
    assert over is not None
    above: list[Any] = []
    for row in detail.timeline:
        del above[row.depth :]
        if row.started_at is not None:
            assert row.ended_at is not None, row
            assert row.ended_at <= over, row
        assert row.state not in ("pending", "retrying"), row
        if above and above[-1].ended_at and row.ended_at:
            assert row.ended_at - above[-1].ended_at <= NOISE or row.note, row
        above.append(row)


@pytest.fixture(scope="module")
def failing(bed: Bed) -> tuple[str, str]:
    """An invocation with two tools in one answer: one is done, the other one fails twice."""
    key = "timeline-tries"
    tools = [["look", {"name": "a"}], ["look", {"name": "b", "seconds": 0.2}]]
    bed.world.plan(key, [tools, "done"], step_b=2)
    return bed.call("Agents/ask", key), key


async def test_every_try_and_every_wait(bed: Bed, failing: tuple[str, str]) -> None:
    id_, key = failing
    detail = await read(bed, id_)
    assert detail.clocks == ()
    ran = bed.world.counts(key)
    for name in ("a", "b"):
        [step] = [s for s in detail.steps if s.name == name]
        assert len(step.tries) == ran[f"step {name}"], "as many as the handler's own log"
        assert len(step.waits) == len(step.tries) - 1
        assert not step.more_tries
        assert step.tries[-1].state == "done"
        assert step.attempt == step.tries[-1].attempt
    [step] = [s for s in detail.steps if s.name == "b"]
    by_number = {a.number: a for a in detail.attempts}
    for one in step.tries:
        within = by_number[one.attempt or 0]
        assert within.ended_at is not None
        assert one.started_at is not None
        assert within.started_at <= one.started_at <= within.ended_at
    assert len({one.attempt for one in step.tries}) == len(step.tries)
    [row] = [r for r in detail.timeline if r.step is step]
    assert len(row.failed_tries) == len(row.gaps) == 2
    assert row.attempt == step.tries[-1].attempt
    assert row.ran is not None
    assert row.ran < 1, "without backoff"
    assert_closed(detail)


async def test_without_spans_the_errors_give_a_lower_bound(
    bed: Bed, failing: tuple[str, str]
) -> None:
    id_, key = failing
    async with RestateClient(bed.server.admin_url) as client:
        live = LiveInvocations(client)
        [row] = await live.rows([id_])
        detail = build_detail(
            invocation_of(row, "live"), row, journal=await live.journal(id_),
            events=await live.events(id_), payloads={}, spans=None, state={}, missing=(),
        )  # fmt: skip
    [step] = [s for s in detail.steps if s.name == "b"]
    assert 2 <= len(step.tries) <= bed.world.counts(key)["step b"]
    assert step.more_tries
    assert_closed(detail)


async def test_a_tool_takes_what_it_ran_while_its_sibling_failed(
    bed: Bed, failing: tuple[str, str]
) -> None:
    id_, _ = failing
    detail = await read(bed, id_)
    first = detail.attempts[0]
    assert first.ended_at is not None
    tools = [r for r in detail.timeline if r.label == "execute_tool look"]
    for row in tools:
        assert row.ran is not None
        assert row.ran < 1.5, "no backoff"
        work = [s for s in detail.spans if s.parent_span_id == row.key.removeprefix("span:")]
        assert sum((s.end - s.start).total_seconds() for s in work if s.end) <= row.ran + 0.01


@pytest.mark.parametrize("ahead", [2.3, -2.3, 3600])
async def test_a_clock_that_differs_is_found_and_corrected(
    bed: Bed, failing: tuple[str, str], ahead: float
) -> None:
    id_, _ = failing
    right = await read(bed, id_)
    wrong = await read(bed, id_, ahead)
    [offset] = wrong.clocks
    assert abs(offset.seconds - ahead) <= offset.within + 0.001
    assert offset.within < 0.5
    times = {r.key: r.started_at for r in right.timeline if r.span}
    for row in wrong.timeline:
        expected = times.get(row.key)
        if expected and row.started_at:
            assert abs(row.started_at - expected) <= timedelta(seconds=offset.within + 0.001)
    assert [r.key for r in wrong.timeline if r.step] == [r.key for r in right.timeline if r.step]
    assert_closed(wrong)


async def test_the_wait_for_an_answer(bed: Bed) -> None:
    key = "timeline-answer"
    bed.world.plan(key, [[["approve", {}]], "done"])
    id_ = bed.start("Agents/ask", key)
    sent = time.time()
    awakeable = bed.world.published(key)
    asked = time.time()
    bed.until(id_, "suspended")
    bed.resolve(awakeable)
    answered = time.time()
    bed.result(id_)
    detail = await read(bed, id_)
    [step] = [s for s in detail.steps if s.kind == "awakeable"]
    assert step.started_at is not None
    assert step.ended_at is not None
    assert sent - 0.1 <= step.started_at.timestamp() <= asked
    waited = (step.ended_at - step.started_at).total_seconds()
    assert answered - asked - 0.1 <= waited <= answered - sent + 0.5
    [row] = [r for r in detail.timeline if r.step is step]
    assert "for an answer" in (row.note or "")
    assert_closed(detail)
