"""Edits of state with `playhead state`, on a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result
from journal_fixtures import Handlers
from playhead.cli import cli


@pytest.fixture
def run(handlers: Handlers, tmp_path: Path) -> Callable[..., Result]:
    environment = {
        "PLAYHEAD_STORE": str(tmp_path), "RESTATE_ADMIN_URL": handlers.server.admin_url,
    }  # fmt: skip

    def invoke(*words: str, code: int = 0, text: str | None = None) -> Result:
        done = CliRunner().invoke(cli, words, env=environment, input=text)
        assert done.exit_code == code, done.output
        return done

    return invoke


def stored(run: Callable[..., Result], name: str) -> dict[str, object]:
    document = json.loads(run("state", name, "--json").stdout)
    return {value["key"]: value["value"] for value in document["values"]}


def test_a_key_is_set_and_deleted(handlers: Handlers, run: Callable[..., Result]) -> None:
    handlers.call("box/edit/put", {"value": {"n": 1, "text": "a\x1b[31m"}})
    done = run("state", "box/edit", "set", "value", '{"n": 2, "text": "b"}', "--yes")
    assert '-  "n": 1,' in done.stderr
    assert '+  "n": 2,' in done.stderr
    assert "\x1b" not in done.output
    assert "The state was changed." in done.stderr
    assert stored(run, "box/edit") == {"note": "text", "value": {"n": 2, "text": "b"}}
    document = json.loads(run("state", "box/edit", "delete", "value", "--yes", "--json").stdout)
    assert document == {
        "service": "box", "key": "edit", "action": "delete", "name": "value",
        "before": {"n": 2, "text": "b"}, "after": None, "outcome": "applied", "holder": None,
        "missing": document["missing"],
    }  # fmt: skip
    assert stored(run, "box/edit") == {"note": "text"}
    run("state", "box/edit", "set", "read", "-", "--yes", text="[1, 2]")
    same = json.loads(run("state", "box/edit", "set", "read", "[1,2]", "--json").stdout)
    assert same["outcome"] == "unchanged"
    assert stored(run, "box/edit") == {"note": "text", "read": [1, 2]}


def test_an_object_without_state_gets_its_first_value(run: Callable[..., Result]) -> None:
    run("state", "box/first", "set", "new", "true", "--yes")
    assert stored(run, "box/first") == {"new": True}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["set", "value", "2"], "without a terminal"),
        (["set", "value", "{", "--yes"], "The value is not JSON"),
        (["set", "value", "NaN", "--yes"], "NaN is not JSON"),
        (["set", "value", "--yes"], "set NAME JSON, or delete NAME"),
        (["put", "value", "1"], "set NAME JSON, or delete NAME"),
        (["delete", "nothing", "--yes"], "has no key 'nothing'"),
        (["--history", "delete", "value"], "A change needs SERVICE/KEY"),
        (["--yes"], "A change needs SERVICE/KEY"),
    ],
)
def test_nothing_is_changed_unasked_or_by_mistake(
    handlers: Handlers, run: Callable[..., Result], words: list[str], said: str
) -> None:
    handlers.call("box/same/put", {"value": 1})
    assert said in run("state", "box/same", *words, code=2).output
    forbidden = run("--read-only", "state", "box/same", "set", "value", "2", "--yes", code=2)
    assert "--read-only forbids" in forbidden.output
    assert stored(run, "box/same") == {"note": "text", "value": 1}


async def test_an_edit_waits_for_the_lock(handlers: Handlers, run: Callable[..., Result]) -> None:
    handlers.call("box/locked/put", {"value": 1})
    holder = handlers.send("box/locked/hold", 1)
    await handlers.until(holder, "suspended")
    try:
        words = ("state", "box/locked", "set", "value", "2", "--yes", "--json")
        done = await asyncio.to_thread(run, *words)
        assert f"{holder} holds the lock" in done.stderr
        assert json.loads(done.stdout)["outcome"] == "waiting"
    finally:
        url = f"{handlers.server.admin_url}/invocations/{holder}/kill"
        await asyncio.to_thread(httpx.patch, url)
