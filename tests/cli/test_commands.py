"""Commands that read data, run as processes on real agents."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner
from playhead.cli import cli as playhead_cli
from playhead.client import Client
from playhead.local import free_port
from playhead.model import InvocationDetail
from playhead.reader.sources import NO_RECORDER

TOOL_FAILS = "a tool that fails twice, then works"
WAITS = "an approval that waits for you"
ESCAPE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def test_ls(cli: Any) -> None:
    lines = cli("ls").stdout.splitlines()
    assert lines[0].split("\t") == [
        "ID", "TARGET", "STATUS", "AGE", "DURATION", "ATTEMPTS", "LLM CALLS", "TOKENS",
        "COST", "REASON",
    ]  # fmt: skip
    rows = {line.split("\t")[0]: line.split("\t") for line in lines[1:]}
    assert set(rows) == set(cli.ids.values())
    failing = rows[cli.ids[TOOL_FAILS]]
    assert (failing[1], failing[2], failing[5], failing[6]) == (
        "WeatherAgent/run", "succeeded", "3", "2",
    )  # fmt: skip
    assert rows[cli.ids[WAITS]][2] == "suspended"
    assert not ESCAPE.search("\n".join(lines).replace("\t", "").replace("\n", ""))


def test_ls_json_and_filters(cli: Any) -> None:
    document = json.loads(cli("ls", "--json").stdout)
    assert document["missing"] == []
    assert {row["id"] for row in document["invocations"]} == set(cli.ids.values())
    chat = json.loads(cli("ls", "--json", "--service", "ChatAgent", "--limit", "2").stdout)
    assert len(chat["invocations"]) == 2
    assert chat["more"] is True
    [waiting] = json.loads(cli("ls", "--json", "--status", "suspended").stdout)["invocations"]
    assert waiting["id"] == cli.ids[WAITS]
    nothing = cli("ls", "--since", "0s")
    assert nothing.stdout == ""
    assert "No invocation matches" in nothing.stderr
    cli("ls", "--since", "soon", code=2)
    cli("ls", "--status", "happy", code=2)


def test_show(cli: Any) -> None:
    id_ = cli.ids[TOOL_FAILS]
    text = cli("show", id_[:-3]).stdout
    assert id_ in text
    assert text.count("\n✗ attempt") == 2
    assert "✓ attempt 3: completed" in text
    assert re.search(r"#3 run Get weather.*╳┄+╳", text)
    assert "TransientError [500] at #3 Get weather" in text
    assert "playhead_samples.tool_faults.ToolUnavailableError" in text
    plain = cli("--ascii", "show", id_).stdout
    assert re.search(r"#3 run Get weather.*x\.+x", plain)


def test_show_one_step(cli: Any) -> None:
    id_ = cli.ids[TOOL_FAILS]
    text = cli("show", id_, "--step", "5").stdout
    assert "What is the weather in Denver?" in text
    assert "answer: assistant" in text
    document = json.loads(cli("show", id_, "--step", "#5", "--json").stdout)
    assert document["llm"]["prompt"][0]["role"] == "system"
    assert "Its steps: #0, #1, #3, #5, #7" in cli("show", id_, "--step", "4", code=2).stderr
    assert "'soon' is not a journal index" in cli("show", id_, "--step", "soon", code=2).stderr


def test_show_json_holds_everything(cli: Any) -> None:
    document = json.loads(cli("show", cli.ids[TOOL_FAILS], "--json").stdout)
    assert [a["outcome"] for a in document["attempts"]] == ["failed", "failed", "completed"]
    assert len(document["timeline"]) > 10
    assert document["summary"]["tokens"]["input"] > 0


def test_show_names_what_answered_and_what_waits(cli: Any) -> None:
    document = json.loads(cli("show", cli.ids[TOOL_FAILS], "--json").stdout)
    [row] = json.loads(cli("ls", "--filter", f"id:{cli.ids[TOOL_FAILS]}", "--json").stdout)[
        "invocations"
    ]
    for names in ("models", "agents"):
        assert document["summary"][names] == row[names] != []
    waiting = json.loads(cli("show", cli.ids[WAITS], "--json").stdout)["summary"]["waiting"]
    assert f"awakeable   {waiting['name']}\n" in cli("show", cli.ids[WAITS]).stdout


def test_a_condition_that_nothing_meets_is_not_an_empty_store(cli: Any) -> None:
    assert "No recorded call matches." in cli("agents", "--filter", "service:Nope").stderr
    assert "No virtual object or workflow matches." in cli("state", "Nope").stderr


def test_show_rejects_unknown_and_ambiguous_ids(cli: Any) -> None:
    several = cli("show", "inv_1", code=2).stderr
    assert several.startswith("playhead: Several ids begin with 'inv_1'\n  inv_1")
    assert (
        "No invocation has an id that begins with 'inv_1zzz'"
        in cli("show", "inv_1zzz", code=2).stderr
    )
    whole = "inv_1" + 33 * "0"
    assert (
        f"No invocation has an id that begins with '{whole}'" in cli("show", whole, code=2).stderr
    )


def test_a_change_that_does_not_fit_is_said_once(cli: Any) -> None:
    ended = [id_ for title, id_ in cli.ids.items() if title != WAITS][:2]
    done = cli("cancel", ended[0], "--yes")
    assert (done.stdout.count("\n"), done.stderr) == (1, "")
    assert done.stdout.startswith(f"left alone\t{ended[0]}\t")
    done = cli("cancel", *ended)
    assert (done.stdout.count("\n"), done.stderr) == (2, "")
    done = cli("cancel", "--filter", f"id:{','.join(ended)}")
    assert (done.stdout, done.stderr) == ("", "2 invocations left alone: has ended.\n")
    assert cli("cancel", ended[0], "--json").stderr == "1 invocation left alone: has ended.\n"


def test_doctor_finds_no_fault(cli: Any) -> None:
    document = json.loads(cli("doctor", "--json").stdout)
    assert document["failed"] == 0
    states = {check["name"]: check["state"] for check in document["checks"]}
    assert set(states.values()) == {"passed"}, document
    assert {"restate", "version", "recorder", "server spans", "agent spans"} <= set(states)
    assert "No check failed." in cli("doctor").stdout


def test_doctor_names_unreachable_servers(cli: Any, tmp_path: Any) -> None:
    closed = f"http://127.0.0.1:{free_port()}"
    document = json.loads(
        cli("--admin-url", closed, "--store", tmp_path, "doctor", "--json", code=1).stdout
    )
    faults = {c["name"]: c for c in document["checks"] if c["state"] == "failed"}
    assert {"restate", "recorder", "ports"} == set(faults)
    assert "playhead record" in faults["recorder"]["hint"]
    assert "RESTATE_ADMIN_URL" in faults["restate"]["hint"]
    assert str(cli.stack.settings.api_port) in faults["ports"]["finding"]


def test_no_source_answers(cli: Any, tmp_path: Any) -> None:
    closed = f"http://127.0.0.1:{free_port()}"
    for command in (["ls"], ["stats"], ["show", cli.ids[WAITS]]):
        done = cli("--admin-url", closed, "--store", tmp_path, *command, code=3)
        assert done.stdout == ""
        assert done.stderr.startswith(
            "playhead: Neither a Restate server nor a store can be read\n"
        )
        assert "\n  No Restate server answers" in done.stderr


def test_one_source_is_enough(cli: Any, tmp_path: Any) -> None:
    closed = f"http://127.0.0.1:{free_port()}"
    recorded = cli("--admin-url", closed, "ls")
    assert recorded.stdout.count("(stored)") == len(cli.ids)
    assert "No Restate server answers" in recorded.stderr
    live = cli("--store", tmp_path, "ls")
    assert len(live.stdout.splitlines()) == len(cli.ids) + 1
    assert NO_RECORDER in live.stderr


def test_diff(cli: Any) -> None:
    a, b = cli.ids[TOOL_FAILS], cli.ids["a simple question"]
    document = json.loads(cli("diff", a, b, "--json", code=1).stdout)
    assert [pair["verdict"] for pair in document["steps"]] == ["changed"] * 5
    assert "Lisbon" in cli("diff", a, b, code=1).stdout
    assert "5 steps are the same." in cli("diff", a, a).stdout
    other = cli("diff", a, cli.ids["a conversation starts"], "--json", code=1).stdout
    verdicts = {pair["verdict"] for pair in json.loads(other)["steps"]}
    assert {"only A", "only B"} <= verdicts


def test_diff_of_statuses(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Client.invocation
    statuses = iter(("succeeded", "killed"))

    def ended(client: Client, id_: str) -> InvocationDetail:
        detail = read(client, id_)
        return replace(detail, summary=replace(detail.summary, status=next(statuses)))

    monkeypatch.setattr(Client, "invocation", ended)
    id_ = cli.ids["a simple question"]
    done = CliRunner().invoke(playhead_cli, ["diff", id_, id_], env=cli.stack.environment)
    assert done.exit_code == 1, done.output
    assert "5 steps are the same." in done.output
    assert "The invocations have different statuses." in done.output
    statuses = iter(("killed", "killed"))
    done = CliRunner().invoke(playhead_cli, ["diff", id_, id_], env=cli.stack.environment)
    assert done.exit_code == 0, done.output


def test_stats(cli: Any) -> None:
    found = {row["service"]: row for row in json.loads(cli("stats", "--json").stdout)["services"]}
    assert found["WeatherAgent"]["invocations"] == 3
    assert found["WeatherAgent"]["attempts"] == 6
    assert found["WeatherAgent"]["llm_calls"] == 6
    assert found["ApprovalAgent"]["by_status"] == {"suspended": 1}
    lines = cli("stats").stdout.splitlines()
    assert lines[0].split("\t") == [
        "SERVICE", "INVOCATIONS", "ATTEMPTS", "LLM CALLS", "TOKENS", "COST", "P50", "P95",
        "STATUS",
    ]  # fmt: skip
    assert any(line.startswith("WeatherAgent\t3\t6\t6\t") for line in lines)


def test_tail(cli: Any) -> None:
    lines = cli("tail", "--json", "--count", "8").stdout.splitlines()
    documents = [json.loads(line) for line in lines]
    assert {document["invocation"]["id"] for document in documents} == set(cli.ids.values())
    assert {document["event"] for document in documents} == {"new"}


@pytest.fixture
def hostile(cli: Any) -> str:
    """Invocation whose input contains escape sequences and markup."""
    import httpx

    text = "\x1b]0;pwned\x07\x1b[2J[bold red]x[/bold red]\u202e"
    answer = httpx.post(f"{cli.stack.settings.ingress_url}/WeatherAgent/run/send", json=text)
    id_: str = answer.json()["invocationId"]
    return id_


@pytest.mark.parametrize("no_color", [True, False])
def test_payloads_do_not_control_the_terminal(cli: Any, hostile: str, no_color: bool) -> None:
    main, side = pty.openpty()
    env = {**os.environ, **cli.stack.environment, "TERM": "xterm-256color", "COLUMNS": "200"}
    env |= {"NO_COLOR": "1"} if no_color else {}
    process = subprocess.Popen(
        [sys.executable, "-m", "playhead", "show", hostile, "--step", "0"],
        env=env,
        stdout=side,
        stderr=side,
    )
    os.close(side)
    output = b""
    try:
        while chunk := os.read(main, 65536):
            output += chunk
    except OSError:
        pass
    os.close(main)
    assert process.wait(30) == 0
    text = output.decode()
    assert "[bold red]x[/bold red]" in text
    escapes = set(re.findall(r"\x1b.[^a-zA-Z]*[a-zA-Z]?", text))
    allowed = r"\x1b\[[0-9;]*m"
    assert all(re.fullmatch(allowed, escape) for escape in escapes), escapes
    assert "\u202e" not in text
    assert "\x07" not in text
    colors = {e for e in escapes if re.search(r"[\[;](3\d|9\d|4\d)", e)}
    assert bool(colors) != no_color
