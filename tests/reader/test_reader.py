"""Compare the reader's counts with those of the LLM server, the faults and the Restate server."""

from __future__ import annotations

import itertools
from typing import Any

import httpx
from playhead.model import InvocationDetail, Tokens
from playhead.reader.reader import Reader
from playhead.record.client import StoreClient
from playhead.restate.client import RestateClient

TOOL_FAILS = "a tool that fails twice, then works"
LLM_BUSY = "an LLM that answers 429 once"
WAITS = "an approval that waits for you"


async def detail(reader: Reader, ran: Any, what: str) -> InvocationDetail:
    found = await reader.invocation(ran.ids[what])
    assert found is not None
    return found


async def test_calls_and_tokens_are_those_the_llm_server_counted(reader: Reader, ran: Any) -> None:
    async with httpx.AsyncClient() as http:
        log = (await http.get(f"{ran.stack.llm_url}/control/log")).json()
    answers = [e for e in log if e["delivered"] and e["input_tokens"]]
    assert len(answers) > 10
    page = await reader.invocations(limit=100)
    assert page.missing == ()
    assert {row.id for row in page.rows} == set(ran.ids.values())
    assert sum(row.llm_calls or 0 for row in page.rows) == len(answers)
    total = sum((row.tokens for row in page.rows if row.tokens), Tokens())
    assert total.input == sum(e["input_tokens"] for e in answers)
    assert total.output == sum(e["output_tokens"] for e in answers)


async def test_list_and_detail_and_journal_count_the_same(
    reader: Reader, client: RestateClient, ran: Any
) -> None:
    """Three ways to count: the spans of a page, the spans of one invocation, and its journal."""
    journal_only = Reader(client, None)
    page = await reader.invocations(limit=100)
    for row in page.rows:
        whole = await reader.invocation(row.id)
        alone = await journal_only.invocation(row.id)
        assert whole is not None
        assert alone is not None
        assert (row.attempts, row.llm_calls, row.tokens) == (
            whole.summary.attempts, whole.summary.llm_calls, whole.summary.tokens,
        )  # fmt: skip
        assert (alone.summary.llm_calls, alone.summary.tokens) == (row.llm_calls, row.tokens)
        assert alone.summary.attempts is None


async def test_attempts_are_those_the_faults_caused(reader: Reader, ran: Any) -> None:
    failing = await detail(reader, ran, TOOL_FAILS)
    assert [a.outcome for a in failing.attempts] == ["failed", "failed", "completed"]
    assert all("Denver" in (a.error or "") for a in failing.attempts[:2])
    busy = await detail(reader, ran, LLM_BUSY)
    assert [a.outcome for a in busy.attempts] == ["failed", "completed"]
    assert "429" in (busy.attempts[0].error or "")
    waits = await detail(reader, ran, WAITS)
    assert [a.outcome for a in waits.attempts] == ["suspended"]
    rows = {row.id: row.attempts for row in (await reader.invocations(limit=100)).rows}
    assert rows[ran.ids[TOOL_FAILS]] == 3
    assert rows[ran.ids[LLM_BUSY]] == 2
    assert rows[ran.ids[WAITS]] == 1
    assert rows[ran.ids["a simple question"]] == 1


async def test_failed_tries_lie_within_the_step_s_bar(reader: Reader, ran: Any) -> None:
    failing = await detail(reader, ran, TOOL_FAILS)
    [row] = [r for r in failing.timeline if r.step and r.label == "Get weather"]
    assert len(row.failed_tries) == 2
    assert row.started_at is not None
    assert row.ended_at is not None
    (first, second), (third, fourth) = row.failed_tries
    assert first < second < third < fourth < row.ended_at
    assert (second - first) < (third - second), "the backoff is separate from the tries"
    others = [r for r in failing.timeline if r.step and r.label != "Get weather"]
    assert all(r.failed_tries == () for r in others)


async def test_the_timeline_shows_each_step_and_span_once(reader: Reader, ran: Any) -> None:
    for id_ in ran.ids.values():
        found = await reader.invocation(id_)
        assert found is not None
        keys = [row.key for row in found.timeline]
        assert len(keys) == len(set(keys))
        indexes = [r.step.index for r in found.timeline if r.step]
        assert sorted(indexes) == sorted(step.index for step in found.steps)
        assert len([r for r in found.timeline if r.step]) == len(found.steps)
        shown = [r.span.span_id for r in found.timeline if r.span]
        recorded = [s.span_id for s in found.spans if s.service_name != "Restate"]
        assert sorted(shown) == sorted(recorded)
        assert len([r for r in found.timeline if r.kind == "attempt"]) == len(found.attempts)
        depths = [row.depth for row in found.timeline]
        assert depths[0] == 0
        assert all(b <= a + 1 for a, b in itertools.pairwise(depths))
        assert not [r.note for r in found.timeline if r.note and "orphan" in r.note]


async def test_children_lie_under_their_parents(reader: Reader, ran: Any) -> None:
    found = await detail(reader, ran, "an agent that consults two other agents")
    above: dict[int, Any] = {}
    checked = 0
    for row in found.timeline:
        above[row.depth] = row
        parent = row.span.parent_span_id if row.span else None
        owner = above.get(row.depth - 1)
        if parent and owner is not None and owner.span is not None:
            assert owner.span.span_id == parent
            checked += 1
    assert checked > 8


async def test_prompts_come_from_the_spans(reader: Reader, ran: Any) -> None:
    found = await detail(reader, ran, "the conversation remembers")
    [step] = [s for s in found.steps if s.llm]
    assert step.llm is not None
    assert step.llm.prompt is not None
    assert [m.role for m in step.llm.prompt] == ["system", "user", "assistant", "user"]
    assert step.llm.prompt[1].text == "Hello, my name is Ada."
    assert step.llm.prompt[-1].text == "What is my name?"
    assert "Ada" in step.llm.text
    assert found.state["history"]


async def test_a_waiting_step_is_pending(reader: Reader, ran: Any) -> None:
    found = await detail(reader, ran, WAITS)
    assert found.summary.status == "suspended"
    [awakeable] = [s for s in found.steps if s.kind == "awakeable"]
    assert awakeable.state == "pending"
    assert (awakeable.awakeable_id or "").startswith("sign_1")


async def test_the_store_alone_shows_the_same(
    reader: Reader, source: StoreClient, ran: Any
) -> None:
    alone = Reader(None, source)
    page = await alone.invocations(limit=100)
    assert any("No Restate server" in sentence for sentence in page.missing)
    assert {row.id for row in page.rows} == set(ran.ids.values())
    assert {row.origin for row in page.rows} == {"stored"}
    for what, id_ in ran.ids.items():
        both, kept = await reader.invocation(id_), await alone.invocation(id_)
        assert both is not None
        assert kept is not None
        if what == WAITS:
            continue
        assert kept.steps == both.steps
        assert kept.attempts == both.attempts
        assert [r.key for r in kept.timeline] == [r.key for r in both.timeline]
        assert kept.state == both.state


async def test_filters(
    reader: Reader, client: RestateClient, source: StoreClient, ran: Any
) -> None:
    everything = (await reader.invocations(limit=100)).rows
    for one in (reader, Reader(client, None), Reader(None, source)):
        newest = await one.invocations(limit=3)
        assert newest.more
        assert [r.id for r in newest.rows] == [r.id for r in everything[:3]]
        older = await one.invocations(limit=100, before=newest.rows[-1])
        assert [r.id for r in older.rows] == [r.id for r in everything[3:]]
        assert not older.more
        waiting = await one.invocations(status="suspended")
        assert [r.id for r in waiting.rows] == [ran.ids[WAITS]]
        ended = await one.invocations(status=["succeeded", "failed"])
        assert len(ended.rows) == len(everything) - 1
        assert len((await one.invocations(service="ChatAgent")).rows) == 3
        assert len((await one.invocations(text="chatagent/ADA")).rows) == 3
        assert (await one.invocations(text="no'such%_")).rows == ()
        since = everything[1].created_at
        recent = await one.invocations(since=since)
        assert {r.id for r in recent.rows} == {r.id for r in everything if r.created_at >= since}
        prefix = everything[0].id[:-1]
        assert [r.id for r in (await one.invocations(id_prefix=prefix)).rows] == [everything[0].id]
        assert await one.invocation("inv_1" + "0" * 33) is None


async def test_no_source_answers() -> None:
    async with RestateClient("http://127.0.0.1:1") as closed:
        reader = Reader(closed, None)
        page = await reader.invocations()
        assert page.rows == ()
        assert len(page.missing) == 2
        assert any("No Restate server answers" in sentence for sentence in page.missing)
        assert await reader.invocation("inv_1" + "0" * 33) is None
