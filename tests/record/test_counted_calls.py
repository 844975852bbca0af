"""Counts of LLM calls and tokens equal the model's own log, however the agents are traced."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from playhead.local import ManagedProcess, RestateServer, free_port
from playhead.model import Tokens
from playhead.reader.reader import Reader
from playhead.record.client import connect
from playhead.record.process import start_recorder
from playhead.restate.client import RestateClient
from playhead.restate.control import Control
from playhead.settings import Settings
from waiting import until, until_async

SUPPORT = Path(__file__).parent.parent / "support"
MODES = ("bridge", "attached", "loose")
CASES: dict[str, dict[str, Any]] = {
    "undisturbed": {},
    "tool fails twice": {"do": "raise", "where": "tool 0", "times": 2},
    "second tool fails": {"do": "raise", "where": "tool 1", "times": 1, "tools": 2},
    "handler fails at its end": {"do": "raise", "where": "end", "times": 2},
    "process killed in a tool": {"do": "exit", "where": "tool 0", "times": 1},
    "process killed at the end": {"do": "exit", "where": "end", "times": 1},
}


class Counted:
    """A recorder, a server, and the agents in a process that starts again when it was killed."""

    def __init__(self, mode: str, folder: Path, stack: ExitStack) -> None:
        self.mode = mode
        self.log = folder / "answers.jsonl"
        self.log.touch()
        otlp, port = free_port(), free_port()
        self.server = RestateServer(
            folder / "restate", tracing_endpoint=f"otlp+http://127.0.0.1:{otlp}/v1/traces"
        )
        self.settings = Settings(
            store=folder / "store", admin_url=self.server.admin_url, otlp_http_port=otlp,
            otlp_grpc_port=free_port(), api_port=free_port(),
        )  # fmt: skip
        recorder = start_recorder(self.settings, folder / "recorder.log")
        stack.callback(recorder.stop)
        self.agents = ManagedProcess(
            "agents",
            [sys.executable, SUPPORT / "counted_service.py", str(port), mode,
             f"http://127.0.0.1:{otlp}"],
            log=folder / "agents.log",
            env={"COUNTED_LOG": str(self.log)},
        )  # fmt: skip
        self.url = f"http://127.0.0.1:{port}"
        self.start_agents()
        stack.callback(self.agents.kill)
        stack.enter_context(self.server)
        self.server.register(self.url)

    def start_agents(self) -> None:
        def answers() -> bool:
            try:
                return httpx.get(f"{self.url}/restate/health").is_success
            except httpx.HTTPError:
                return False

        self.agents.start().wait_until(answers, seconds=120, what="it answered")

    def send(self, request: dict[str, Any]) -> str:
        response = httpx.post(f"{self.server.ingress_url}/counted/ask/send", json=request)
        return response.raise_for_status().json()["invocationId"]

    def finish(self, invocation: str, *, killed: bool = False) -> None:
        """Wait for the end; start the agents again once when they are killed meanwhile."""
        if killed:
            until(lambda: not self.agents.running, "the agents are killed", seconds=60)
            self.start_agents()
        path = f"restate/invocation/{invocation}/attach"
        httpx.get(f"{self.server.ingress_url}/{path}", timeout=120).raise_for_status()

    def lines(self, invocation: str, kind: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [f for f in found if f["id"] == invocation and f["kind"] == kind]

    def truth(self, invocation: str) -> tuple[int, Tokens]:
        """Return the number and the tokens of the answers that the model gave."""
        answers = self.lines(invocation, "llm")
        tokens = (Tokens(answer["input"], answer["output"]) for answer in answers)
        return len(answers), sum(tokens, Tokens())


@pytest.fixture(scope="module", params=MODES)
def counted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Counted]:
    with ExitStack() as stack:
        yield Counted(request.param, tmp_path_factory.mktemp(request.param), stack)


@pytest.fixture
async def reader(counted: Counted) -> AsyncIterator[Reader]:
    store = await connect(counted.settings)
    found = Reader(RestateClient(counted.settings.admin_url), store)
    yield found
    await found.close()


async def said(reader: Reader, counted: Counted, id_: str) -> dict[str, Any]:
    """Return what list, details and SQL say about the calls of an invocation."""
    store = await connect(counted.settings)
    assert store is not None
    page = await reader.invocations(limit=100)
    row = next(row for row in page.rows if row.id == id_)
    detail = await reader.invocation(id_)
    assert detail is not None
    sums = await store.rows(
        "SELECT count(*) AS calls, sum(input_tokens) AS i, sum(output_tokens) AS o"
        " FROM llm_calls WHERE answered AND invocation_id = ?",
        [id_],
    )
    await store.close()
    return {
        "list": (row.llm_calls, row.tokens),
        "detail": (detail.summary.llm_calls, detail.summary.tokens),
        "sql": (sums[0]["calls"], Tokens(sums[0]["i"] or 0, sums[0]["o"] or 0)),
    }


async def recorded(reader: Reader, id_: str) -> None:
    """Wait until the store has the journal and the spans of the invocation's end."""

    async def has_all() -> bool:
        detail = await reader.invocation(id_)
        assert detail is not None
        names = [span.name.split()[0] for span in detail.spans]
        return "invocation-end" in names and detail.summary.ended

    await until_async(has_all, "the end is recorded", seconds=60)


@pytest.mark.parametrize("case", CASES)
async def test_each_answer_counts_once(reader: Reader, counted: Counted, case: str) -> None:
    request = CASES[case]
    id_ = counted.send(request)
    counted.finish(id_, killed=request.get("do") == "exit")
    await recorded(reader, id_)
    calls, tokens = counted.truth(id_)
    expected = dict.fromkeys(("list", "detail", "sql"), (calls, tokens))
    found: dict[str, Any] = {}

    async def agree() -> bool:
        found.update(await said(reader, counted, id_))
        return found == expected

    try:
        await until_async(agree, "all counts equal the model's log", seconds=20)
    except AssertionError:
        assert found == expected


async def test_copied_answers_belong_to_the_original(reader: Reader, counted: Counted) -> None:
    first = counted.send({})
    counted.finish(first)
    async with RestateClient(counted.settings.admin_url) as client:
        again = await Control(client).restart_as_new(first, from_entry=1)
    counted.finish(again)
    await recorded(reader, again)
    calls, tokens = counted.truth(again)
    assert calls == 1
    expected = dict.fromkeys(("list", "detail", "sql"), (calls, tokens))

    async def agree() -> bool:
        return await said(reader, counted, again) == expected

    await until_async(agree, "all counts equal the model's log", seconds=20)
    detail = await reader.invocation(again)
    assert detail is not None
    assert (detail.summary.restarted_from, detail.summary.copied_llm_calls) == (first, 1)


async def test_commands_are_below_the_tool_that_issued_them(
    reader: Reader, counted: Counted
) -> None:
    """Only the tracing bridge knows it; otherwise they are below their attempt."""
    id_ = counted.send({"sleeps": True, "do": "raise", "where": "tool 0", "times": 1})
    counted.finish(id_)
    await recorded(reader, id_)

    async def parent() -> str:
        detail = await reader.invocation(id_)
        assert detail is not None
        rows = list(detail.timeline)
        place = next(n for n, row in enumerate(rows) if row.step and row.step.kind == "sleep")
        above = [row for row in rows[:place] if row.depth < rows[place].depth]
        return above[-1].label if above else ""

    expected = "execute_tool look_up" if counted.mode == "bridge" else "attempt 1"
    await until_async(
        lambda: _starts(parent(), expected), f"the sleep is below {expected}", seconds=20
    )


async def _starts(text: Awaitable[str], prefix: str) -> bool:
    return (await text).startswith(prefix)
