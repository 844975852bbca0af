"""Compare the reader's counts with those of the LLM server, the faults and the Restate server."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

import httpx
from click.testing import CliRunner
from playhead.cli import cli
from playhead.formatting import tokens
from playhead.model import InvocationDetail, Tokens
from playhead.reader.reader import Reader
from playhead.record.client import StoreClient
from playhead.restate.client import RestateClient
from playhead_tui.app import PlayheadApp
from playhead_tui.sources.connector import connector
from tui_stage import Stage

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


@dataclass(frozen=True)
class Wire:
    """Counts that come from Restate's tables and the LLM server's log alone."""

    statuses: Counter[tuple[str, str]]
    """Invocations by service and status."""
    answers: dict[str, list[tuple[int, int]]]
    """Input and output tokens of the answers, by invocation."""
    services: dict[str, str]
    """Service of each invocation."""
    failures: int
    """Failed attempts, and ends with an error."""
    steps: Counter[tuple[str, str]]
    """Results of durable steps, by service and name."""

    def tokens(self, service: str | None = None) -> tuple[int, int, int]:
        """Return the number of answers of a service's invocations, and their tokens."""
        found = [
            answer
            for id_, answers in self.answers.items()
            if service in (None, self.services[id_])
            for answer in answers
        ]
        return len(found), sum(number for number, _ in found), sum(number for _, number in found)

    def by_status(self, service: str | None = None) -> dict[str, int]:
        """Return the number of a service's invocations by status."""
        found: Counter[str] = Counter()
        for (owner, status), number in self.statuses.items():
            found[status] += number if service in (None, owner) else 0
        return dict(+found)


async def count(client: RestateClient, ran: Any) -> Wire:
    """Count without any of Playhead's code that counts."""
    rows = await client.query(
        "SELECT id, target_service_name AS service, status, completion_result AS result"
        " FROM sys_invocation"
    )
    ends = {"success": "succeeded", "failure": "failed"}
    services = {row["id"]: row["service"] for row in rows}
    async with httpx.AsyncClient() as http:
        log = (await http.get(f"{ran.stack.llm_url}/control/log")).json()
    answers: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for entry in log:
        if entry["delivered"] and entry["input_tokens"]:
            answers[entry["invocation"]].append((entry["input_tokens"], entry["output_tokens"]))
    [events] = await client.query(
        "SELECT count(*) AS number FROM sys_journal_events WHERE event_type = 'TransientError'"
    )
    entries = await client.query(
        "SELECT id, name, entry_type, entry_lite_json AS entry FROM sys_journal"
        " WHERE entry_type IN ('Command: Run', 'Notification: Run')"
    )
    named: dict[tuple[str, int], str] = {}
    results: list[tuple[str, int]] = []
    for entry in entries:
        document = json.loads(entry["entry"])
        if entry["entry_type"] == "Command: Run":
            named[entry["id"], document["Command"]["Run"]["completion_id"]] = entry["name"]
        else:
            results.append((entry["id"], document["Notification"]["id"]["CompletionId"]))
    return Wire(
        Counter(
            (row["service"], ends.get(row.get("result", ""), str(row["status"]))) for row in rows
        ),
        answers,
        services,
        events["number"] + sum(row.get("result") == "failure" for row in rows),
        Counter((services[id_], named[id_, number]) for id_, number in results),
    )


async def test_every_command_sums_up_what_the_wire_shows(
    reader: Reader, client: RestateClient, ran: Any
) -> None:
    """`ls`, its groups, `stats`, `failures`, `agents`, `services`: counted without Playhead."""
    wire = await count(client, ran)

    async def said(*arguments: str) -> Any:
        command = [*arguments, "--json"]
        result = await asyncio.to_thread(
            CliRunner().invoke, cli, command, env=ran.stack.environment
        )
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    def assert_sums(shown: Any, service: str | None = None) -> None:
        assert shown["by_status"] == wire.by_status(service)
        assert shown["invocations"] == sum(wire.by_status(service).values())
        spent = (shown["tokens"]["input"], shown["tokens"]["output"])
        assert (shown["llm_calls"] or 0, *spent) == wire.tokens(service)

    listed = await said("ls")
    assert_sums(listed["totals"])
    assert len(listed["invocations"]) == len(wire.services)
    for row in listed["invocations"]:
        answers = wire.answers[row["id"]]
        assert row["llm_calls"] == len(answers)
        spent = (sum(number for number, _ in answers), sum(number for _, number in answers))
        assert (row["tokens"]["input"], row["tokens"]["output"]) == spent
    groups = await said("ls", "--group-by", "service")
    assert_sums(groups["totals"])
    for group in groups["groups"]:
        assert_sums(group["totals"], group["name"])
    groups = await said("ls", "--group-by", "status")
    found = {group["name"]: group["totals"]["invocations"] for group in groups["groups"]}
    assert found == wire.by_status()
    stats = await said("stats", "--minutes", "1440")
    for line in stats["services"]:
        spent = {"input": line["input_tokens"] or 0, "output": line["output_tokens"] or 0}
        assert_sums(line | {"tokens": spent}, line["service"])
    assert sum(stats["activity"]["started"]) == len(wire.services)
    assert sum(stats["activity"]["failed"]) == wire.by_status().get("failed", 0)
    failures = await said("failures")
    assert failures["failures"] == sum(one["count"] for one in failures["groups"]) == wire.failures
    agents = (await said("agents"))["agents"]
    models = [row for row in agents if row["kind"] == "model"]
    assert wire.tokens() == (
        sum(row["calls"] for row in models), sum(row["input_tokens"] for row in models),
        sum(row["output_tokens"] for row in models),
    )  # fmt: skip
    steps = {(row["agent"], row["name"]): row["calls"] for row in agents if row["kind"] == "step"}
    assert steps == dict(wire.steps)
    services = {one["name"]: one["open"] for one in (await said("services"))["services"]}
    for name, number in services.items():
        statuses = wire.by_status(name)
        assert number == sum(statuses.values()) - statuses.get("succeeded", 0)


async def test_the_header_and_groups_of_the_dashboard_show_what_the_wire_shows(
    reader: Reader, client: RestateClient, ran: Any
) -> None:
    wire = await count(client, ran)
    statuses = wire.by_status()
    app = PlayheadApp(connector(ran.stack.settings, record=False), read_only=True)
    async with app.run_test(size=(200, 40)) as pilot:
        stage = Stage(app, pilot)
        calls, read, written = wire.tokens()
        sums = f"{tokens(Tokens(read, written))} tokens"
        await stage.until(lambda: sums in stage.text.split("\n")[0])
        header = stage.text.split("\n")[0]
        assert f" {len(wire.services)} total" in header
        numbers = [int(number) for number in re.findall(r"\S (\d+)(?: \w+)?  ", header)]
        assert sorted(numbers) == sorted(statuses.values())
        assert f" {statuses['suspended']} suspended" in header
        await stage.press("b")
        await stage.shows("LLM CALLS")
        for service in set(wire.services.values()):
            calls, read, written = wire.tokens(service)
            invocations = sum(wire.by_status(service).values())
            cells = [str(invocations), str(calls), tokens(Tokens(read, written))]
            await stage.until(
                lambda service=service, cells=cells: any(
                    service in line and set(cells) <= {*line.split()}
                    for line in stage.text.split("\n")
                )
            )
