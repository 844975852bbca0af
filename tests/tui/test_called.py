"""Called invocations, in place below the step that called them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from playhead.cli import cli
from playhead.local import RestateServer
from playhead.model import InvocationDetail
from playhead.reader.reader import Reader
from playhead.restate.client import RestateClient
from playhead_tui.inspector.tabs import tabs_of
from playhead_tui.widgets.chips import Chips
from python_service import python_service
from tui_fakes import FakeReader, summary
from tui_stories import details, long_journal, step, step_row
from waiting import until

SERVICE = """
import asyncio, sys
from datetime import timedelta
import hypercorn.asyncio, hypercorn.config, restate

front, middle, back = restate.Service("Front"), restate.Service("Middle"), restate.Service("Back")

@back.handler(inactivity_timeout=timedelta(milliseconds=200))
async def check(ctx: restate.Context, amount: int) -> str:
    _, answer = ctx.awakeable(type_hint=str)
    return await answer

@middle.handler()
async def decide(ctx: restate.Context, amount: int) -> str:
    return await ctx.service_call(check, arg=amount)

@front.handler()
async def claim(ctx: restate.Context, amount: int) -> str:
    return await ctx.service_call(decide, arg=amount + 1)

app = restate.app([front, middle, back])
config = hypercorn.config.Config()
config.bind = [f"127.0.0.1:{sys.argv[1]}"]
asyncio.run(hypercorn.asyncio.serve(app, config))
"""


@pytest.fixture(scope="module")
def claims(restate: RestateServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server with three services that call each other."""
    with python_service(restate, tmp_path_factory.mktemp("claims") / "claims.py", SERVICE):
        yield restate


def post(url: str, body: Any) -> httpx.Response:
    return httpx.post(url, json=body).raise_for_status()


def rows(server: RestateServer, sql: str) -> list[dict[str, Any]]:
    headers = {"accept": "application/json"}
    answer = httpx.post(f"{server.admin_url}/query", json={"query": sql}, headers=headers)
    found: list[dict[str, Any]] = answer.json()["rows"]
    return found


async def test_a_call_unfolds_across_services_and_lives_on(
    claims: RestateServer, stage, tmp_path: Path
) -> None:
    sent = post(f"{claims.ingress_url}/Front/claim/send", 120).json()
    calls = "SELECT id, invoked_by_id FROM sys_invocation WHERE target_service_name = '{}'"
    until(lambda: rows(claims, calls.format("Back")), "the last service was called", seconds=30)
    [back] = rows(claims, calls.format("Back"))
    [middle] = rows(claims, calls.format("Middle"))
    assert (back["invoked_by_id"], middle["invoked_by_id"]) == (middle["id"], sent["invocationId"])
    clock: Any = {"now": lambda: datetime.now(UTC)}
    async with (
        RestateClient(claims.admin_url) as client,
        stage(Reader(client, None), **clock) as s,
    ):
        s.app.open_invocation(sent["invocationId"])
        await s.until(lambda: getattr(s.app.screen, "detail", None))
        screen = s.app.screen
        view = screen.waterfall
        await s.until(lambda: view.go_to("step:1"))
        await s.press("l")
        await s.until(lambda: view.go_to("step:1>step:1"))
        await s.press("l")
        await s.shows("awakeable")
        inside = [row.row for row in view.rows if row.row.invocation_id == back["id"]]
        assert next((row.label, row.depth) for row in inside) == ("input", 2)
        assert view.go_to(inside[0].key)
        await s.shows(f"Back/check  {back['id'][:12]}")
        assert screen.detail_of(screen.current).summary.id == back["id"]
        while screen.inspector.tabs[screen.inspector.tab] != "Raw":
            await s.press("right_square_bracket")
        await s.until(lambda: "31 32 31" in screen.inspector.text)
        [waiting] = [row.step for row in inside if row.step and row.step.awakeable_id]
        post(f"{claims.ingress_url}/restate/awakeables/{waiting.awakeable_id}/resolve", "paid")
        await s.until(lambda: [r.row.label for r in view.rows].count("output") == 3)
        assert view.go_to("step:1")
        await s.press("h")
        await s.until(lambda: all(row.row.invocation_id is None for row in view.rows))
        assert screen.called.wanted == ()
    where = ["--admin-url", claims.admin_url, "--store", str(tmp_path), "show"]
    command = [*where, sent["invocationId"], "--children"]
    shown = await asyncio.to_thread(CliRunner().invoke, cli, command)
    assert "in all      2 invocations called" in shown.stdout
    lines = shown.stdout.splitlines()
    [call] = [line for line in lines if "Back/check" in line]
    [answer] = [line for line in lines if "awakeable" in line]
    assert len(answer) - len(answer.lstrip()) == len(call) - len(call.lstrip()) + 2
    shown = await asyncio.to_thread(CliRunner().invoke, cli, [*command, "--json"])
    found = json.loads(shown.stdout)
    places = [(one["id"], one["called_by"], one["step"], one["depth"]) for one in found["called"]]
    assert places == [
        (middle["id"], sent["invocationId"], 1, 1), (back["id"], middle["id"], 1, 2),
    ]  # fmt: skip
    assert {row["invocation_id"] for row in found["timeline"]} == {None, middle["id"], back["id"]}


def family() -> tuple[FakeReader, InvocationDetail]:
    source = FakeReader([summary("inv_a", "A/run", "succeeded", 60)])
    row = source.rows[0]
    found = step(row.created_at, 1, 2, "call", "B/run", 1, child_id="inv_b")
    detail = InvocationDetail(row, (found,), (), (), (step_row(found, 0),), {})
    source.details["inv_a"] = detail
    return source, detail


async def test_what_cannot_be_read_is_told_in_place_until_it_can(stage) -> None:
    source, _ = family()
    async with stage(source) as s:
        s.app.open_invocation("inv_a")
        await s.until(lambda: getattr(s.app.screen, "detail", None))
        await s.press("l")
        await s.shows("Cannot be read: neither the server nor the store has inv_b")
        child = summary("inv_b", "B/run", "running", 58)
        again = step(child.created_at, 0, None, "call", "A/run", 1, child_id="inv_a")
        source.details["inv_b"] = InvocationDetail(
            child, (again,), (), (), (step_row(again, 0),), {}
        )
        await s.until(lambda: s.app.screen.waterfall.go_to("step:1>step:1"))
        await s.press("l")
        await s.shows("inv_a is shown above: it waits for itself")
        await s.press("p")
        source.details["inv_b"] = replace(source.details["inv_b"], timeline=())
        await s.until(lambda: s.app.screen.called.known["inv_b"].detail.timeline == ())
        assert s.app.screen.waterfall.current.row.key == "step:1>step:1"
        await s.press("p")
        await s.shows("inv_b is running; its journal is empty")


async def test_a_row_of_a_called_invocation_acts_on_that(stage, monkeypatch) -> None:
    source, _ = family()
    child = summary("inv_b", "B/run", "succeeded", 58)
    output = step(child.created_at, 0, 0.1, "run", "work", 1, output="ok")
    source.details["inv_b"] = InvocationDetail(child, (output,), (), (), (step_row(output, 0),), {})
    async with stage(source) as s:
        s.app.open_invocation("inv_a")
        await s.until(lambda: getattr(s.app.screen, "detail", None))
        screen: Any = s.app.screen
        asked: list[str] = []
        monkeypatch.setattr(screen, "choose_action", lambda row, step: asked.append(row.id))
        monkeypatch.setattr(screen, "choose_copy", lambda row, *more: asked.append(row.id))
        monkeypatch.setattr(screen, "answer", asked.append)
        monkeypatch.setattr(s.app, "open_replay", lambda id_, target: asked.append(id_))
        for key, wanted in (("step:1", "inv_a"), ("step:1>step:1", "inv_b")):
            if wanted == "inv_b":
                await s.press("l")
            await s.until(lambda key=key: screen.waterfall.go_to(key))
            await s.press("x", "y", "a", "r")
            assert asked == [wanted] * 4
            asked.clear()
        await s.press("slash", *"work", "enter")
        assert [row.row.key for row in screen.waterfall.rows if row.match] == ["step:1>step:1"]


async def test_a_list_that_was_empty_has_the_keys(stage) -> None:
    source = FakeReader([])
    async with stage(source) as s:
        await s.shows("No invocations yet")
        source.rows = [summary(f"inv_{n}", "S/run", "succeeded", n) for n in range(3)]
        await s.until(lambda: s.app.screen.listing.rows)
        await s.press("j")
        assert s.app.screen.listing.cursor == "inv_1"


async def test_a_move_draws_no_chips_again(stage, monkeypatch) -> None:
    source = FakeReader()
    row = source.rows[0]
    source.details[row.id] = long_journal(row, 20)
    async with stage(source) as s:
        s.app.open_invocation(row.id)
        await s.until(lambda: getattr(s.app.screen, "detail", None))
        drawn: list[object] = []
        monkeypatch.setattr(Chips, "update", lambda _, content: drawn.append(content))
        await s.press("j", "k", "G")
        assert drawn == []
        await s.press("f")
        assert len(drawn) == 1


def test_tabs_never_have_the_same_name() -> None:
    found = details(FakeReader().rows).values()
    rows = [(row, detail) for detail in found for row in detail.timeline]
    weather = next(detail for detail in found if detail.spans)
    steps = [row for row, _ in rows if row.step]
    spans = list(weather.spans)
    both = [(replace(row, span=span), weather) for row in steps for span in spans]
    names = [[tab.name for tab in tabs_of(row, detail)] for row, detail in (*rows, *both)]
    assert all(len(set(tabs)) == len(tabs) for tabs in names)
    assert ["Overview", "Messages", "Raw", "Span's messages", "Attributes"] in names
