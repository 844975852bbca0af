"""Groups of failures and figures of agents, compared with what was stored and with what ran."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from playhead.errors import FilterError, RecorderError
from playhead.model import AgentFigures, Cost
from playhead.reader.reader import Reader
from recorded_store import RecordedStore, at

TRACE = """Traceback (most recent call last):
  File "/srv/app/agent.py", line {line}, in pay
    await call()
  File "/usr/lib/python3.12/site-packages/httpx/_client.py", line 99, in send
    raise ConnectError
httpx.ConnectError: connection {number} refused
"""


def failed(message: str, trace: str | None = None, code: int = 500) -> dict[str, Any]:
    return {
        "error_code": code, "error_message": message, "error_stacktrace": trace,
        "related_command_index": 1, "related_command_name": "Pay", "related_command_type": "Run",
    }  # fmt: skip


@pytest.fixture
def failing(tmp_path: Path) -> Reader:
    store = RecordedStore(tmp_path)
    store.invocation("inv_a", "Shop/run", created=0, pinned_deployment_id="dp_1")
    store.invocation(
        "inv_b", "Shop/run", created=10, pinned_deployment_id="dp_2", status="paused",
        completion_result=None, completed_at=None,
    )  # fmt: skip
    store.invocation(
        "inv_c", "Shop/run", created=20, completion_result="failure",
        completion_failure="[400] ValueError: no item 17",
    )  # fmt: skip
    store.invocation(
        "inv_k", "Shop/run", created=30, completion_result="failure",
        completion_failure="[409] killed",
    )  # fmt: skip
    # The same place, although line and message differ.
    store.failure("inv_a", 1, failed("refused 1", TRACE.format(line=10, number=1)))
    store.failure("inv_a", 2, failed("refused 2", TRACE.format(line=10, number=2)))
    store.failure("inv_b", 12, failed("refused 3", TRACE.format(line=14, number=3)))
    store.failure("inv_b", 13, failed("model gpt-5 says: try in 20 s", code=429))
    store.failure("inv_a", 3, failed("model gpt-4 says: try in 3 s", code=429))
    return store.write()


async def test_equal_failures_form_a_group(failing: Reader) -> None:
    found = await failing.failures()
    assert (found.total, found.failures) == (3, 6)
    assert (found.since, found.until) == (at(1), at(30))
    refused, limited, terminal = found.groups
    assert (refused.error, refused.step, refused.service) == ("ConnectError", "Pay", "Shop")
    assert (refused.place, refused.line) == ("agent.py in pay", 14)
    assert (refused.count, refused.terminal, refused.invocations, refused.stuck) == (3, 0, 2, 1)
    assert (refused.first_at, refused.last_at) == (at(1), at(12))
    assert (refused.deployments, refused.example) == (("dp_1", "dp_2"), "inv_b")
    assert refused.message == "refused 3"
    assert "connection 3 refused" in (refused.stacktrace or "")
    assert (sum(refused.trend), refused.trend[0], len(refused.trend)) == (3, 2, 12)
    assert limited.error == "[429] model gpt-… says: try in … s"
    assert (limited.count, limited.place) == (2, "")
    assert (terminal.error, terminal.step, terminal.count) == ("ValueError", "", 1)
    assert (terminal.terminal, terminal.last_at) == (1, at(30))


@pytest.mark.parametrize("built", [True, False])
async def test_terminal_errors_without_a_type_keep_their_code(tmp_path: Path, built: bool) -> None:
    store = RecordedStore(tmp_path)
    for number, failure in enumerate(
        ("[403] order A-17 is sealed", "[404] order A-17 is sealed", "[403] order A-18 is sealed",
         "[500 Internal] order A-17 is sealed")
    ):  # fmt: skip
        store.invocation(
            f"inv_{number}", created=number, completion_result="failure",
            completion_failure=failure,
        )  # fmt: skip
    found = await store.write(built=built).failures()
    assert {group.error: group.count for group in found.groups} == {
        "[403] order A-… is sealed": 2,
        "[404] order A-… is sealed": 1,
        "[500 Internal] order A-… is sealed": 1,
    }


async def test_a_group_leads_to_its_invocations(failing: Reader) -> None:
    for group in (await failing.failures()).groups:
        page = await failing.invocations(filter=f"failure:{group.fingerprint}")
        assert len(page.rows) == group.invocations
        assert group.example in {row.id for row in page.rows}
        again = await failing.failures(fingerprint=group.fingerprint[:6])
        assert [one.count for one in again.groups] == [group.count]


async def test_failures_of_matching_invocations_only(failing: Reader) -> None:
    found = await failing.failures(filter="status:paused")
    assert [(group.error[:5], group.count) for group in found.groups] == [
        ("[429]", 1), ("Conne", 1),
    ]  # fmt: skip
    with pytest.raises(FilterError):
        await failing.failures(filter="wait:approval")
    with pytest.raises(RecorderError):
        await Reader(None, None).failures()


@pytest.mark.parametrize("built", [True, False])
async def test_agents_are_sums_of_their_calls(tmp_path: Path, built: bool) -> None:
    store = RecordedStore(tmp_path)
    store.invocation("inv_a")
    store.invocation("inv_b", created=5)
    details = {"gen_ai.usage.cache_read.input_tokens": 100, "playhead.logical_span_id": "first",
               "gen_ai.usage.details.reasoning_tokens": 4}  # fmt: skip
    store.chat("inv_a", "gpt-4o-mini", (1000, 10), agent="shop", attributes=details)
    details |= {"playhead.logical_span_id": "second"}
    store.chat("inv_b", "gpt-4o-mini", (9, 9), agent="shop", attributes=details, status="error")
    store.chat("inv_b", "gpt-4o-mini", (3000, 30), agent="shop", attributes=details, seconds=3)
    store.chat("inv_b", "own", (5, 5), agent="shop", seconds=2)
    store.chat("inv_b", "own", (5, 5), attributes={"playhead.replayed": True})
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "refund"}
    for seconds in (0.1, 0.2, 0.4):
        store.span("inv_a", tool, seconds=seconds)
    store.span("inv_a", tool, seconds=9, status="error")
    report = await store.write(built=built).agents()
    priced, unknown, refund = report.rows
    assert priced.cost is not None
    expected = (4000 - 200) * 0.15e-6 + 200 * 0.075e-6 + 40 * 0.6e-6
    assert priced.cost.usd == pytest.approx(expected)
    assert priced == AgentFigures(
        "model", "shop", "gpt-4o-mini", calls=2, errors=1, retries=1, invocations=2,
        input_tokens=4000, output_tokens=40, cached_tokens=200, reasoning_tokens=8,
        cost=priced.cost, p50_seconds=1.0, p95_seconds=3.0, trend=priced.trend,
    )  # fmt: skip
    assert (unknown.name, unknown.calls, unknown.cost) == ("own", 1, Cost(None, 1))
    assert (refund.kind, refund.agent, refund.name) == ("tool", "", "refund")
    assert (refund.calls, refund.errors, refund.p50_seconds) == (3, 1, 0.2)
    assert [sum(row.trend) for row in report.rows] == [3, 1, 4]


async def test_calls_of_all_rows_have_the_same_periods(tmp_path: Path) -> None:
    store = RecordedStore(tmp_path)
    store.invocation("inv_a")
    for second, model in ((0, "a"), (1, "a"), (11, "a"), (12, "b"), (6, "b")):
        store.chat("inv_a", model, (1, 1), start=second)
    store.chat("inv_a", "b", (1, 1), start=7, status="error")
    report = await store.write().agents(kinds=("model",))
    trends = {row.name: row.trend for row in report.rows}
    assert trends == {"a": (1, 1, *[0] * 9, 1), "b": (*[0] * 6, 1, 1, *[0] * 3, 1)}
    assert (report.since, report.until) == (at(0), at(12))
    empty = await RecordedStore(tmp_path / "empty").write().agents()
    assert (empty.rows, empty.since) == ((), None)


async def test_agents_count_what_the_llm_server_answered(reader: Reader, ran: Any) -> None:
    async with httpx.AsyncClient() as http:
        log = (await http.get(f"{ran.stack.llm_url}/control/log")).json()
    answers = [entry for entry in log if entry["delivered"] and entry["input_tokens"]]
    report = await reader.agents()
    models = [row for row in report.rows if row.kind == "model"]
    assert sum(row.calls for row in models) == len(answers)
    assert sum(row.input_tokens for row in models) == sum(e["input_tokens"] for e in answers)
    assert sum(row.output_tokens for row in models) == sum(e["output_tokens"] for e in answers)
    by_name = {(row.kind, row.agent, row.name): row for row in report.rows}
    weather = by_name["model", "weather", "gpt-local"]
    assert (weather.calls, weather.errors, weather.retries) == (6, 1, 1)
    tool = by_name["tool", "weather", "get_weather"]
    assert (tool.calls, tool.errors, tool.retries) == (3, 2, 2)
    step = by_name["step", "WeatherAgent", "Get weather"]
    assert (step.calls, step.errors, step.retries) == (3, 2, 2)


async def test_failures_of_the_demo_have_their_place(reader: Reader, ran: Any) -> None:
    groups = {group.error: group for group in (await reader.failures()).groups}
    tool = groups["ToolUnavailableError"]
    assert (tool.step, tool.service) == ("Get weather", "WeatherAgent")
    assert tool.place == "tool_faults.py in inject"
    assert tool.example == ran.ids["a tool that fails twice, then works"]
    assert any(error.startswith("[429]") for error in groups)
