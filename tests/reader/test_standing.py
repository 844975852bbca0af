"""Reasons and times of invocations that wait in every way, on a real server with a recorder.

Reasons are compared with what the test set up, times with the handlers' own log and the server's
own columns.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from playhead import formatting
from playhead.local import ManagedProcess, RestateServer, free_port
from playhead.model import Invocation
from playhead.reader.reader import Reader
from playhead.record.client import connect
from playhead.record.process import start_recorder
from playhead.restate.client import RestateClient
from playhead.restate.control import Control
from playhead.restate.ids import awakeable_id
from playhead.settings import Settings
from waiting import until, until_async

SERVICE = Path(__file__).parents[1] / "support" / "standing_service.py"
SECONDS = 60.0
NOT_ENDED = ("scheduled", "pending", "suspended", "paused", "backing-off")


@dataclass(frozen=True)
class Standing:
    """A server, its recorder, and the handlers that wait."""

    server: RestateServer
    settings: Settings
    log: Path

    def send(self, path: str, body: Any = None, *, delay: str = "") -> str:
        query = f"?delay={delay}" if delay else ""
        url = f"{self.server.ingress_url}/{path}/send{query}"
        answer = httpx.post(url, json=body, timeout=30).raise_for_status().json()
        return str(answer["invocationId"])

    def row(self, id_: str) -> dict[str, Any]:
        """Return the server's own row."""
        answer = httpx.post(
            f"{self.server.admin_url}/query",
            json={"query": f"SELECT * FROM sys_invocation WHERE id = '{id_}'"},
            headers={"accept": "application/json"},
            timeout=30,
        )
        [row] = json.loads(answer.content)["rows"]
        return row

    def output(self, id_: str) -> Any:
        url = f"{self.server.ingress_url}/restate/invocation/{id_}/output"
        return httpx.get(url, timeout=30).json()

    def until(self, id_: str, status: str) -> None:
        until(lambda: self.row(id_)["status"] == status, f"{id_} is {status}", seconds=SECONDS)

    def runs(self, id_: str) -> list[tuple[float, float]]:
        """Return start and end of each execution, by the clock of the handlers' process."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        at = [line["at"] for line in lines if line["id"] == id_]
        return list(zip(at[::2], at[1::2], strict=True))


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    folder = tmp_path_factory.mktemp("standing")
    otlp = free_port()
    endpoint = f"otlp+http://127.0.0.1:{otlp}/v1/traces"
    log = folder / "handlers.jsonl"
    log.touch()
    port = free_port()
    service = ManagedProcess(
        "handlers", [sys.executable, SERVICE, str(port)], log=folder / "handlers.log",
        env={"HANDLERS_LOG": str(log)},
    )  # fmt: skip
    with RestateServer(folder / "restate", tracing_endpoint=endpoint) as server:
        settings = Settings(
            admin_url=server.admin_url, ingress_url=server.ingress_url, store=folder / "store",
            otlp_http_port=otlp, otlp_grpc_port=free_port(), api_port=free_port(),
        )  # fmt: skip
        recorder = start_recorder(settings, folder / "recorder.log")
        service.start()
        try:
            health = f"http://127.0.0.1:{port}/restate/health"
            service.wait_until(lambda: _answers(health), seconds=SECONDS, what="it answered")
            server.register(f"http://127.0.0.1:{port}")
            yield Standing(server, settings, log)
        finally:
            service.kill()
            recorder.stop()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.HTTPError:
        return False


@pytest.fixture
async def reader(standing: Standing) -> AsyncIterator[Reader]:
    store = await connect(standing.settings)
    found = Reader(RestateClient(standing.server.admin_url), store)
    yield found
    await found.close()


async def listed(reader: Reader, id_: str) -> Invocation:
    """Return the row of the list."""
    [row] = (await reader.invocations(id_prefix=id_)).rows
    return row


async def test_each_reason_says_what_the_handler_waits_for(
    standing: Standing, reader: Reader
) -> None:
    awaited = {
        "answer": standing.send("Waits/awakeable"),
        "signal": standing.send("Waits/signal", "go"),
        "sleep": standing.send("Waits/sleeps", 1800),
        "promise": standing.send("Approval/reasons/run"),
        "several": standing.send("Waits/first_of", 1800),
        "holder": standing.send("Account/reasons/hold"),
        "child": standing.send("Waits/pauses"),
        "retry": standing.send("Waits/retries"),
        "later": standing.send("Waits/works", 0.1, delay="1800s"),
    }
    for name in ("answer", "signal", "sleep", "promise", "several", "holder"):
        standing.until(awaited[name], "suspended")
    standing.until(awaited["child"], "paused")
    standing.until(awaited["retry"], "backing-off")
    awaited["second"] = standing.send("Account/reasons/work", 0.1)
    awaited["third"] = standing.send("Account/reasons/work", 0.1)
    awaited["attach"] = standing.send("Waits/attaches", awaited["sleep"])
    pauses = {"service": "Waits", "handler": "pauses", "body": None}
    sleeps = {"service": "Waits", "handler": "sleeps", "body": 1800}
    awaited["call"] = standing.send("Waits/calls", {"calls": [pauses]})
    awaited["calls"] = standing.send("Waits/calls", {"calls": [pauses, sleeps, sleeps]})
    for name in ("attach", "call", "calls"):
        standing.until(awaited[name], "suspended")

    async def stopped() -> bool:
        row = await listed(reader, awaited["call"])
        calls = await listed(reader, awaited["calls"])
        return all("paused" in one.waiting.text for one in (row, calls) if one.waiting)

    await until_async(stopped, "the called ones are paused", seconds=SECONDS)

    def short(text: str) -> str:
        return f"{text[:20]}…"

    def at(name: str, column: str) -> datetime:
        return datetime.fromisoformat(standing.row(awaited[name])[column])

    signal = awakeable_id(awaited["answer"], 17)
    error = "ConnectionError('connection refused by 10.0.0.1:443')"
    expected = {
        "answer": ("awakeable", f"waits for an answer (awakeable {short(signal)})", signal),
        "signal": ("signal", "waits for signal go", "go"),
        "promise": ("promise", "waits for promise decision", "decision"),
        "second": ("queue", f"queued behind {short(awaited['holder'])} for key reasons", None),
        "third": (
            "queue", f"queued behind {short(awaited['holder'])} for key reasons, 1 before it", None,
        ),
        "call": ("call", "waits for its call to Waits/pauses, which is paused", "Waits/pauses"),
        "calls": ("call", "waits for 3 calls (1 paused)", "Waits/pauses"),
        "attach": (
            "attach", "waits for the result of Waits/sleeps "
            f"{short(awaited['sleep'])}, which is suspended", "Waits/sleeps",
        ),
    }  # fmt: skip
    for name, reason in expected.items():
        row = await listed(reader, awaited[name])
        detail = await reader.invocation(awaited[name])
        assert detail is not None
        for one in (row.waiting, detail.summary.waiting):
            assert one is not None
            assert (one.kind, one.text, one.name) == reason, name
    for name in ("second", "third"):
        waiting = (await listed(reader, awaited[name])).waiting
        assert waiting
        assert waiting.invocation_id == awaited["holder"]

    child = await listed(reader, awaited["child"])
    assert child.waiting
    executions = len(standing.runs(awaited["child"]))
    assert executions == 3, "the retry policy"
    assert child.waiting.kind == "pause"
    assert child.waiting.text.endswith(f"attempts: {error}")
    retry = await listed(reader, awaited["retry"])
    assert retry.waiting
    due = at("retry", "next_retry_at")
    now = retry.created_at
    assert retry.waiting.until == due
    assert retry.waiting.text == f"retries at {formatting.moment(due, now)}: {error}"
    later = await listed(reader, awaited["later"])
    assert later.waiting
    assert later.waiting.until == at("later", "scheduled_start_at")
    sleep = await listed(reader, awaited["sleep"])
    assert sleep.waiting
    assert sleep.waiting.kind == "sleep"
    [(started, _)] = standing.runs(awaited["sleep"])
    assert sleep.waiting.until
    assert 1799 < sleep.waiting.until.timestamp() - started < 1810
    assert sleep.waiting.text == f"sleeps until {formatting.moment(sleep.waiting.until, now)}"
    several = await listed(reader, awaited["several"])
    assert several.waiting
    assert several.waiting.kind == "awakeable", "the one that a person can end"
    assert several.waiting.text.startswith("waits for an answer (awakeable sign_1")
    assert ", a sleep until " in several.waiting.text


async def test_the_parts_of_the_time_agree_with_the_handlers_log(
    standing: Standing, reader: Reader
) -> None:
    id_ = standing.send("Waits/fails_then_waits", {"failures": 2, "sleep": 1})
    standing.until(id_, "completed")

    async def complete() -> bool:
        times = (await listed(reader, id_)).times
        return times is not None and times.backoff is not None

    await until_async(complete, "all attempts are recorded", seconds=SECONDS)
    row = await listed(reader, id_)
    times = row.times
    assert times is not None
    assert times.running is not None
    assert times.suspended is not None
    assert times.backoff is not None
    assert times.queued is not None
    assert times.scheduled == 0
    server = standing.row(id_)
    whole = _seconds(server["created_at"], server["completed_at"])
    parts = (times.scheduled, times.queued, times.running, times.suspended, times.backoff)
    assert sum(parts) == pytest.approx(whole, abs=1e-6)
    runs = standing.runs(id_)
    # The server's attempts contain the handler's executions, so its gaps lie inside the handler's.
    gaps = [after[0] - before[1] for before, after in pairwise(runs)]
    assert times.running >= sum(end - start for start, end in runs) - 0.01
    assert times.suspended + times.backoff <= sum(gaps) + 0.01
    # Two backoffs of the default policy, 0.5 s and 1 s with up to 30 % of jitter, and one sleep.
    tries = [gap for gap in gaps if gap > 0.4]
    assert len(tries) == 3
    assert times.backoff == pytest.approx(sum(tries[:2]), abs=0.5)
    assert times.suspended >= 0.8


async def test_sql_has_the_same_figures(standing: Standing, reader: Reader) -> None:
    ended = {
        "killed in the queue": standing.send("Account/sql/hold"),
        "queued": standing.send("Account/sql/work", 0.1),
        "delayed": standing.send("Waits/works", 0.2, delay="300ms"),
        "suspended": standing.send("Waits/sleeps", 0.5),
        "failed": standing.send("Waits/fails_then_waits", {"failures": 1, "sleep": 0}),
        "killed while suspended": standing.send("Waits/awakeable"),
    }
    for name in ("killed in the queue", "killed while suspended"):
        standing.until(ended[name], "suspended")
    async with RestateClient(standing.server.admin_url) as client:
        for name in ("killed in the queue", "killed while suspended"):
            await Control(client).kill(ended[name])
    for id_ in ended.values():
        standing.until(id_, "completed")
    store = await connect(standing.settings)
    assert store is not None
    ids = ", ".join(f"'{id_}'" for id_ in ended.values())
    found: dict[str, Any] = {}
    listed_times: dict[str, Any] = {}

    async def complete() -> bool:
        rows = await store.rows(f"SELECT * FROM invocation_times WHERE invocation_id IN ({ids})")
        found.update({row["invocation_id"]: row for row in rows})
        for id_ in ended.values():
            listed_times[id_] = (await listed(reader, id_)).times
        return len(found) == len(ended) and all(
            row["backoff"] is not None and listed_times[id_].backoff is not None
            for id_, row in found.items()
        )

    await until_async(complete, "all attempts are recorded", seconds=SECONDS)
    await store.close()
    for name, id_ in ended.items():
        times, row = listed_times[id_], found[id_]
        total = 0.0
        for part in ("scheduled", "queued", "running", "suspended", "backoff"):
            assert row[part] == pytest.approx(getattr(times, part), abs=1e-5), (name, part)
            total += row[part]
        server = standing.row(id_)
        whole = _seconds(server["created_at"], server["completed_at"])
        assert row["duration"] == pytest.approx(whole, abs=1e-6)
        assert total == pytest.approx(whole, abs=1e-5), name
    assert found[ended["suspended"]]["suspended"] > 0.3
    assert found[ended["failed"]]["backoff"] > 0.3
    assert found[ended["killed while suspended"]]["suspended"] > 0


async def test_the_queue_lasts_until_the_lock_is_free(standing: Standing, reader: Reader) -> None:
    holder = standing.send("Account/queue/hold")
    standing.until(holder, "suspended")
    before = time.time()
    queued = standing.send("Account/queue/work", 0.1)
    sent = time.time()
    standing.until(queued, "pending")
    async with RestateClient(
        standing.server.admin_url, ingress_url=standing.server.ingress_url
    ) as client:
        released = time.time()
        await Control(client).resolve_awakeable(awakeable_id(holder, 17), "done")
    standing.until(queued, "completed")
    row = await listed(reader, queued)
    assert row.times is not None
    assert row.times.queued is not None
    [(started, _), *_] = standing.runs(queued)
    assert released - sent - 0.01 <= row.times.queued <= started - before + 0.01


async def test_a_delay_is_no_queue(standing: Standing, reader: Reader) -> None:
    id_ = standing.send("Waits/works", 0.1, delay="1s")
    standing.until(id_, "completed")
    row = await listed(reader, id_)
    assert row.times is not None
    server = standing.row(id_)
    delay = _seconds(server["created_at"], server["scheduled_start_at"])
    assert row.times.scheduled == pytest.approx(delay, abs=1e-6)
    assert 0.9 < delay < 1.1


async def test_a_promise_is_completed_through_a_shared_handler(
    standing: Standing, reader: Reader
) -> None:
    for number, (name, value) in enumerate({"decide": {"yes": True}, "comment": "fine"}.items()):
        id_ = standing.send(f"Approval/answer-{number}/run")
        standing.until(id_, "suspended")
        async with RestateClient(
            standing.server.admin_url, ingress_url=standing.server.ingress_url
        ) as client:
            control = Control(client)
            handlers = {one.name: one for one in await control.shared_handlers("Approval")}
            assert set(handlers) == {"decide", "comment"}, "`run` is no answer"
            assert (
                await control.call_handler("Approval", f"answer-{number}", handlers[name], value)
                == "thanks"
            )
        standing.until(id_, "completed")
        assert standing.output(id_) == value
        assert (await listed(reader, id_)).waiting is None


def _seconds(since: str, until_: str) -> float:
    return (datetime.fromisoformat(until_) - datetime.fromisoformat(since)).total_seconds()
