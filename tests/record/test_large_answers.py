"""Large answers are sent in parts, and do not stay in memory for clients that do not read them."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import threading
import time

import httpx
import pytest
from playhead.record import http_server
from playhead.record.endpoint import read_token
from playhead.record.queries.threads import QueryThreads
from playhead.record.recorder import Recorder
from playhead.settings import Settings
from playhead.store import answers

from waiting import until_async  # isort: skip

TEXT = "lpad('x', 1000, '\u00e9')"
LARGE = f"SELECT range AS n, {TEXT} AS text FROM range(20000)"


def head(settings: Settings, **more: str) -> dict[str, str]:
    return {
        "authorization": f"Bearer {read_token(settings.store)}",
        "accept": "application/json",
        **more,
    }


async def test_a_large_answer_is_whole(recorder: Recorder, settings: Settings) -> None:
    url = f"{recorder.endpoint.api_url}/query"
    async with httpx.AsyncClient(trust_env=False, verify=False) as http:
        response = await http.post(url, json={"sql": LARGE}, headers=head(settings))
        rows = response.json()["rows"]
        assert [row["n"] for row in rows] == list(range(20_000))
        assert {len(row["text"]) for row in rows} == {1000}
        assert int(response.headers["content-length"]) == len(response.content) > 40_000_000
        batch = {"queries": [{"sql": LARGE}, {"sql": "SELECT 1 AS one"}, {"sql": "SELECT x"}]}
        response = await http.post(
            f"{recorder.endpoint.api_url}/queries", json=batch, headers=head(settings)
        )
        first, second, third = response.json()["results"]
        assert first == {"rows": rows}
        assert second == {"rows": [{"one": 1}]}
        assert third["status"] == 400


async def test_answers_that_nobody_reads_are_given_up(
    recorder: Recorder, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "UNREAD_SECONDS", 0.5)
    taken: list[int] = []
    take, give_back = answers.AnswerSpace.take, answers.AnswerSpace.give_back

    def note(self: answers.AnswerSpace, size: int, *, is_large: bool) -> None:
        take(self, size, is_large=is_large)
        taken.append(size)

    def note_back(self: answers.AnswerSpace, size: int) -> None:
        give_back(self, size)
        taken.append(-size)

    monkeypatch.setattr(answers.AnswerSpace, "take", note)
    monkeypatch.setattr(answers.AnswerSpace, "give_back", note_back)
    body = json.dumps({"sql": LARGE})
    lines = [f"{name}: {value}" for name, value in head(settings, host="127.0.0.1").items()]
    request = "\r\n".join(
        ["POST /query HTTP/1.1", *lines, f"content-length: {len(body)}", "", body]
    )
    opened: list[asyncio.StreamWriter] = []
    for _ in range(3):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", recorder.endpoint.api_port, limit=1024
        )
        writer.write(request.encode())
        assert b" 200 " in await reader.readline()
        opened.append(writer)
    assert max(itertools.accumulate(taken)) > 30_000_000
    await until_async(lambda: sum(taken) == 0, "the memory of the answers is free")
    for writer in opened:
        writer.close()


async def test_a_client_that_reads_slowly_gets_its_answer(
    recorder: Recorder, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "UNREAD_SECONDS", 5.0)
    url = f"{recorder.endpoint.api_url}/query"
    size = 0
    async with (
        httpx.AsyncClient(trust_env=False, verify=False) as http,
        http.stream("POST", url, json={"sql": LARGE}, headers=head(settings)) as response,
    ):
        async for part in response.aiter_raw(1 << 20):
            size += len(part)
            await asyncio.sleep(0.01)
        assert size == int(response.headers["content-length"])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a niceness for each thread")
async def test_threads_of_slow_queries_give_way_and_end() -> None:
    threads = QueryThreads()

    def niceness() -> tuple[int, int]:
        thread = threading.get_native_id()
        return thread, os.getpriority(os.PRIO_PROCESS, thread)

    def slow() -> tuple[int, int]:
        _, before = niceness()
        deadline = time.monotonic() + 60
        while (found := niceness())[1] == before and time.monotonic() < deadline:
            time.sleep(0.01)
        return found

    usual = os.getpriority(os.PRIO_PROCESS, 0)
    first = await threads.run(niceness, slow_seconds=60)
    assert first[1] == usual
    assert await threads.run(niceness, slow_seconds=60) == first
    lowered, lower = await threads.run(slow, slow_seconds=0.01)
    assert lowered == first[0]
    assert lower > usual
    again, there = await threads.run(niceness, slow_seconds=60)
    assert (again != lowered, there) == (True, usual)
    await until_async(
        lambda: lowered not in {t.native_id for t in threading.enumerate()}, "the thread has ended"
    )
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0, slow_seconds=60)
