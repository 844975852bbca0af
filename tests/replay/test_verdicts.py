"""Verdicts and reports: blocked side effects, differences by cause, parts not compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from playhead.cli import cli
from playhead.replay import Divergence, Recording, Report, groups_of, replay, report_lines
from playhead.replay.differences.prompts import argument_differences
from playhead.replay.replays import annotate
from playhead.replay.worker import Worker
from playhead_samples import agents

RECORDINGS = Path(__file__).parents[1] / "recordings"
RUN_OK = RECORDINGS / "v6" / "run_ok.journal.json"
WEATHER = RECORDINGS / "agents" / "weather.journal.json"
THINGS = """
import socket
import restate

things = restate.Service("Things")

@things.handler()
async def run_ok(ctx, name: str) -> dict:
    one = await ctx.run_typed({first!r}, lambda: {{}})
{body}
    two = await ctx.run_typed("second", lambda: 1)
    return {{"one": one, "two": two}}

app = restate.app([things])
"""
ASK = "socket.create_connection(('192.0.2.1', 80), 1)"
CAUGHT = f"    try:\n        {ASK}\n    except OSError:\n        pass"


def run(folder: Path, body: str, *, first: str = "first") -> Report:
    (folder / "things.py").write_text(THINGS.format(body=body, first=first))
    return replay("things:app", RUN_OK, app_dir=folder)


@pytest.mark.parametrize("body", [CAUGHT, f"    {ASK}"], ids=["caught", "raised"])
def test_a_blocked_side_effect_is_its_own_verdict(body: str, tmp_path: Path):
    report = run(tmp_path, body)
    assert (report.verdict, report.found) == ("blocked", True)
    line = 1 + (tmp_path / "things.py").read_text().partition(ASK)[0].count("\n")
    assert report.blocked[0].endswith(f"192.0.2.1:80 ({tmp_path / 'things.py'}:{line})")
    text = "\n".join(report_lines(report))
    assert text.startswith("blocked: code outside a step tried network")
    assert "Restate would refuse" not in text
    assert "error 570" not in text


def test_a_refusal_before_the_blocked_side_effect_is_certain(tmp_path: Path):
    report = run(tmp_path, CAUGHT, first="renamed")
    assert report.verdict == "diverged"
    assert report.blocked, "the run that lists all differences gets to it"


def test_a_refusal_after_a_blocked_side_effect_may_be_its_effect(tmp_path: Path):
    body = f"{CAUGHT}\n        await ctx.run_typed('fallback', lambda: 1)"
    report = run(tmp_path, body)
    assert report.verdict == "blocked"
    fatal = [(d.kind, d.current) for d in report.divergences if d.fatal]
    assert fatal == [("added", "Run fallback")]


def test_an_exception_is_not_called_a_refusal(tmp_path: Path):
    report = run(tmp_path, "    raise ValueError('oops')")
    assert report.verdict == "diverged"
    text = "\n".join(report_lines(report))
    assert "diverged: the code raises ValueError('oops') at #3, and Restate would retry" in text
    assert "would refuse" not in text


def test_threads_that_ran_before_the_handler_do_not_decide_the_verdict(tmp_path: Path):
    pulse = (
        "import threading\nbegin, done = threading.Event(), threading.Event()\n"
        "def pulse():\n    begin.wait()\n    try:\n"
        f"        {ASK}\n"
        "    except OSError:\n        pass\n    done.set()\n"
        "threading.Thread(target=pulse, daemon=True).start()\n"
    )
    text = THINGS.format(body="    begin.set(); done.wait(10)", first="first")
    (tmp_path / "things.py").write_text(text.replace("import socket\n", f"import socket\n{pulse}"))
    report = replay("things:app", RUN_OK, app_dir=tmp_path)
    assert report.verdict == "same"
    assert any("in a background thread" in what for what in report.blocked)


def test_the_command_exits_with_1_and_counts_blocked_recordings(tmp_path: Path):
    run(tmp_path, CAUGHT)
    (tmp_path / "run_ok.journal.json").write_text(RUN_OK.read_text())
    app = ("--app", "things:app", "--app-dir", str(tmp_path))
    one = CliRunner().invoke(cli, ["replay", str(RUN_OK), *app, "--json"])
    assert (one.exit_code, json.loads(one.output)["verdict"]) == (1, "blocked")
    folder = CliRunner().invoke(cli, ["replay", str(tmp_path), *app])
    assert (folder.exit_code, folder.output.splitlines()[-1]) == (1, "1 blocked")
    both = CliRunner().invoke(cli, ["replay", str(tmp_path), *app, "--json"])
    assert json.loads(both.output)["summary"]["blocked"] == 1


# --- by cause


@pytest.fixture(scope="module")
def weather() -> Recording:
    """The weather agent's recording with the arguments of all steps."""
    return annotate("playhead_samples.app:create_app()", Recording.load(WEATHER))


def changed(folder: Path, old: str, new: str) -> str:
    assert agents.__file__ is not None
    text = (Path(agents.__file__).parent / "weather.py").read_text()
    assert text.count(old) == 1
    (folder / "changed.py").write_text(f"{text.replace(old, new)}\napp = restate.app(SERVICES)\n")
    return "changed:app"


def test_one_prompt_change_is_one_difference(weather: Recording, tmp_path: Path):
    app = changed(tmp_path, "You are a weather agent.", "You are a grumpy weather agent.")
    report = replay(app, weather, app_dir=tmp_path)
    calls = [c.index for c in weather.journal().commands if c.name == "Model call"]
    (group,) = groups_of(report.divergences)
    assert group.cause == "system prompt changed"
    assert group.places == tuple(f"#{index}" for index in calls)
    assert len(report.divergences) == len(calls)
    text = "\n".join(report_lines(report))
    places = ", ".join(group.places)
    assert f"system prompt changed, in {len(calls)} model calls: {places} (Restate" in text
    assert text.count("You are a grumpy weather agent.") == 1
    document = report.to_json()
    assert document["groups"] == [
        {
            "cause": "system prompt changed", "fatal": False, "places": list(group.places),
            "divergences": list(range(len(calls))),
        }
    ]  # fmt: skip
    assert len(document["divergences"]) == len(calls)
    assert Report.from_json(document) == report


def test_a_change_of_settings(weather: Recording, tmp_path: Path):
    settings = 'name="weather", model_settings={"temperature": 0.5},'
    app = changed(tmp_path, 'name="weather",', settings)
    report = replay(app, weather, app_dir=tmp_path)
    assert [group.cause for group in groups_of(report.divergences)] == ["model settings changed"]
    assert {d.kind for d in report.divergences} == {"settings"}


def request(*tools: str, **more: object) -> dict[str, object]:
    messages = [{"parts": [{"part_kind": "user-prompt", "content": "Hi"}]}]
    parameters = {"function_tools": [{"name": t, "description": t} for t in tools]}
    return {"args": [messages, None, {**parameters, **more}]}


@pytest.mark.parametrize(
    ("new", "causes"),
    [
        (request("a", "b", "c"), []),
        (request("b", "a", "c"), ["tools reordered"]),
        (request("a", "c"), ["tool b removed"]),
        (request("a", "b", "c", "d"), ["tool d added"]),
        (request("a", "b", "c", output_mode="tool"), ["output schema changed"]),
        (request("a", "b", "c", thinking=True), ["request changed"]),
        ({**request("a", "b", "c"), "model": "other"}, []),
    ],
)
def test_changes_of_a_request_are_named(new: dict[str, object], causes: list[str]):
    found = argument_differences("Model call", request("a", "b", "c"), new)
    assert [difference.cause for difference in found] == causes


def test_another_description_of_a_tool_and_another_model():
    old, new = {**request("a"), "model": "one"}, {**request("a"), "model": "two"}
    new["args"][2]["function_tools"][0]["description"] = "A"  # type: ignore[index]
    found = [(d.cause, d.recorded, d.current) for d in argument_differences("Model call", old, new)]
    assert found == [
        ("tool a changed", "a.description = a", "a.description = A"),
        ("model changed", "model = one", "model = two"),
    ]


def test_different_changes_are_different_groups():
    def of(index: int, recorded: str, cause: str) -> Divergence:
        return Divergence(index, "prompt", recorded, "new", None, False, "Run Model call", index,
                          cause)  # fmt: skip

    first, second = (
        of(1, "message 1 (user): 10:01", "c"),
        of(3, "message 4 (user): 10:02", "c"),
    )
    other = of(3, "message 1 (user): bye", "c")
    renamed = Divergence(5, "renamed", "a", "b", name="Run a", journal_index=5)
    groups = groups_of([first, second, other, renamed, renamed])
    assert [group.indexes for group in groups] == [(0, 1), (2,), (3, 4)]
    assert [group.title for group in groups] == [
        "c, in 2 model calls: #1, #3", "#3 Run Model call: c", "#5 Run a: renamed",
    ]  # fmt: skip


# --- not compared


def test_same_names_what_was_not_compared(weather: Recording, samples: Worker):
    bare = samples.report(WEATHER)
    assert bare.verdict == "same"
    assert bare.not_compared
    steps = {c.index: c for c in weather.journal().commands if c.type == "Run"}
    models = tuple(f"#{i}" for i, c in steps.items() if c.name == "Model call")
    plain = Recording.load(WEATHER)
    lacking = samples.report(Recording.from_json({**plain.to_json(), "steps": {}}))
    found = {item.what: item.places for item in lacking.not_compared}
    tools = tuple(f"#{i}" for i, c in steps.items() if c.name != "Model call")
    assert found == {
        **dict.fromkeys(("prompt", "tools", "settings", "output schema", "model"), models),
        "arguments": tools,
    }
    text = "\n".join(report_lines(lacking))
    models_text = ", ".join(models)
    assert f"prompt, tools, settings, output schema, model of {models_text} (not in" in text
    assert lacking.to_json()["not_compared"][0]["places"] == models
    assert samples.report(weather).not_compared == ()


def test_strict_says_that_only_the_sdk_was_asked(weather: Recording, samples: Worker):
    report = samples.report(weather, explain=False)
    assert {item.reason for item in report.not_compared} == {"only the SDK was asked"}
    assert {"prompt", "arguments"} <= {item.what for item in report.not_compared}
