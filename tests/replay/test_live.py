"""What-ifs with live steps: what runs for real, what is said beforehand, and results as text."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner, Result
from playhead.cli import cli
from playhead.replay import (
    LivePlan,
    Recording,
    WhatIfQuestion,
    WhatIfResult,
    app_process,
    live_plan,
    what_if,
)
from playhead.replay.replays import annotate
from playhead.replay.sandbox.launch import Launcher
from playhead.replay.targets import result_of_text
from playhead.replay.text import what_if_lines

RECORDINGS = Path(__file__).parents[1] / "recordings"
RUN_OK = Recording.load(RECORDINGS / "v6" / "run_ok.journal.json")
THINGS = """
import pathlib
import restate

things = restate.Service("Things")
HERE = pathlib.Path(__file__).parent

def ask(question: str):
    with (HERE / "asked").open("a") as log:
        log.write(question + "\\n")
    return {answer}

@things.handler()
async def run_ok(ctx, name: str) -> dict:
    one = await ctx.run_typed("first", ask, question={first!r} + name)
    two = await ctx.run_typed("second", ask, question={second!r} + str(one))
    return {{"one": one, "two": two}}

app = restate.app([things])
"""


def app(folder: Path, *, first: str = "first ", second: str = "second ", answer: str = "1") -> str:
    (folder / "asking.py").write_text(THINGS.format(first=first, second=second, answer=answer))
    return "asking:app"


def asked(folder: Path) -> list[str]:
    """The questions of the steps that ran, from the steps' own log."""
    log = folder / "asked"
    return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def known(tmp_path: Path) -> Recording:
    """A recording with the arguments of its steps."""
    return annotate(app(tmp_path), RUN_OK, app_dir=tmp_path)


def plan(folder: Path, recording: Recording, question: WhatIfQuestion) -> LivePlan:
    return live_plan("asking:app", recording, question, app_dir=folder)


def test_live_steps_keep_their_results_without_a_difference(known: Recording, tmp_path: Path):
    live = ("first", "second")
    assert plan(tmp_path, known, WhatIfQuestion({}, live=live)).steps == ()
    result = what_if("asking:app", known, {}, live=live, app_dir=tmp_path)
    assert [row.source for row in result.rows] == ["recorded", "recorded"]
    assert result.output == result.original_output
    assert asked(tmp_path) == []


def test_only_steps_after_the_change_run(known: Recording, tmp_path: Path):
    question = WhatIfQuestion({1: "other"}, live=("first", "second"))
    found = plan(tmp_path, known, question)
    assert [(step.name, step.journal_index) for step in found.steps] == [("second", 3)]
    assert asked(tmp_path) == [], "the plan runs nothing"
    result = what_if("asking:app", known, {1: "other"}, live=question.live, app_dir=tmp_path)
    assert [row.source for row in result.rows] == ["changed", "live"]
    assert asked(tmp_path) == ["second other"]
    assert result.live_steps == len(found.steps)


def test_a_result_that_is_set_begins_the_live_part_even_if_it_is_the_recorded_one(
    known: Recording, tmp_path: Path
):
    recorded = known.journal().result_of(known.journal().commands[1])
    assert recorded is not None
    changes = {1: json.loads(recorded.value)}
    result = what_if("asking:app", known, changes, live=("second",), app_dir=tmp_path)
    assert result.live_steps == len(asked(tmp_path)) == 1


def test_a_changed_request_runs_and_so_does_what_follows(known: Recording, tmp_path: Path):
    app(tmp_path, first="FIRST ")
    live = ("first", "second")
    found = plan(tmp_path, known, WhatIfQuestion({}, live=live))
    assert [step.name for step in found.steps] == ["first", "second"]
    result = what_if("asking:app", known, {}, live=live, app_dir=tmp_path)
    assert [row.source for row in result.rows] == ["live", "live"]
    assert asked(tmp_path) == ["FIRST Ada", "second 1"]


def test_a_changed_request_at_the_end_keeps_what_comes_before(known: Recording, tmp_path: Path):
    app(tmp_path, second="SECOND ")
    result = what_if("asking:app", known, {}, live=("first", "second"), app_dir=tmp_path)
    assert [row.source for row in result.rows] == ["recorded", "live"]
    assert len(asked(tmp_path)) == 1


def test_a_request_that_is_not_in_the_recording_counts_as_unchanged(tmp_path: Path):
    app(tmp_path, first="FIRST ")
    bare = replace(RUN_OK, steps={})
    found = plan(tmp_path, bare, WhatIfQuestion({}, live=("first", "second")))
    assert (found.steps, found.assumed) == ((), (1, 3))


def test_a_step_at_another_position_runs(known: Recording, tmp_path: Path):
    text = (tmp_path / "asking.py").read_text()
    one = '    one = await ctx.run_typed("first"'
    assert one in text
    (tmp_path / "asking.py").write_text(text.replace(one, f"    ctx.set('n', 1)\n{one}"))
    (tmp_path / "asking.py").write_text(text.replace(one, f"    ctx.uuid()\n{one}"))
    assert plan(tmp_path, known, WhatIfQuestion({}, live=("first",))).steps == ()
    sleep = "    await ctx.sleep(__import__('datetime').timedelta(seconds=1))\n"
    (tmp_path / "asking.py").write_text(text.replace(one, f"{sleep}{one}"))
    found = plan(tmp_path, known, WhatIfQuestion({}, live=("first",)))
    assert [step.name for step in found.steps] == ["first"]


def test_the_limit_blocks_the_run(known: Recording, tmp_path: Path):
    app(tmp_path, first="FIRST ")
    live = ("first", "second")
    result = what_if("asking:app", known, {}, live=live, max_live=1, app_dir=tmp_path)
    assert len(asked(tmp_path)) == 1
    assert result.stopped == "the limit of 1 live steps is reached"
    assert result.missing == ("second",)


# --- what a live step can reach

REACHING = """
import os, pathlib, socket, subprocess, time
import restate

things = restate.Service("Things")
HERE = pathlib.Path(__file__).parent

def tries(*attempts):
    found = []
    for attempt in attempts:
        try:
            attempt()
            found.append("done")
        except OSError as error:
            found.append(type(error).__name__)
    return found

def reach():
    return tries(
        lambda: (HERE / "report").write_text("written"),
        lambda: pathlib.Path(os.environ["TMPDIR"], "scratch").write_text("x"),
        lambda: socket.create_connection(("127.0.0.1", {port}), 5).close(),
        lambda: subprocess.run(["true"], check=True),
        lambda: subprocess.Popen(["sleep", "{seconds}"], start_new_session=True),
        lambda: pathlib.Path("{outside}").write_text("x"),
        lambda: os.kill({pid}, 0),
    )

@things.handler()
async def run_ok(ctx, name: str) -> dict:
    one = await ctx.run_typed("first", lambda: 1)
    return {{"one": one, "two": await ctx.run_typed("second", reach)}}

app = restate.app([things])
"""


@pytest.mark.parametrize("system", ["namespaces", "Landlock"])
def test_a_live_step_has_the_network_its_folder_and_nothing_else(
    tmp_path: Path, system: str, monkeypatch: pytest.MonkeyPatch
):
    if system == "Landlock":
        switched_off = Launcher("", (), "switched off by a test")
        monkeypatch.setattr(app_process, "live_launcher", lambda: switched_off)
    outside = Path.home() / f"playhead-{os.getpid()}.txt"
    seconds = f"600.{os.getpid()}"
    with socket.create_server(("127.0.0.1", 0)) as server:
        values = {
            "port": server.getsockname()[1],
            "seconds": seconds,
            "outside": outside,
            "pid": os.getpid(),
        }
        (tmp_path / "reaching.py").write_text(REACHING.format(**values))
        result = what_if("reaching:app", RUN_OK, {1: 2}, live=("second",), app_dir=tmp_path)
    found = result.output["two"]
    assert found[:5] == ["done"] * 5
    assert found[5] in ("OSError", "PermissionError")
    assert found[6] in ("ProcessLookupError", "PermissionError")
    assert not outside.exists()
    assert (tmp_path / "report").read_text() == "written"
    isolation = result.isolation
    assert isolation is not None
    assert any(system in mechanism for mechanism in isolation.held["files"])
    assert isolation.held["network"] == ()
    assert "app's folder" in isolation.live_sentence
    assert isolation.sentence == isolation.live_sentence
    left = [p for p in psutil.process_iter(["cmdline"]) if seconds in (p.info["cmdline"] or ())]
    if system == "namespaces":
        assert left == []
    for process in left:
        process.kill()


def test_a_dry_run_names_its_isolation_but_not_that_of_live_steps(known: Recording, tmp_path: Path):
    result = what_if("asking:app", known, {}, app_dir=tmp_path)
    assert result.isolation is not None
    assert not result.isolation.live
    assert "live" not in result.isolation.sentence
    assert f"isolation: {result.isolation.sentence}" in list(what_if_lines(result))
    assert WhatIfResult.from_json(result.to_json()) == result


# --- on the command line


def run(folder: Path, recording: Recording, *arguments: str, typed: str | None = None) -> Result:
    file = recording.save(folder / "it.journal.json")
    place = ("--app", "asking:app", "--app-dir", str(folder))
    return CliRunner().invoke(cli, ["replay", str(file), *place, *arguments], input=typed)


def test_the_number_is_said_before_anything_runs(known: Recording, tmp_path: Path):
    changed = ("--set", '#1="other"', "--live", "second")
    refused = run(tmp_path, known, *changed, typed="n\n")
    assert refused.exit_code == 1
    sentence = "Runs 1 step live, if the answers are as recorded: #3. At most 20."
    assert refused.stderr.startswith(sentence)
    assert asked(tmp_path) == []
    script = run(tmp_path, known, *changed, typed="")
    assert script.exit_code == 2
    assert "Give --yes" in script.stderr
    assert asked(tmp_path) == []
    agreed = run(tmp_path, known, *changed, "--yes", "--json")
    assert agreed.exit_code == 0
    assert agreed.stderr.startswith(sentence)
    live = json.loads(agreed.stdout)["live"]
    assert (live["plan"]["count"], live["executed"]) == (1, len(asked(tmp_path)))
    assert [step["journal_index"] for step in live["plan"]["steps"]] == [3]


def test_without_a_difference_nothing_is_asked(known: Recording, tmp_path: Path):
    result = run(tmp_path, known, "--live", "first", typed="")
    assert result.exit_code == 0
    assert "No step runs live" in result.stderr


def test_a_blocked_run_names_the_options(known: Recording, tmp_path: Path):
    result = run(tmp_path, known, "--set", '#1="other"')
    assert "blocked, the recording has no result of Run second" in result.stdout
    remedy = "Give a result with --answer second=JSON, or run it for real with --live second."
    assert remedy in result.stdout
    answered = run(tmp_path, known, "--set", '#1="other"', "--answer", "second=5", "--json")
    assert json.loads(answered.stdout)["output"]["two"] == 5


def test_text_is_refused_for_other_steps(known: Recording, tmp_path: Path):
    result = run(tmp_path, known, "--set", "#1=other")
    assert result.exit_code == 2
    assert "Only the answer of a model call can be text" in result.stderr


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("I only know Oslo.", "I only know Oslo."),
        ('"quoted"', "quoted"),
        ('"Hi" she said', '"Hi" she said'),
        ("42", "42"),
        ("[sic]", "[sic]"),
        ('{"answer": 1}', '{"answer": 1}'),
        ('{"parts": []}', {"parts": []}),
        ('{"output": []}', {"output": []}),
    ],
)
def test_text_is_a_models_answer(text: str, value: object):
    assert result_of_text(text, of_model=True) == value


def test_an_incomplete_message_is_not_taken_as_text():
    with pytest.raises(ValueError, match="Expecting"):
        result_of_text('{"parts": [', of_model=True)


WEATHER = RECORDINGS / "agents" / "weather.journal.json"
AGENTS = "playhead_samples.app:create_app()"


def test_a_models_answer_is_text_in_set_and_answer():
    place = ("--app", AGENTS, "--timeout", "120", "--json")
    answers = ("--set", '#3={"city": "Denver", "sky": "snow"}', "--answer", "Model call=Snow.")
    given = CliRunner().invoke(cli, ["replay", str(WEATHER), *answers, *place])
    assert json.loads(given.stdout)["output"] == "Snow."
    assert json.loads(given.stdout)["rows"][-1]["source"] == "answered"
    changed = ("--set", "#1=I only know Oslo.")
    given = CliRunner().invoke(cli, ["replay", str(WEATHER), *changed, *place])
    assert json.loads(given.stdout)["output"] == "I only know Oslo."


def test_an_awakeable_that_the_recording_does_not_resolve_takes_an_answer():
    waiting = RECORDINGS / "v6" / "approval_waiting.journal.json"
    result = what_if("handlers:app", waiting, {}, app_dir=RECORDINGS)
    assert result.missing == ("awakeable:1",)
    answers = {"awakeable:1": "approved"}
    given = what_if("handlers:app", waiting, {}, answers=answers, app_dir=RECORDINGS)
    assert given.ended
    assert "approved" in given.output
